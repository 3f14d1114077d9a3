//! A home that trusts an upstream and lets `KEY` go there, for the tests of the proxies.

use std::process::{Command, Stdio};

use agentsecrets_upstream::{Options, Received, Upstream};

use crate::stage::{Ran, Stage};

/// The header that a library writes which was given the placeholder as its key.
pub(crate) const BEARER: &str = "Authorization: Bearer AS_SECRET_KEY";

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) upstream: Upstream,
    pub(crate) value: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let stage = Stage::new();
        let upstream = Upstream::start(&Options::new().cleartext(true)).expect("started");
        std::fs::write(stage.path("ca.pem"), upstream.ca_pem()).expect("file");
        stage.owner(["trust", "add", &stage.path("ca.pem").display().to_string()]).ok();
        std::fs::create_dir(stage.path("tmp")).expect("folder");
        let value = stage.secret("KEY");
        let scene = Self { stage, upstream, value };
        scene.allow(&[&scene.url("")]);
        scene
    }

    pub(crate) fn allow(&self, arguments: &[&str]) {
        self.stage.owner(["allow", "KEY"].iter().chain(arguments)).ok();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.upstream.port())
    }

    pub(crate) fn http_url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.upstream.http_port().expect("a port"))
    }

    /// `run` with these arguments.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.stage.command(["run"].iter().chain(arguments));
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TMPDIR", self.stage.path("tmp"));
        command
    }

    /// Runs a command to its end; what it and we say never holds the value.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).stdin(Stdio::null()).output().expect("ran");
        self.clean(&output)
    }

    #[track_caller]
    pub(crate) fn clean(&self, output: &std::process::Output) -> Ran {
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!ran.says(&self.value), "the value came out");
        ran
    }

    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> Ran {
        self.run(&["--", "sh", "-c", script])
    }

    #[track_caller]
    pub(crate) fn curl(&self, arguments: &[&str]) -> Ran {
        self.run(&["--", "curl", "-sS", "-m", "20"].iter().chain(arguments).copied().collect::<Vec<_>>())
    }

    #[track_caller]
    pub(crate) fn last(&self) -> Received {
        self.upstream.last().expect("a request")
    }

    /// A header of the newest request.
    #[track_caller]
    pub(crate) fn sent(&self, name: &str) -> String {
        String::from_utf8_lossy(self.last().header(name).unwrap_or_default()).into_owned()
    }
}
