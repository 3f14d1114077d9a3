//! A PostgreSQL of the tests' own, shared by those that run at once and stopped after the last.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;

/// A server that runs on a socket in a folder of its own.
pub(crate) struct Postgres {
    folder: TempDir,
    child: Mutex<Child>,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The one that runs, or a new one.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *shared = Arc::downgrade(&started);
            started
        })
    }

    /// A new one.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().expect("a folder");
        if let Some((user, group)) = user() {
            chown(folder.path(), Some(user), Some(group)).expect("as root");
        }
        let data = folder.path().join("data");
        let made = tool("initdb").args(["--no-sync", "--auth=trust", "--username=postgres", "-D"]).arg(&data).output();
        let made = made.expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let child = Mutex::new(run(folder.path()));
        let started = Self { folder, child };
        started.ready();
        started
    }

    /// Stops it at once, as by an administrator, and starts it again.
    pub(crate) fn restart(&self) {
        self.stop();
        *self.child.lock().expect("a child") = run(self.folder.path());
        self.ready();
    }

    /// Stops it at once, as by an administrator.
    pub(crate) fn stop(&self) {
        let mut child = self.child.lock().expect("a child");
        let id = i32::try_from(child.id()).expect("an id");
        // SAFETY: kill takes no pointers; the child was not waited for yet, so that the id is still its own.
        unsafe { libc::kill(id, libc::SIGINT) };
        child.wait().expect("it ends");
    }

    /// The URL of a new database.
    pub(crate) fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres:///{name}?host={}&user=postgres", self.folder.path().display())
    }

    /// Runs a statement and has what it answers.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> String {
        let output = self.client("psql").args(["-XAtq", "-d", database, "-c", statement]).output().expect("psql runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Everything in a database, as text.
    pub(crate) fn dump(&self, database: &str) -> Vec<u8> {
        let output = self.client("pg_dump").args(["-d", database]).output().expect("pg_dump runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn client(&self, name: &str) -> Command {
        let mut command = tool(name);
        command.arg("-h").arg(self.folder.path()).args(["-U", "postgres"]);
        command
    }

    fn ready(&self) {
        loop {
            let answered = self.client("psql").args(["-XAtq", "-d", "postgres", "-c", "SELECT 1"]).output();
            if answered.is_ok_and(|output| output.status.success()) {
                return;
            }
            let ended = self.child.lock().expect("a child").try_wait().expect("a child");
            assert!(ended.is_none(), "PostgreSQL does not start");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(folder: &Path) -> Child {
    let mut command = tool("postgres");
    command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    command.args(["-c", "listen_addresses=", "-c", "max_connections=300"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postgres starts")
}

/// A program of Debian's or of `PATH`; never run as root, which it refuses.
fn tool(name: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin").join(name)).find(|program| program.exists());
    let mut command = Command::new(installed.unwrap_or_else(|| PathBuf::from(name)));
    command.current_dir("/").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    if let Some((user, group)) = user() {
        command.uid(user).gid(group);
    }
    command
}

/// The user that Debian makes for it, where the tests run as root.
fn user() -> Option<(u32, u32)> {
    // SAFETY: geteuid takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return None;
    }
    let of = |which: &str| {
        let output = Command::new("id").args([which, "postgres"]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    of("-u").zip(of("-g"))
}
