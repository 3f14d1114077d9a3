//! The choices of a client: its home, its place, and how far it is from the values.

mod shared;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Backend, Client, Inner};
use crate::context::{AgentToken, Selection};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, Unlock};
use crate::secret_ref::Label;
use crate::{broker, engine};

/// How far the values are from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// A process of its own holds the values; this one holds names and a socket.
    Broker,
    /// The same, outside this container or of another user, at a socket that serves one agent.
    BrokerShared,
    /// The same, of a user that is the broker's alone, for every registered agent.
    BrokerSystem,
    /// The engine runs in this process, whose native memory any code in it can read.
    InProcess,
}

impl Isolation {
    /// The level's name in `status`, records and `AGENTSECRETS_ISOLATION`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::BrokerShared => "broker-shared",
            Self::BrokerSystem => "broker-system",
            Self::InProcess => "in-process",
        }
    }

    /// Parses a level that may be chosen. The others are what a socket gives.
    ///
    /// # Errors
    /// `invalid_call` for any other text.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "broker" => Ok(Self::Broker),
            "in-process" => Ok(Self::InProcess),
            _ => Err(Error::new(ErrorCode::InvalidCall, "isolation is \"broker\" or \"in-process\"")),
        }
    }
}

impl Client {
    /// The same client for an agent that says by a token who it is: another caller over the same connections.
    #[must_use]
    pub fn for_agent(&self, token: impl Into<AgentToken>) -> Self {
        let mut inner = Inner::clone(&self.inner);
        inner.selection.agent_token = Some(token.into());
        Self { inner: Arc::new(inner) }
    }

    /// The same client in another workspace of this home, over the same connections. A project is one workspace's alone,
    /// so this client's is left behind: the new one means `project`, else what the workspace has for this directory.
    #[must_use]
    pub fn in_workspace(&self, workspace: Label, project: Option<Label>) -> Self {
        let mut inner = Inner::clone(&self.inner);
        inner.selection.workspace = Some(workspace);
        inner.selection.project = project;
        Self { inner: Arc::new(inner) }
    }
}

/// The choices of a [`Client`]. What is not said comes from the environment variables and the project file.
#[derive(Clone, Debug, Default)]
pub struct ClientBuilder {
    home: Option<PathBuf>,
    workspace: Option<String>,
    project: Option<String>,
    environment: Option<String>,
    isolation: Option<Isolation>,
    unlock: Option<String>,
    timeout: Option<Duration>,
    executable: Option<PathBuf>,
    agent_token: Option<AgentToken>,
    broker: Option<String>,
}

impl ClientBuilder {
    /// Another home than `AGENTSECRETS_HOME` or `~/.agentsecrets`.
    #[must_use]
    pub fn home(mut self, home: impl AsRef<Path>) -> Self {
        self.home = Some(home.as_ref().to_owned());
        self
    }

    /// A workspace of this home; the one that was chosen last unless said.
    #[must_use]
    pub fn workspace(mut self, workspace: impl Into<String>) -> Self {
        self.workspace = Some(workspace.into());
        self
    }

    /// A project linked in this home.
    #[must_use]
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// An environment of the project.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// The token by which an agent says who it is; `AGENTSECRETS_AGENT_TOKEN` unless said.
    #[must_use]
    pub fn agent_token(mut self, token: impl Into<AgentToken>) -> Self {
        self.agent_token = Some(token.into());
        self
    }

    /// A broker that is shared with this process, as `unix:/path`, in place of a home; `AGENTSECRETS_BROKER` unless said.
    #[must_use]
    pub fn broker(mut self, socket: impl Into<String>) -> Self {
        self.broker = Some(socket.into());
        self
    }

    /// The isolation level; `AGENTSECRETS_ISOLATION` or the broker unless said.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// The place of the use key (`file:PATH`, `fd:N`, `keychain`) for an in-process engine.
    #[must_use]
    pub fn unlock(mut self, place: impl Into<String>) -> Self {
        self.unlock = Some(place.into());
        self
    }

    /// How long a call may take unless it says otherwise; 60 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The `agentsecrets` executable of the caller's own package, started where no broker runs.
    #[must_use]
    pub fn executable(mut self, executable: impl AsRef<Path>) -> Self {
        self.executable = Some(executable.as_ref().to_owned());
        self
    }

    /// Opens the client.
    ///
    /// # Errors
    /// `not_initialized` where there is no home, `invalid_call` for an unusable choice, variable or project file;
    /// in-process also those of opening the store.
    pub async fn open(self) -> Result<Client> {
        if let Some(socket) = self.shared()? {
            return self.open_shared(socket).await;
        }
        let home = Home::locate(self.home.as_deref())?;
        let selection = self.selection()?;
        let level = self.level()?;
        let backend = Arc::new(match level {
            Isolation::InProcess => {
                let place = self.place()?;
                Backend::InProcess(engine::Engine::in_process(&home, place.as_ref()).await?)
            }
            _ => Backend::Broker(broker::Link::new(&home, self.executable.as_deref())?),
        });
        let (home, timeout) = (Some(home), self.timeout);
        Ok(Client { inner: Arc::new(Inner { backend, home, level, selection, timeout }) })
    }

    fn selection(&self) -> Result<Selection> {
        let label = |text: &Option<String>| text.as_deref().map(Label::parse).transpose();
        let process = Selection::from_process()?;
        Ok(Selection {
            workspace: label(&self.workspace)?.or(process.workspace),
            project: label(&self.project)?.or(process.project),
            environment: label(&self.environment)?.or(process.environment),
            agent_token: self.agent_token.clone().or(process.agent_token),
            ..process
        })
    }

    fn level(&self) -> Result<Isolation> {
        match (self.isolation, std::env::var("AGENTSECRETS_ISOLATION")) {
            (Some(level), _) => Ok(level),
            (None, Ok(text)) if !text.is_empty() => Isolation::parse(&text),
            _ => Ok(Isolation::Broker),
        }
    }

    fn place(&self) -> Result<Option<Unlock>> {
        match (&self.unlock, std::env::var("AGENTSECRETS_UNLOCK")) {
            (Some(text), _) => text.parse().map(Some),
            (None, Ok(text)) if !text.is_empty() => text.parse().map(Some),
            _ => Ok(None),
        }
    }
}
