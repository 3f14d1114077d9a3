//! The server as a process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::Database;

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    reader: Option<JoinHandle<()>>,
    log: Arc<Mutex<String>>,
    /// Its address, as `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Server {
    /// Starts one with hardly any limit of rates.
    pub(crate) fn start(database: &Database) -> Self {
        Self::start_with(database, &["--logins-per-minute", "1000000", "--requests-per-minute", "1000000"], &[])
    }

    /// Starts one with options and variables.
    pub(crate) fn start_with(database: &Database, options: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = program(database);
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options).envs(variables.iter().copied());
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the server starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = std::sync::mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let written = log.clone();
        let reader = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some(rest) = line.split("\"address\":\"").nth(1) {
                    let _ = found.send(rest.split('"').next().unwrap_or_default().to_owned());
                }
                let mut log = written.lock().expect("a log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = address.recv();
        let address = address.unwrap_or_else(|_| panic!("the server did not start: {}", log.lock().expect("a log")));
        Self { child, reader: Some(reader), log, address }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("a log").clone()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: i32) {
        let id = i32::try_from(self.child.id()).expect("an id");
        // SAFETY: kill takes no pointers; the child was not waited for yet, so that the id is still its own.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0);
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("it ends");
        self.reader.take().map(JoinHandle::join);
        (status, self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, on a database.
pub(crate) fn program(database: &Database) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentsecrets-server"));
    command.env_remove("AGENTSECRETS_SERVER_FAULT").env("AGENTSECRETS_SERVER_DATA", database.folder());
    if let Some(url) = database.url() {
        command.env("AGENTSECRETS_SERVER_DATABASE", url).arg("--key").arg(database.key());
    }
    command
}

/// Runs `check`; whether it passed, and what it said.
pub(crate) fn check(database: &Database) -> (bool, String) {
    let output = program(database).arg("check").output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}
