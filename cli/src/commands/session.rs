//! A command's way to the engine and to the owner.

use std::future::Future;

use agentsecrets::broker::SharedSocket;
use agentsecrets::owner::{Owner, PassphraseSource, PolicyAct, TokenSink};
use agentsecrets::{
    Act, ActKind, Client, Error, ErrorCode, Home, Label, Result, SecretName, SignedAct, Status, WorkspaceInfo,
};
use tokio::runtime::{Builder, Runtime};

use crate::args::Place;
use crate::progress;

/// A name and the record that holds its value.
pub(crate) type Existing = (SecretName, String);

/// The engine, and the owner's child where the command may need one.
pub(crate) struct Session {
    home: Option<Home>,
    pub(crate) client: Client,
    owner: Option<Owner>,
    runtime: Runtime,
}

impl Session {
    /// A session that never needs the owner.
    pub(crate) fn open(place: &Place) -> Result<Self> {
        let home = match SharedSocket::from_process()? {
            Some(_) => None,
            None => Some(super::home()?),
        };
        Self::join(place, home, None)
    }

    /// A session whose owner may be asked. The child is forked here, before anything could start a thread; it asks for
    /// the passphrase only when it is given something to sign.
    pub(crate) fn with_owner(place: &Place, passphrase_fd: Option<i32>) -> Result<Self> {
        Self::with_owner_and_sink(place, passphrase_fd, None)
    }

    /// The same, with a place that the owner's child writes a new token to.
    pub(crate) fn with_owner_and_sink(
        place: &Place,
        passphrase_fd: Option<i32>,
        sink: Option<&TokenSink>,
    ) -> Result<Self> {
        let home = super::home()?;
        let owner = match Owner::fork_keeping(&home, PassphraseSource::from_fd(passphrase_fd), sink) {
            Ok(owner) => Some(owner),
            // What needs no owner is still possible; what does says so when it comes to it.
            Err(error) if error.code() == ErrorCode::OwnerAbsent => None,
            Err(error) => return Err(error),
        };
        Self::join(place, Some(home), owner)
    }

    /// A session whose owner's child keeps descriptors that codes and passwords come from or go to.
    pub(crate) fn with_owner_keeping(place: &Place, passphrase_fd: Option<i32>, fds: &[i32]) -> Result<Self> {
        let home = super::home()?;
        let owner = Owner::fork_with(&home, PassphraseSource::from_fd(passphrase_fd), fds)?;
        Self::join(place, Some(home), Some(owner))
    }

    /// The client, what waits for it, and the owner, for work that needs all of them.
    pub(crate) fn parts(&mut self) -> Result<(&Client, &Runtime, &mut Owner)> {
        let owner = self.owner.as_mut().ok_or_else(|| {
            Error::new(ErrorCode::OwnerAbsent, "this home was made with --no-owner; its policy is read-only")
        })?;
        Ok((&self.client, &self.runtime, owner))
    }

    /// The shared workspace in use; none where the home's own is.
    pub(crate) fn shared(&self) -> Result<Option<WorkspaceInfo>> {
        let all = self.wait(self.client.workspaces())?;
        Ok(all.into_iter().find(|workspace| workspace.current && workspace.shared))
    }

    fn join(place: &Place, home: Option<Home>, owner: Option<Owner>) -> Result<Self> {
        let runtime = runtime()?;
        let client = runtime.block_on(client(place))?;
        Ok(Self { home, client, owner, runtime })
    }

    /// The home; a command that goes on without one does not ask.
    pub(crate) fn home(&self) -> Result<&Home> {
        self.home.as_ref().ok_or_else(super::no_home)
    }

    /// Waits for an answer.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(progress::shown("waiting for an answer", work))
    }

    /// Waits without a sign of life, for work that writes itself.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The owner.
    pub(crate) fn owner(&mut self) -> Result<&mut Owner> {
        self.owner.as_mut().ok_or_else(|| {
            Error::new(ErrorCode::OwnerAbsent, "this home was made with --no-owner; its policy is read-only")
        })
    }

    /// Has the owner change this home's policy, by names of the workspace in use, and says what became possible.
    pub(crate) fn change(&mut self, acts: Vec<PolicyAct>) -> Result<Vec<String>> {
        let workspace = self.shared()?.map(|workspace| workspace.id);
        self.owner()?.change_in(workspace, acts)
    }

    /// A client of another place, served by the same runtime.
    pub(crate) fn client_of(&self, place: &Place) -> Result<Client> {
        self.runtime.block_on(client(place))
    }

    /// The project and environment in use.
    pub(crate) fn in_use(&self) -> Result<(Label, Label)> {
        let status = self.wait(self.client.status())?;
        match (&status.project, &status.environment) {
            (Some(project), Some(environment)) => Ok((project.clone(), environment.clone())),
            _ => Err(problem_of(&status)),
        }
    }

    /// Those of the names that hold a value, each with the record it has now.
    pub(crate) fn existing(&self, names: &[SecretName]) -> Result<Vec<Existing>> {
        let checked = self.wait(self.client.check(names.to_vec()))?;
        Ok(checked.into_iter().filter_map(|one| Some((one.name, one.record?))).collect())
    }

    /// The owner's signature under what is done to stored values, or `None` where none are touched.
    pub(crate) fn sign(&mut self, kind: ActKind, existing: &[Existing]) -> Result<Option<SignedAct>> {
        if existing.is_empty() {
            return Ok(None);
        }
        let (project, environment) = self.in_use()?;
        let workspace = self.shared()?.map(|workspace| workspace.id);
        let home = self.home()?.config()?.id;
        let act = Act { home, workspace, kind, project, environment, records: existing.to_vec() };
        self.owner()?.sign(act).map(Some)
    }
}

/// A client of the place that was typed.
pub(crate) async fn client(place: &Place) -> Result<Client> {
    let mut builder = Client::builder();
    if let Some(project) = &place.project {
        builder = builder.project(project);
    }
    if let Some(environment) = &place.environment {
        builder = builder.environment(environment);
    }
    // Its own executable, so that the command line and its broker are of one version.
    if let Ok(own) = std::env::current_exe() {
        builder = builder.executable(own);
    }
    builder.open().await
}

/// A runtime that starts no thread by itself.
pub(crate) fn runtime() -> Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| Error::new(ErrorCode::Internal, "the system has no room for an event loop"))
}

/// Why nothing is in use.
fn problem_of(status: &Status) -> Error {
    let Some(problem) = &status.problem else {
        return Error::new(ErrorCode::ProjectNotFound, "no project is in use here");
    };
    let code = ErrorCode::parse(&problem.code).unwrap_or(ErrorCode::Internal);
    let error = Error::new(code, problem.message.clone());
    match &problem.hint {
        Some(hint) => error.with_hint(hint.clone()),
        None => error,
    }
}
