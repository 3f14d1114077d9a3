//! A granted command that runs as the broker's child, as a host knows it: an id, signals, and an end to wait for.

use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use agentsecrets::{Error, ErrorCode, Exit, Result, SecretName, Stream};
use tokio::sync::{mpsc, watch};

use crate::client::Client;

/// Everything a host may say of a child.
#[derive(Debug, Default)]
pub struct SpawnDescription {
    /// The command, exactly as it was granted.
    pub argv: Vec<String>,
    /// The names wanted; every one that is granted to the command where there is none.
    pub secrets: Vec<String>,
    /// Stdin, stdout and stderr.
    pub streams: [StreamDescription; 3],
    /// The environment in place of this process's.
    pub variables: Option<Vec<(String, String)>>,
    /// The working directory in place of this process's.
    pub directory: Option<PathBuf>,
}

/// Where a stream of the child leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamDescription {
    /// Where this process's own leads.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
    /// To a descriptor of the host's, which stays the host's.
    Descriptor(i32),
    /// Into what `wait` gives.
    Capture,
    /// For stderr: where stdout leads.
    Stdout,
}

/// How a child ended, and what it wrote where that was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: Option<Vec<u8>>,
    /// What it wrote to stderr.
    pub stderr: Option<Vec<u8>>,
}

/// A child that was started. It ends with the process that wanted it.
pub struct Child {
    pid: u32,
    signals: mpsc::UnboundedSender<i32>,
    ended: watch::Receiver<Option<Result<Ended>>>,
}

type Captured = Option<std::thread::JoinHandle<Vec<u8>>>;

impl Client {
    /// Has the broker start a granted command.
    ///
    /// # Errors
    /// `invalid_call` for a name or descriptor that is none, and those of the core's `Spawn::start`.
    pub async fn spawn(&self, said: SpawnDescription) -> Result<Child> {
        let secrets = said.secrets.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>>>()?;
        let mut spawn = self.core().await?.spawn(said.argv).secrets(secrets);
        let [stdin, stdout, stderr] = said.streams;
        let (stdin, _) = stream(stdin)?;
        let (out, from_out) = stream(stdout)?;
        let (err, from_err) = match (stderr, &out) {
            (StreamDescription::Stdout, Stream::To(same)) => (Stream::To(copied(same.try_clone())?), None),
            (StreamDescription::Stdout, Stream::Inherit) => (Stream::To(copied(own_stdout())?), None),
            (StreamDescription::Stdout, Stream::Null) => (Stream::Null, None),
            _ => stream(stderr)?,
        };
        spawn = spawn.stdin(stdin).stdout(out).stderr(err);
        if let Some(variables) = said.variables {
            spawn = spawn.environment(variables);
        }
        if let Some(directory) = said.directory {
            spawn = spawn.directory(directory);
        }
        let child = spawn.start().await?;
        let captured = [from_out.map(read_out), from_err.map(read_out)];
        let (pid, (signals, orders), (end, ended)) = (child.id(), mpsc::unbounded_channel(), watch::channel(None));
        crate::runtime::spawn(async move {
            let exit = attended(child, orders).await;
            let _ = end.send(Some(exit.map(|exit| with_output(exit, captured))));
        })?;
        Ok(Child { pid, signals, ended })
    }
}

impl Child {
    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the child and its group; one that has ended gets none.
    pub fn signal(&self, signal: i32) {
        let _ = self.signals.send(signal);
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Result<Ended>> {
        self.ended.borrow().clone()
    }

    /// Waits for the end. May be given up, and asked again.
    ///
    /// # Errors
    /// `broker_unavailable` where the broker ended, and the child with it.
    pub async fn wait(&self) -> Result<Ended> {
        let mut ended = self.ended.clone();
        let found = ended.wait_for(Option::is_some).await.map_err(|_| crate::runtime::is_ending())?;
        found.clone().unwrap_or_else(|| Err(crate::runtime::is_ending()))
    }
}

impl Child {
    /// Waits for the end for as long as that; `None` where it has not come.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    pub async fn wait_at_most(&self, limit: Option<Duration>) -> Result<Option<Ended>> {
        match limit {
            None => self.wait().await.map(Some),
            Some(limit) => tokio::time::timeout(limit, self.wait()).await.ok().transpose(),
        }
    }
}

/// Stays with a child, so that it can be waited for and sent signals at once.
async fn attended(mut child: agentsecrets::Child, mut orders: mpsc::UnboundedReceiver<i32>) -> Result<Exit> {
    let mut wanted = true;
    loop {
        tokio::select! {
            event = child.event() => if let agentsecrets::ChildEvent::Ended(exit) = event? {
                return Ok(exit);
            },
            order = orders.recv(), if wanted => match order {
                Some(signal) => child.signal(signal).await?,
                // The host let go of it; it runs on, as a child does that nobody waits for.
                None => wanted = false,
            },
        }
    }
}

fn with_output(exit: Exit, captured: [Captured; 2]) -> Ended {
    // The broker has closed its ends by now, so that neither waits.
    let [stdout, stderr] = captured.map(|reader| reader.map(|reader| reader.join().unwrap_or_default()));
    Ended { code: exit.code, signal: exit.signal, stdout, stderr }
}

fn stream(said: StreamDescription) -> Result<(Stream, Option<OwnedFd>)> {
    Ok(match said {
        StreamDescription::Inherit | StreamDescription::Stdout => (Stream::Inherit, None),
        StreamDescription::Null => (Stream::Null, None),
        StreamDescription::Descriptor(number) => {
            // SAFETY: borrowed for the length of one system call, which fails where it is not open.
            let copy = (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned());
            (Stream::To(copied(copy.unwrap_or_else(|| Err(std::io::ErrorKind::InvalidInput.into())))?), None)
        }
        StreamDescription::Capture => {
            let (reader, writer) = std::io::pipe().map_err(|_| not_open())?;
            (Stream::To(writer.into()), Some(reader.into()))
        }
    })
}

fn own_stdout() -> std::io::Result<OwnedFd> {
    use std::os::fd::AsFd;
    std::io::stdout().as_fd().try_clone_to_owned()
}

fn read_out(from: OwnedFd) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = std::fs::File::from(from).read_to_end(&mut all);
        all
    })
}

fn copied(copy: std::io::Result<OwnedFd>) -> Result<OwnedFd> {
    copy.map_err(|_| not_open())
}

fn not_open() -> Error {
    Error::new(ErrorCode::InvalidCall, "a stream of the child is no open descriptor")
}
