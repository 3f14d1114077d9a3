//! A granted command with values in its environment: started by the broker, as this process must not hold them.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Backend, Client};
use crate::broker::Door;
use crate::error::{Error, ErrorCode, Result};
use crate::release::{DoorRequest, Event, Order, Terminal};
use crate::secret_ref::{Label, SecretName};

/// Where one of the child's three streams leads.
#[derive(Debug, Default)]
pub enum Stream {
    /// Where this process's own leads.
    #[default]
    Inherit,
    /// Nowhere.
    Null,
    /// To this descriptor.
    To(OwnedFd),
}

/// A command that is to be run with secrets in its environment.
#[must_use = "nothing runs before start() is awaited"]
pub struct Spawn {
    client: Client,
    argv: Vec<String>,
    secrets: Vec<SecretName>,
    streams: [Stream; 3],
    variables: Option<Vec<(String, String)>>,
    directory: Option<PathBuf>,
    terminal: Option<(u16, u16)>,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Exit {
    /// The code a shell would give: 128 and the signal's number for a signal.
    #[must_use]
    pub fn shell_code(self) -> i32 {
        self.code.or(self.signal.map(|signal| 128 + signal)).unwrap_or(1)
    }

    /// Whether it exited with 0.
    #[must_use]
    pub fn success(self) -> bool {
        self.code == Some(0)
    }
}

/// What happens to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildEvent {
    /// The suspend character was typed at its terminal, and it was stopped.
    Suspended,
    /// It ended.
    Ended(Exit),
}

/// A child of the broker. Dropped, it is ended.
pub struct Child {
    door: Door,
    pid: u32,
    exit: Option<Exit>,
}

impl Client {
    /// Starts to describe a command that the owner has granted secrets to.
    pub fn spawn<W: Into<String>>(&self, argv: impl IntoIterator<Item = W>) -> Spawn {
        Spawn {
            client: self.clone(),
            argv: argv.into_iter().map(Into::into).collect(),
            secrets: Vec::new(),
            streams: Default::default(),
            variables: None,
            directory: None,
            terminal: None,
        }
    }

    /// Answers an exec provider's request on `sink`: the broker writes the values there itself.
    ///
    /// # Errors
    /// `needs_broker` in-process, and those of reaching the broker. A name that is not granted is an error in the answer.
    pub async fn exec(&self, provider: Label, ids: Vec<String>, sink: OwnedFd) -> Result<()> {
        let said = DoorRequest::Exec { selection: self.inner.selection.clone(), provider, ids };
        match self.link()?.door(&said, &[sink]).await?.next().await? {
            Event::Refused(why) => Err(why.into_error()),
            _ => Ok(()),
        }
    }

    fn link(&self) -> Result<&crate::broker::Link> {
        match &*self.inner.backend {
            Backend::Broker(link) => Ok(link),
            Backend::InProcess(_) => Err(Error::new(
                ErrorCode::NeedsBroker,
                "only the broker starts a command with secrets, and this client runs in-process",
            )),
        }
    }
}

impl Spawn {
    /// Only these secrets; every one that is granted to the command unless said.
    pub fn secrets(mut self, names: impl IntoIterator<Item = SecretName>) -> Self {
        self.secrets.extend(names);
        self
    }

    /// Where the child's stdin leads.
    pub fn stdin(mut self, stream: Stream) -> Self {
        self.streams[0] = stream;
        self
    }

    /// Where the child's stdout leads, once values are taken out of it.
    pub fn stdout(mut self, stream: Stream) -> Self {
        self.streams[1] = stream;
        self
    }

    /// Where the child's stderr leads, once values are taken out of it.
    pub fn stderr(mut self, stream: Stream) -> Self {
        self.streams[2] = stream;
        self
    }

    /// The environment in place of this process's. What chooses code (`LD_*`, `NODE_OPTIONS`, …) never passes.
    pub fn environment(mut self, variables: Vec<(String, String)>) -> Self {
        self.variables = Some(variables);
        self
    }

    /// The working directory in place of this process's.
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// Gives the child a pseudo-terminal where its streams are terminals; what is typed comes through the descriptor
    /// given for stdin. Without it a child has pipes.
    pub fn terminal(mut self, rows: u16, columns: u16) -> Self {
        self.terminal = Some((rows, columns));
        self
    }

    /// Has the broker start it.
    ///
    /// # Errors
    /// `needs_broker`, `command_not_allowed`, `command_changed`, `secret_not_found`, `store_locked`, and those of
    /// reaching the broker.
    pub async fn start(self) -> Result<Child> {
        let link = self.client.link()?;
        let terminal = self.terminal_of();
        let directory = open_directory(self.directory.as_deref())?;
        let [stdin, stdout, stderr] = self.streams;
        let passed = [
            descriptor(stdin, io::stdin())?,
            descriptor(stdout, io::stdout())?,
            descriptor(stderr, io::stderr())?,
            directory,
        ];
        let said = DoorRequest::Env {
            selection: self.client.inner.selection.clone(),
            secrets: self.secrets,
            argv: self.argv,
            variables: self.variables.unwrap_or_else(own_variables),
            terminal,
        };
        let mut door = link.door(&said, &passed).await?;
        match door.next().await? {
            Event::Started { pid } => Ok(Child { door, pid, exit: None }),
            Event::Refused(why) => Err(why.into_error()),
            _ => {
                Err(Error::new(ErrorCode::BrokerUnavailable, "the broker said something else than whether it started"))
            }
        }
    }

    fn terminal_of(&self) -> Option<Terminal> {
        let (rows, columns) = self.terminal?;
        let [_, out, err] = &self.streams;
        let is_terminal = |stream: &Stream, own: bool| match stream {
            Stream::Inherit => own,
            Stream::Null => false,
            Stream::To(descriptor) => descriptor.is_terminal(),
        };
        let streams = [
            io::stdin().is_terminal(),
            is_terminal(out, io::stdout().is_terminal()),
            is_terminal(err, io::stderr().is_terminal()),
        ];
        Some(Terminal { streams, rows, columns })
    }
}

impl Child {
    /// The process id; the process is the broker's child.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the child and its group.
    ///
    /// # Errors
    /// `broker_unavailable` where the broker has gone.
    pub async fn signal(&mut self, signal: i32) -> Result<()> {
        if self.exit.is_some() {
            return Ok(());
        }
        self.door.say(Order::Signal(signal)).await
    }

    /// Tells the child's terminal its size.
    ///
    /// # Errors
    /// `broker_unavailable` where the broker has gone.
    pub async fn resize(&mut self, rows: u16, columns: u16) -> Result<()> {
        self.door.say(Order::Size { rows, columns }).await
    }

    /// The next thing that happens. May be given up and asked again.
    ///
    /// # Errors
    /// `broker_unavailable` where the broker ended, and the child with it.
    pub async fn event(&mut self) -> Result<ChildEvent> {
        loop {
            if let Some(exit) = self.exit {
                return Ok(ChildEvent::Ended(exit));
            }
            match self.door.next().await? {
                Event::Started { .. } => {}
                Event::Suspended => return Ok(ChildEvent::Suspended),
                Event::Refused(why) => return Err(why.into_error()),
                Event::Ended { code, signal } => self.exit = Some(Exit { code, signal }),
            }
        }
    }

    /// Waits for the end: its output has been passed on by then.
    ///
    /// # Errors
    /// Those of [`event`](Self::event).
    pub async fn wait(&mut self) -> Result<Exit> {
        loop {
            if let ChildEvent::Ended(exit) = self.event().await? {
                return Ok(exit);
            }
        }
    }
}

fn descriptor(stream: Stream, own: impl AsFd) -> Result<OwnedFd> {
    let cannot = |_| Error::new(ErrorCode::InvalidCall, "one of the three streams is closed or cannot be passed on");
    match stream {
        Stream::Inherit => own.as_fd().try_clone_to_owned().map_err(cannot),
        Stream::Null => File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from).map_err(cannot),
        Stream::To(descriptor) => Ok(descriptor),
    }
}

fn open_directory(directory: Option<&Path>) -> Result<OwnedFd> {
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC);
    let opened = options.open(directory.unwrap_or(Path::new(".")));
    opened.map(OwnedFd::from).map_err(|why| {
        Error::new(ErrorCode::InvalidCall, format!("the working directory cannot be opened: {}", why.kind()))
    })
}

/// This process's environment, as far as it is text.
fn own_variables() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?))).collect()
}
