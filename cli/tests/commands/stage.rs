//! A home of its own for a test, and a way to run the executable in it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const EXECUTABLE: &str = env!("CARGO_BIN_EXE_agentsecrets");
/// The descriptor a passphrase is handed over on.
const PASSPHRASE_FD: i32 = 33;

/// A home, a working directory, and the owner's passphrase. The broker ends with it.
pub(crate) struct Stage {
    root: TempDir,
    pub(crate) passphrase: String,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A random text that stands nowhere else.
pub(crate) fn canary() -> String {
    let mut bytes = [0; 16];
    File::open("/dev/urandom").expect("random").read_exact(&mut bytes).expect("random");
    format!("cnry{}", hex::encode(bytes))
}

impl Stage {
    /// A place without a home.
    pub(crate) fn bare() -> Self {
        let root = TempDir::new().expect("temp dir");
        for folder in ["work", "elsewhere"] {
            std::fs::create_dir(root.path().join(folder)).expect("folder");
        }
        Self { root, passphrase: canary() }
    }

    /// A home with an owner, whose use key lies in a file.
    pub(crate) fn new() -> Self {
        let stage = Self::bare();
        let key = stage.path("use.key");
        let made = stage.owner(["init", "--store", "file", "--unlock", &format!("file:{}", key.display())]);
        assert_eq!(made.code, 0, "{made:?}");
        stage
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The executable with this stage's home and no terminal.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        self.program(EXECUTABLE, arguments)
    }

    /// Another program in the same surroundings.
    pub(crate) fn program<S: AsRef<OsStr>>(&self, name: &str, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(name);
        command.args(arguments).env_clear().env("AGENTSECRETS_HOME", self.home()).env("HOME", self.root.path());
        command.current_dir(self.path("work"));
        // SAFETY: the calls are async-signal-safe; the child leaves the terminal that the tests may run at, and hears the
        // signals that a shell has ignored by what runs behind it.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                libc::signal(libc::SIGQUIT, libc::SIG_DFL);
                Ok(())
            });
        }
        command
    }

    /// Runs what an agent may run: no terminal, no passphrase.
    pub(crate) fn agent<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        ran(self.command(arguments), b"")
    }

    /// The same with something on stdin.
    pub(crate) fn agent_with<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, stdin: &[u8]) -> Ran {
        ran(self.command(arguments), stdin)
    }

    /// Runs with the owner's passphrase on a descriptor.
    pub(crate) fn owner<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        self.owner_with(arguments, b"")
    }

    /// The same with something on stdin.
    pub(crate) fn owner_with<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>, stdin: &[u8]) -> Ran {
        self.with_passphrase(arguments, stdin, &self.passphrase)
    }

    /// Runs with the owner's passphrase, its flag before words that end the line.
    pub(crate) fn owner_before(&self, arguments: &[&str], last: &[&str]) -> Ran {
        self.passed(self.command(arguments), last, b"", &self.passphrase)
    }

    /// Runs with any passphrase on a descriptor.
    pub(crate) fn with_passphrase<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        stdin: &[u8],
        passphrase: &str,
    ) -> Ran {
        self.passed(self.command(arguments), &[], stdin, passphrase)
    }

    fn passed(&self, mut command: Command, last: &[&str], stdin: &[u8], passphrase: &str) -> Ran {
        let (reader, mut writer) = std::io::pipe().expect("pipe");
        writer.write_all(format!("{passphrase}\n").as_bytes()).expect("written");
        drop(writer);
        command.args(["--passphrase-fd", &PASSPHRASE_FD.to_string()]).args(last);
        let reader = OwnedFd::from(reader);
        // SAFETY: dup2 is async-signal-safe, and the descriptor lives until the child has been started.
        unsafe {
            let from = reader.as_raw_fd();
            command.pre_exec(move || {
                if libc::dup2(from, PASSPHRASE_FD) < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
            });
        }
        let ran = ran(command, stdin);
        drop(reader);
        ran
    }

    /// Stores a fresh value under a name and gives it back.
    pub(crate) fn secret(&self, name: &str) -> String {
        let value = canary();
        let stored = self.agent_with(["secrets", "set", name], value.as_bytes());
        assert_eq!(stored.code, 0, "{stored:?}");
        value
    }

    /// The answer of a command as JSON.
    pub(crate) fn json<const N: usize>(&self, arguments: [&str; N]) -> Value {
        let ran = self.agent(arguments.into_iter().chain(["--json"]));
        serde_json::from_str(&ran.stdout).unwrap_or_else(|why| panic!("{why}: {ran:?}"))
    }

    /// Every byte of every file of the home, joined.
    pub(crate) fn files(&self) -> Vec<u8> {
        let (mut bytes, mut open) = (Vec::new(), vec![self.home(), self.path("work")]);
        while let Some(path) = open.pop() {
            let kind = path.symlink_metadata().expect("metadata").file_type();
            if kind.is_dir() {
                open.extend(std::fs::read_dir(&path).expect("folder").map(|entry| entry.expect("entry").path()));
            } else if kind.is_file() {
                bytes.extend(std::fs::read(&path).expect("file"));
            }
        }
        bytes
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.home().join("home.json").exists() {
            let _ = ran(self.command(["broker", "stop"]), b"");
        }
    }
}

impl Ran {
    /// The code of the error on stderr.
    pub(crate) fn error(&self) -> &str {
        let line = self.stderr.lines().find_map(|line| line.strip_prefix("error["));
        line.and_then(|line| line.split(']').next()).unwrap_or_default()
    }

    pub(crate) fn hint(&self) -> &str {
        self.stderr.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, code: i32, error: &str) -> Self {
        assert_eq!((self.code, self.error()), (code, error), "{self:?}");
        self
    }

    /// Whether a text stands anywhere in what was said.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.stdout.contains(text) || self.stderr.contains(text)
    }
}

fn ran(mut command: Command, stdin: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    // A command that reads nothing closes its end, which is no failure of the test.
    let _ = child.stdin.take().expect("stdin").write_all(stdin);
    let output = child.wait_with_output().expect("ended");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A pseudo-terminal: what the human's side reads and writes, and what the command is given.
pub(crate) fn pair() -> (File, OwnedFd) {
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: 40, ws_col: 140, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointers lead to live locals; a null name and no terminal settings are allowed.
    let made = unsafe {
        libc::openpty(&raw mut ours, &raw mut theirs, std::ptr::null_mut(), std::ptr::null(), &raw const size)
    };
    assert_eq!(made, 0, "a pseudo-terminal");
    // SAFETY: both descriptors were made just now and belong to nobody else.
    unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) }
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("file")
}
