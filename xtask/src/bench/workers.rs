//! The API and the workers: processes that live for the whole run and are told what to do line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Built;
use crate::run::Stop;
use crate::workspace;
use crate::world::World;

/// In whose process the calls are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Rust,
    Python,
    /// Python with an event loop: a process of its own, as nobody calls both ways in one program.
    Asyncio,
    Node,
}

/// The API.
pub(super) struct Server {
    child: Child,
    pub(super) url: String,
}

impl Server {
    pub(super) fn start(bench: &Path) -> Result<Self, Stop> {
        let mut child = Command::new(bench).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut port = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut port)?;
        }
        Ok(Self { child, url: format!("http://127.0.0.1:{}/", port.trim()) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Worker {
    fn start(mut command: Command) -> Result<Self, Stop> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let Some(stdout) = stdout.map(BufReader::new) else {
            return Err(Stop::Failed("a worker has no output".to_owned()));
        };
        Ok(Self { child, stdin, stdout })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input is the end of a worker.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

pub(super) struct Workers {
    workers: [(Host, Worker); 4],
}

impl Workers {
    pub(super) fn start(built: &Built, world: &World, url: &str) -> Result<Self, Stop> {
        let command = |program: &Path| {
            let mut command = world.command(program);
            command.env("BENCH_URL", url).env("BENCH_UNLOCK", world.unlock());
            command.env("BENCH_NODE_PACKAGE", &built.node_package).env("BENCH_UNDICI", &built.undici);
            command
        };
        let (mut rust, mut python, mut node) =
            (command(&built.bench), command(&built.python), command(Path::new("node")));
        let mut asyncio = command(&built.python);
        let folder = workspace::root().join("tests/bench");
        rust.arg("work");
        python.arg(folder.join("worker.py")).arg("blocking");
        asyncio.arg(folder.join("worker.py")).arg("waiting");
        node.arg(folder.join("worker.mjs"));
        Ok(Self {
            workers: [
                (Host::Rust, Worker::start(rust)?),
                (Host::Python, Worker::start(python)?),
                (Host::Asyncio, Worker::start(asyncio)?),
                (Host::Node, Worker::start(node)?),
            ],
        })
    }

    /// The process of a worker.
    pub(super) fn id(&self, host: Host) -> u64 {
        self.workers.iter().find(|(of, _)| *of == host).map_or(0, |(_, worker)| worker.child.id().into())
    }

    /// Microseconds a call.
    pub(super) fn round(&mut self, host: Host, name: &str, in_flight: u32, calls: u32) -> Result<f64, Stop> {
        let gone = || Stop::Failed(format!("the worker of {name} has ended"));
        let (_, worker) = self.workers.iter_mut().find(|(of, _)| *of == host).ok_or_else(gone)?;
        let stdin = worker.stdin.as_mut().ok_or_else(gone)?;
        writeln!(stdin, "{name} {in_flight} {calls}").map_err(|_| gone())?;
        let mut line = String::new();
        worker.stdout.read_line(&mut line)?;
        line.trim().parse().map_err(|_| gone())
    }
}
