//! A throwaway world: a home, its owner, its broker, and an API over real TLS on loopback. Nothing of it outlasts it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::run::Stop;

/// The project that `init` makes.
pub(crate) const PROJECT: &str = "demo";

/// What a program said and how it ended.
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The standard output as JSON; `null` where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or(Value::Null)
    }
}

pub(crate) struct World {
    folder: TempDir,
    executable: PathBuf,
    upstream: Child,
    passphrase: String,
    values: BTreeMap<String, String>,
    /// What the upstream said when it was ready.
    pub(crate) ready: Value,
}

impl World {
    /// Starts the API and makes the home. `options` are those of the upstream.
    pub(crate) fn start(executable: &Path, upstream: &Path, options: &[&str]) -> Result<Self, Stop> {
        let folder = tempfile::tempdir()?;
        let served = folder.path().join("api");
        let mut child = Command::new(upstream)
            .arg("--dir")
            .arg(&served)
            .arg("--until-stdin-closes")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let ready = match wait_for_json(&served.join("ready.json")) {
            Ok(ready) => ready,
            Err(stop) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(stop);
            }
        };
        std::fs::create_dir(folder.path().join("project"))?;
        let (executable, passphrase) = (executable.to_owned(), random(16)?);
        Ok(Self { folder, executable, upstream: child, passphrase, values: BTreeMap::new(), ready })
    }

    /// `https://localhost:PORT` of the API.
    pub(crate) fn origin(&self) -> String {
        format!("https://localhost:{}", self.ready["https_port"])
    }

    /// The authority of the API's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("api/ca.pem")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where the use key lies, for `in-process`.
    pub(crate) fn unlock(&self) -> String {
        format!("file:{}", self.folder.path().join("use.key").display())
    }

    pub(crate) fn init(&self) -> Result<(), Stop> {
        let unlock = self.unlock();
        self.owner(&["init", "--store", "file", "--unlock", &unlock, "--project", PROJECT])?;
        let ca = self.ca();
        self.owner(&["trust", "add", &ca.to_string_lossy()]).map(drop)
    }

    /// Makes a random value and stores it.
    pub(crate) fn store(&mut self, name: &str) -> Result<(), Stop> {
        let value = random(24)?;
        self.succeed(self.cli(&["secrets", "set", name]), value.as_bytes()).map(drop)?;
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// What the API shows of a credential that it got.
    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let value = self.values.get(name).map(String::as_str).unwrap_or_default();
        hex::encode(&Sha256::digest(value.as_bytes())[..6])
    }

    /// Whether a text holds one of the values.
    pub(crate) fn leaks(&self, text: &[u8]) -> bool {
        self.values.values().any(|value| text.windows(value.len()).any(|window| window == value.as_bytes()))
    }

    /// A command of the owner, which has to succeed.
    pub(crate) fn owner(&self, arguments: &[&str]) -> Result<Said, Stop> {
        let (reader, mut writer) = std::io::pipe()?;
        writer.write_all(self.passphrase.as_bytes())?;
        writer.write_all(b"\n")?;
        drop(writer);
        let fd = reader.as_raw_fd();
        let mut command = self.cli(arguments);
        command.args(["--passphrase-fd", &fd.to_string()]);
        // SAFETY: fcntl is async-signal-safe; the descriptor is open, and only the child's copy is changed.
        unsafe { command.pre_exec(move || check(libc::fcntl(fd, libc::F_SETFD, 0))) };
        let said = self.succeed(command, b"");
        drop(reader);
        said
    }

    /// The executable with these arguments, in this world.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&self.executable);
        command.args(arguments);
        command
    }

    /// Any program in this world.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder.path().join("project"));
        for name in ["PATH", "LANG", "TMPDIR"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("HOME", self.folder.path()).env("AGENTSECRETS_HOME", self.home()).env("NO_COLOR", "1");
        command
    }

    /// Runs a program of this world. That a value shows up in what it says is an error of its own.
    pub(crate) fn run(&self, mut command: Command, input: &[u8]) -> Result<Said, Stop> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program may end without reading.
            let _ = stdin.write_all(input);
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| {
            let stderr = child.stderr.take();
            scope.spawn(|| stderr.map(|mut stderr| stderr.read_to_end(&mut err)));
            child.stdout.take().map(|mut stdout| stdout.read_to_end(&mut out))
        });
        let status = child.wait()?;
        if self.leaks(&out) || self.leaks(&err) {
            return Err(Stop::Failed("a value showed up in what a program said".to_owned()));
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { status, out: text(out), err: text(err) })
    }

    /// Runs a program that has to succeed.
    pub(crate) fn succeed(&self, command: Command, input: &[u8]) -> Result<Said, Stop> {
        let told = told(&command);
        let said = self.run(command, input)?;
        if said.status.success() {
            return Ok(said);
        }
        Err(Stop::Failed(format!("`{told}` ended with {}: {}{}", said.status, said.err, said.out)))
    }

    /// The process id of the broker, where one runs.
    pub(crate) fn broker(&self) -> Option<u64> {
        self.run(self.cli(&["broker", "status", "--json"]), b"").ok()?.json()["pid"].as_u64()
    }

    /// Every file under the home that holds a value.
    pub(crate) fn files_with_values(&self) -> Result<Vec<PathBuf>, Stop> {
        let (mut folders, mut found) = (vec![self.home()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                } else if entry.file_type()?.is_file() && self.leaks(&std::fs::read(entry.path())?) {
                    found.push(entry.path());
                }
            }
        }
        Ok(found)
    }

    /// Ends broker and API, each by its own id, and says whether both are gone.
    pub(crate) fn stop(&mut self) -> bool {
        let broker = self.broker();
        if broker.is_some() {
            let _ = self.run(self.cli(&["broker", "stop"]), b"");
        }
        drop(self.upstream.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut gone = false;
        while !gone && Instant::now() < deadline {
            let served = matches!(self.upstream.try_wait(), Ok(Some(_)));
            gone = served && broker.is_none_or(|id| !Path::new(&format!("/proc/{id}")).exists());
            std::thread::sleep(Duration::from_millis(20));
        }
        gone
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.stop() {
            let _ = self.upstream.kill();
            let _ = self.upstream.wait();
        }
    }
}

fn check(returned: i32) -> std::io::Result<()> {
    if returned < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

fn told(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().take(2).map(|it| it.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// So many random bytes in hexadecimal.
fn random(bytes: usize) -> Result<String, Stop> {
    let mut buffer = vec![0; bytes];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut buffer)?;
    Ok(hex::encode(buffer))
}

fn wait_for_json(path: &Path) -> Result<Value, Stop> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if let Ok(text) = std::fs::read(path) {
            return serde_json::from_slice(&text).map_err(|error| Stop::Failed(error.to_string()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(Stop::Failed("the API did not say that it is ready".to_owned()))
}
