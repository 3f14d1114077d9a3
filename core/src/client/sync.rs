//! Shared workspaces, as an agent works with them: drift, pull, push of what is new.

use agentsecrets_wire::Signed;
use agentsecrets_wire::chain::Entry;
use uuid::Uuid;

use super::{Backend, Client};
use crate::control::{
    Ask, Chosen, DriftInfo, EntryInfo, MemberInfo, PullReport, PushReport, SignedAct, SyncStatus, VersionInfo,
    WorkspaceInfo,
};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::SecretInput;
use crate::secret_ref::{Label, SecretName};

impl Client {
    /// The workspaces of this home.
    ///
    /// # Errors
    /// `store_locked`, `policy_invalid`, and those of reaching the backend.
    pub async fn workspaces(&self) -> Result<Vec<WorkspaceInfo>> {
        self.ask(Ask::Workspaces).await
    }

    /// Makes a workspace the one in use, until another is chosen. In a linked directory it is chosen for that directory too,
    /// whose project file should name the project then.
    ///
    /// # Errors
    /// `workspace_not_found`, `store_locked`.
    pub async fn use_workspace(&self, workspace: Label) -> Result<Chosen> {
        self.ask(Ask::UseWorkspace { workspace }).await
    }

    /// The names of the environment in use, or of the whole workspace, that are not the same here as with the members.
    ///
    /// # Errors
    /// `not_logged_in`, `workspace_not_found`, `needs_broker`; `sync_unavailable`, `sync_refused`; `chain_forked`,
    /// `chain_rolled_back`, `chain_invalid`, `record_invalid` where the server is caught lying.
    pub async fn diff(&self, whole: bool) -> Result<Vec<DriftInfo>> {
        self.ask(Ask::Diff { whole }).await
    }

    /// Takes in what the members have, all of it or nothing. What was changed here too is left, and told.
    ///
    /// # Errors
    /// Those of [`diff`](Self::diff), and those of the store; `owner_required` for an act that the owner did not sign.
    pub async fn pull(&self, act: Option<SignedAct>) -> Result<PullReport> {
        self.ask(Ask::Pull { act }).await
    }

    /// Gives the members what is new here; with the owner's act also what was changed or deleted.
    ///
    /// # Errors
    /// Those of [`diff`](Self::diff).
    pub async fn push(&self, names: Vec<SecretName>, act: Option<SignedAct>) -> Result<PushReport> {
        self.ask(Ask::Push { names, act }).await
    }

    /// Who is in the workspace in use.
    ///
    /// # Errors
    /// Those of [`diff`](Self::diff).
    pub async fn members(&self) -> Result<Vec<MemberInfo>> {
        self.ask(Ask::Members).await
    }

    /// The versions of a name that the members have had, the newest first.
    ///
    /// # Errors
    /// Those of [`diff`](Self::diff), and `secret_not_found`.
    pub async fn history(&self, name: SecretName) -> Result<Vec<VersionInfo>> {
        self.ask(Ask::History { name }).await
    }

    /// The membership chain of the workspace in use, as this home has verified it.
    ///
    /// # Errors
    /// `workspace_not_found` where it is shared with nobody, `chain_invalid`, `chain_rolled_back`.
    pub async fn workspace_log(&self) -> Result<Vec<EntryInfo>> {
        self.ask(Ask::WorkspaceLog).await
    }

    /// Makes this home a machine member, by an enrolment. It needs no human, and a home without owner.
    ///
    /// # Errors
    /// `invite_invalid`, `owner_required` on a home with an owner, `already_initialized` on one that is not empty, and those of
    /// [`diff`](Self::diff).
    pub async fn enrol(&self, enrolment: SecretInput, label: &str) -> Result<WorkspaceInfo> {
        match &*self.inner.backend {
            Backend::Broker(link) => link.enrol(label, enrolment).await,
            Backend::InProcess(_) => Err(Error::new(ErrorCode::NeedsBroker, "only a broker joins a workspace")),
        }
    }

    /// Follows every workspace of this home's account; gives those where its device is not known yet.
    pub(crate) async fn follow(&self) -> Result<Vec<Uuid>> {
        self.ask(Ask::Follow).await
    }

    /// Ends the session and forgets the account.
    pub(crate) async fn leave(&self) -> Result<()> {
        self.ask(Ask::Leave).await
    }

    /// Brings entries that the owner's account signed to the server.
    pub(crate) async fn append(&self, workspace: Uuid, entries: Vec<Signed<Entry>>) -> Result<()> {
        self.ask(Ask::Append { workspace, entries }).await
    }

    /// How this home stands to its server; `None` where it never logged in, and at a shared socket, which tells of none.
    ///
    /// # Errors
    /// Those of reaching the backend.
    pub async fn sync_status(&self) -> Result<Option<SyncStatus>> {
        if self.inner.home.is_none() {
            return Ok(None);
        }
        self.ask(Ask::SyncStatus).await
    }
}
