//! Shared workspaces, as the broker serves them: what the members have, beside what is here.

use std::collections::HashSet;

use serde_json::Value;
use uuid::Uuid;

use super::super::open::Engine;
use super::super::place;
use super::super::state::State;
use super::json;
use crate::audit::Isolation;
use crate::context::{Place, Selection};
use crate::control::{Act, ActKind, Ask, Chosen, DriftInfo, EntryInfo, Question, SignedAct, SyncStatus, WorkspaceInfo};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::SecretInput;
use crate::secret_ref::{Label, SecretName};
use crate::store::HomeLock;
use crate::sync::{self, Key, Sync, Wanted};
use crate::{owner, policy};

impl Engine {
    /// Answers what is asked of the server too; `None` for anything else.
    pub(super) async fn of_sharing(&self, question: &Question) -> Result<Option<Value>> {
        let selection = &question.selection;
        let answer = match &question.ask {
            Ask::Diff { whole } => json(&self.diff(selection, *whole).await?),
            Ask::Pull { act } => self.pull(selection, act.as_ref()).await,
            Ask::Push { names, act } => self.push(selection, names, act.as_ref()).await,
            Ask::Members => json(&self.sync_at(selection)?.0.members().await?),
            Ask::History { name } => {
                let (sync, place) = self.sync_at(selection)?;
                json(&sync.history(&place.in_store(), name).await?)
            }
            Ask::Append { workspace, entries } => json(&self.sync_of(*workspace)?.append(entries).await?),
            Ask::Follow => json(&self.follow().await?),
            Ask::Leave => json(&self.leave().await?),
            _ => return Ok(None),
        };
        answer.map(Some)
    }

    /// Follows every workspace that the server has for this account; gives those where this home's device is not known yet.
    async fn follow(&self) -> Result<Vec<Uuid>> {
        let mut without = Vec::new();
        for workspace in self.sync_of(Uuid::nil())?.listed_by_server().await? {
            let sync = self.sync_of(workspace)?;
            if !sync.follow().await? {
                without.push(workspace);
            }
        }
        Ok(without)
    }

    /// Makes this home a machine member of the workspace that an enrolment leads to, and that workspace the one in use.
    pub(crate) async fn enrol(&self, code: SecretInput, label: &str) -> Result<WorkspaceInfo> {
        if self.config.owner {
            return Err(Error::new(ErrorCode::OwnerRequired, "a machine's home has no owner, and this one has")
                .with_hint("agentsecrets init --no-owner  # in another home"));
        }
        let (loaded, opened) = (self.loaded()?, self.opened()?);
        if sync::Folder::of(&self.home, &self.config).account_if_any()?.is_some() || !opened.vault.places()?.is_empty()
        {
            return Err(Error::new(ErrorCode::AlreadyInitialized, "a machine is enrolled on an empty home"));
        }
        let code = code.into_value(true)?;
        let workspace = sync::enrol((&self.home, &self.config), &opened.key, &loaded.sender, &code, label).await?;
        self.sync_of(workspace)?.follow().await?;
        State::choose_workspace(&self.home, workspace)?;
        let all = self.workspaces(&Selection::default())?;
        all.into_iter().find(|info| info.id == workspace).ok_or_else(|| {
            Error::new(ErrorCode::SyncRefused, "the workspace has no policy for this machine yet")
                .with_hint("agentsecrets secrets pull")
        })
    }

    /// Ends the session and forgets the account; what was pulled stays, and is reached by its names no more.
    async fn leave(&self) -> Result<()> {
        let sync = self.sync_of(Uuid::nil())?;
        // A server that is away must not keep a home logged in.
        let _ = sync.end_session().await;
        let _lock = HomeLock::acquire(self.home.root())?;
        sync::Folder::of(&self.home, &self.config).remove()?;
        owner::save_shared(&self.home, &self.config, &self.opened()?.key, &[])
    }

    /// Syncing a workspace by its id.
    fn sync_of(&self, workspace: Uuid) -> Result<Sync> {
        let (loaded, opened) = (self.loaded()?, self.opened()?);
        let (home, sender) = ((&self.home, &self.config), &loaded.sender);
        sync::open(home, &opened.key, &opened.vault, &opened.chains, sender, workspace)
    }

    /// The entries of the membership chain, for two members to compare.
    pub(super) fn workspace_log(&self, selection: &Selection) -> Result<Vec<EntryInfo>> {
        let (sync, _) = self.sync_at(selection)?;
        sync.log()
    }

    async fn diff(&self, selection: &Selection, whole: bool) -> Result<Vec<DriftInfo>> {
        let (sync, place) = self.sync_at(selection)?;
        let only = (!whole).then(|| place.in_store());
        sync.diff(only).await
    }

    async fn pull(&self, selection: &Selection, act: Option<&SignedAct>) -> Result<Value> {
        let (sync, place) = self.sync_at(selection)?;
        let theirs = match act {
            Some(act) => self.agreed(act, ActKind::Yield, &place)?,
            None => HashSet::new(),
        };
        json(&sync.pull(theirs).await?)
    }

    async fn push(&self, selection: &Selection, names: &[SecretName], act: Option<&SignedAct>) -> Result<Value> {
        let (sync, place) = self.sync_at(selection)?;
        let agreed = match act {
            Some(act) => self.agreed(act, ActKind::Push, &place)?,
            None => HashSet::new(),
        };
        let wanted = Wanted { place: place.in_store(), names: names.iter().cloned().collect(), agreed };
        json(&sync.push(&wanted).await?)
    }

    /// What the owner signed for this place: the names, and the records they had.
    fn agreed(&self, signed: &SignedAct, kind: ActKind, place: &Place) -> Result<HashSet<(Key, String)>> {
        let act: Act = owner::verify_act(&self.config, signed)?;
        if act.kind != kind || !act.is_of(self.shared_id(place)?, &place.project, &place.environment) {
            return Err(Error::new(ErrorCode::OwnerRequired, "the owner signed another act, or one of another place"));
        }
        Ok(act.records.into_iter().map(|(name, record)| ((place.in_store(), name), record)).collect())
    }

    /// The shared workspace of a place; none where it is the home's own.
    pub(in super::super) fn shared_id(&self, place: &Place) -> Result<Option<Uuid>> {
        let own = self.loaded()?.document.workspace.id;
        Ok((place.workspace_id != own).then_some(place.workspace_id))
    }

    /// Syncing the workspace of a place.
    ///
    /// # Errors
    /// `needs_broker` in-process; `not_logged_in`; `workspace_not_found` in the home's own workspace.
    fn sync_at(&self, selection: &Selection) -> Result<(Sync, Place)> {
        if self.isolation == Isolation::InProcess {
            return Err(Error::new(ErrorCode::NeedsBroker, "only a broker syncs, and this client runs in-process"));
        }
        let (loaded, place) = (self.loaded()?, self.place(selection)?);
        if place.workspace_id == loaded.document.workspace.id {
            sync::Folder::of(&self.home, &self.config).account()?;
            let message = format!("the workspace {} is this home's alone", place.workspace);
            return Err(Error::new(ErrorCode::WorkspaceNotFound, message)
                .with_hint("agentsecrets workspace switch NAME  # or: agentsecrets workspace create NAME"));
        }
        Ok((self.sync_of(place.workspace_id)?, place))
    }

    /// The workspaces of this home.
    pub(super) fn workspaces(&self, selection: &Selection) -> Result<Vec<WorkspaceInfo>> {
        let loaded = self.loaded()?;
        let current = self.place(selection).ok().map(|place| place.workspace_id);
        let info = |workspace: &policy::Workspace| {
            let shared = workspace.id != loaded.document.workspace.id;
            WorkspaceInfo {
                name: workspace.name.clone(),
                id: workspace.id,
                shared,
                current: current == Some(workspace.id),
                role: shared.then(|| self.role_in(workspace.id)).flatten(),
            }
        };
        Ok(loaded.document.workspaces().map(info).collect())
    }

    fn role_in(&self, workspace: Uuid) -> Option<String> {
        self.sync_of(workspace).ok()?.role().ok().flatten()
    }

    /// Chooses among the workspaces that a human brought to this home: for every directory that is linked to none, and for
    /// the one that asks, where it is.
    pub(super) fn use_workspace(&self, selection: &Selection, name: &Label) -> Result<Chosen> {
        let loaded = self.loaded()?;
        let workspace = place::workspace_named(&loaded.document, name)?;
        State::choose_workspace(&self.home, workspace.id)?;
        let proposal = selection.proposal.as_ref();
        let project = proposal.and_then(|proposal| loaded.document.project_in(workspace.id, &proposal.project));
        let project = project.or_else(|| loaded.document.first_project_of(workspace.id));
        let directory = proposal.map(|proposal| proposal.directory.clone());
        let directory = directory.filter(|directory| place::link(&loaded.document, directory).is_some());
        if let (Some(project), Some(directory)) = (project, &directory) {
            State::choose_project(&self.home, directory, project.id)?;
        }
        Ok(Chosen { project: project.map(|project| project.name.clone()), directory })
    }

    /// The destinations that every call passes: the home's list, else that of the shared workspace in use.
    pub(super) fn allowlist(&self, selection: &Selection) -> Result<Option<Vec<String>>> {
        let loaded = self.loaded()?;
        let shared = self.place(selection).ok().and_then(|place| loaded.document.shared_with(place.project_id));
        let list = shared.map_or(&loaded.document.allowlist, |beside| &beside.allowlist);
        Ok(list.as_ref().map(|rules| rules.iter().map(ToString::to_string).collect()))
    }

    /// How this home stands to its server; `None` where it has none.
    pub(super) fn sync_status(&self, selection: &Selection) -> Result<Option<SyncStatus>> {
        let folder = sync::Folder::of(&self.home, &self.config);
        let Some(account) = folder.account_if_any()? else { return Ok(None) };
        let plain = SyncStatus {
            server: account.server.clone(),
            email: account.email.clone(),
            asked: None,
            heard: None,
            stale: false,
            entries: None,
            conflicts: 0,
            should_rotate: Vec::new(),
        };
        match self.sync_at(selection) {
            Ok((sync, _)) => sync.status().map(Some),
            Err(_) => Ok(Some(plain)),
        }
    }
}
