//! What every test here stands on: throwaway homes made by the real executable, values of vendors' shapes that exist
//! for one run, and clients of both isolation levels.

#![allow(dead_code, unreachable_pub)] // Each test binary uses its part.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use agentsecrets::logs::{self, LogsQuery, Record};
use agentsecrets::{Client, ErrorCode, Isolation, SecretInput, SecretName};
use agentsecrets_upstream::{Authority, Options, Protocol, Received, Upstream};

/// Every claim is proved on both.
pub const LEVELS: [Isolation; 2] = [Isolation::InProcess, Isolation::Broker];
/// Far beyond what anything here takes: a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The executable of this tree, built once if it is not there.
pub fn executable() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let here = std::env::current_exe().expect("the test's own path");
        let folder = here.ancestors().nth(2).expect("target/PROFILE").to_owned();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "-p", "agentsecrets-cli"]);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the executable does not build");
        folder.join("agentsecrets")
    })
}

/// A random value in the shape of a vendor's key.
pub fn canary() -> String {
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let (a, b) = (random(), random());
    match a.as_bytes()[0] % 5 {
        0 => format!("sk{}live_{a}", '_'),
        1 => format!("ghp{}{a}", '_'),
        2 => format!("xoxb-{}-{b}", &a[..12]),
        3 => format!("SG.{}.{b}", &a[..22]),
        _ => format!("AKIA{}/{b}+", a[..16].to_uppercase()),
    }
}

/// A home of its own; its broker ends with it.
pub struct Home {
    folder: tempfile::TempDir,
    passphrase: String,
}

impl Home {
    /// A home whose use key lies in a file, so that both levels open it alone.
    pub fn new() -> Self {
        let home = Self::bare();
        let place = format!("file:{}", home.path("use.key").display());
        home.passed(&["init", "--store", "file", "--unlock", &place, "--project", "tests", "--passphrase-fd", "0"]);
        home
    }

    /// A home whose use key is under its passphrase; it is open in its broker alone.
    pub fn under_passphrase() -> Self {
        let home = Self::bare();
        home.passed(&[
            "init",
            "--store",
            "file",
            "--unlock",
            "passphrase",
            "--project",
            "tests",
            "--passphrase-fd",
            "0",
        ]);
        home
    }

    /// A folder for a home, without the home.
    pub fn bare() -> Self {
        let folder = tempfile::Builder::new().prefix("as-core-").tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("work")).expect("a working directory");
        Self { folder, passphrase: format!("passphrase {}", uuid::Uuid::new_v4()) }
    }

    pub fn root(&self) -> PathBuf {
        self.path("home")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn work(&self) -> PathBuf {
        self.path("work")
    }

    pub fn at(&self) -> agentsecrets::Home {
        agentsecrets::Home::locate(Some(&self.root())).expect("a path")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable());
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("AGENTSECRETS_HOME", self.root())
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the executable with this on its standard input.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self.command(arguments).spawn().expect("the executable starts");
        child.stdin.take().expect("piped").write_all(input).expect("it reads its input");
        child.wait_with_output().expect("it ends")
    }

    pub fn ok(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.run(arguments, input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// An owner's act: the passphrase comes on standard input.
    pub fn passed(&self, arguments: &[&str]) -> String {
        self.ok(arguments, format!("{}\n", self.passphrase).as_bytes())
    }

    pub fn trust(&self, upstream: &Upstream) {
        let file = self.path("ca.pem");
        std::fs::write(&file, upstream.ca_pem()).expect("written");
        self.passed(&["trust", "add", file.to_str().expect("text"), "--passphrase-fd", "0"]);
    }

    pub fn set(&self, name: &str, value: &[u8]) {
        self.ok(&["secrets", "set", name, "--weak"], value);
    }

    /// `allow NAME` with these rules and flags.
    pub fn allow(&self, name: &str, terms: &[&str]) {
        let arguments = [&["allow", name][..], terms, &["--passphrase-fd", "0"]].concat();
        self.passed(&arguments);
    }

    pub async fn client(&self, level: Isolation) -> Client {
        let builder = Client::builder().home(self.root()).isolation(level);
        builder.timeout(PATIENCE).open().await.unwrap_or_else(|why| panic!("{level:?}: {why:?}"))
    }

    /// The process that answers on the socket now.
    pub async fn broker_pid(&self) -> u32 {
        self.client(Isolation::Broker).await.status().await.expect("status").broker_pid.expect("a broker")
    }

    pub fn stop(&self) {
        let _ = self.run(&["broker", "stop"], b"");
    }

    /// The audit records, oldest first.
    pub fn records(&self) -> Vec<Record> {
        let mut all = logs::records(&self.at(), &LogsQuery::default()).expect("a readable log");
        all.reverse();
        all
    }

    /// Waits until the log holds a record like this.
    pub async fn wait_for_record(&self, wanted: impl Fn(&Record) -> bool) -> Record {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.records().into_iter().find(&wanted) {
                return found;
            }
            let last: Vec<_> = self.records().into_iter().rev().take(4).collect();
            assert!(Instant::now() < end, "no such record; the last are {last:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Every byte of every file of the home.
    pub fn bytes_on_disk(&self) -> Vec<u8> {
        fn walk(folder: &Path, all: &mut Vec<u8>) {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                match entry.file_type().expect("a type") {
                    kind if kind.is_dir() => walk(&entry.path(), all),
                    kind if kind.is_file() => all.extend(std::fs::read(entry.path()).unwrap_or_default()),
                    _ => {}
                }
            }
        }
        let mut all = Vec::new();
        walk(&self.root(), &mut all);
        all
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.root().join("run/broker.sock").exists() {
            self.stop();
        }
    }
}

/// One home and two upstreams for every test that changes no policy.
pub struct Shared {
    pub home: Home,
    pub http1: Upstream,
    pub http2: Upstream,
    /// The value of `KEY`: granted as bearer, basic, `X-Api-Key`, `?key=`, and below `/echo`, `/v1` and `/plant` in the
    /// field `auth.token` of a body and `token` of a form.
    pub key: String,
    /// The value of `OTHER`, granted alike.
    pub other: String,
}

pub fn upstreams() -> (Upstream, Upstream) {
    let authority = Authority::make().expect("an authority");
    let start = |protocol| {
        let options = Options::new().authority(&authority).protocol(protocol).cleartext(true);
        Upstream::start(&options).expect("an upstream")
    };
    (start(Protocol::Http1), start(Protocol::Http2))
}

pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let (http1, http2) = upstreams();
        let home = Home::new();
        home.trust(&http1);
        let (key, other) = (canary(), canary());
        let (one, two) = (http1.base_url(), http2.base_url());
        let (cleartext, address) =
            (http1.http_url("").trim_end_matches('/').to_owned(), format!("https://127.0.0.1:{}", http1.port()));
        for (name, value) in [("KEY", &key), ("OTHER", &other)] {
            home.set(name, value.as_bytes());
            let rules = [one.as_str(), &two, &cleartext, &address];
            let slots = ["--slot", "bearer", "--slot", "basic", "--slot", "header:Authorization", "--slot"];
            home.allow(name, &[&rules[..], &slots, &["header:X-Api-Key", "--slot", "query:key"]].concat());
            let paths = ["--path", "/echo/**", "--path", "/v1/**", "--path", "/plant", "--path", "/multipart"];
            let slots = ["--slot", "body:auth.token", "--slot", "form:token"];
            home.allow(
                name,
                &[&[one.as_str(), &two][..], &paths, &["--path", "/echo", "--path", "/flaky"], &slots].concat(),
            );
        }
        // SAFETY: the handler only uses what is never dropped, and runs once, after the tests.
        unsafe { libc::atexit(end_shared) };
        Shared { home, http1, http2, key, other }
    })
}

extern "C" fn end_shared() {
    let home = &shared().home;
    home.stop();
    let _ = std::fs::remove_dir_all(home.folder.path());
}

impl Shared {
    /// Both HTTP versions.
    pub fn upstreams(&self) -> [&Upstream; 2] {
        [&self.http1, &self.http2]
    }

    /// Runs a claim on each level.
    pub async fn clients(&self) -> [Client; 2] {
        [self.home.client(LEVELS[0]).await, self.home.client(LEVELS[1]).await]
    }
}

/// A text that no other test sends, to find a request again.
pub fn mark() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// The request whose target holds the mark, once it has ended as wanted.
pub async fn seen(upstream: &Upstream, mark: &str, wanted: impl Fn(&Received) -> bool) -> Received {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = upstream.received().into_iter().rfind(|one| one.target.contains(mark));
        if let Some(found) = found.as_ref().filter(|one| wanted(one)) {
            return found.clone();
        }
        assert!(Instant::now() < end, "the upstream saw {found:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn name(text: &str) -> SecretName {
    SecretName::parse(text).expect("a name")
}

pub fn input(value: &[u8]) -> SecretInput {
    SecretInput::from_bytes(value.to_vec()).expect("a value")
}

/// Asserts a refusal's code and that it says what mends it, and that none of its words holds a value.
#[track_caller]
pub fn refused<T>(result: Result<T, agentsecrets::Error>, code: ErrorCode, values: &[&str]) -> agentsecrets::Error {
    let Err(error) = result else { panic!("it passed; {code} was due") };
    assert_eq!(error.code(), code, "{error:?}");
    let said = format!("{error} {error:?}");
    for value in values {
        assert!(!said.contains(value), "a value is in an error");
    }
    error
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}
