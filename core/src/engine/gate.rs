//! By which socket somebody came in, and what is served there.
//!
//! At the home's own socket the kernel vouches for the user, and every question is answered. At a shared one nobody is
//! vouched for: each request shows the token of an agent that the share serves, and what is not named here is refused.

mod guests;
mod shares;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

pub(super) use shares::ShareStates;

use super::caller::{Who, identify};
use super::loaded::Loaded;
use super::open::Engine;
use crate::audit::{Event, Isolation, MethodName, PathTemplate};
use crate::call::Call;
use crate::context::{AgentToken, Selection};
use crate::control::Ask;
use crate::error::{Error, ErrorCode, Result};
use crate::policy::Agent;
use crate::secret_ref::Label;

/// Who is at the other end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    /// The process, where the kernel says which.
    pub(crate) pid: Option<u32>,
    /// Where it came in.
    pub(crate) gate: Gate,
}

/// Who was let in, and what they select. Of a guest's call only [`Engine::let_in`] makes one.
pub(crate) struct Entrant<'s> {
    selection: Cow<'s, Selection>,
    peer: Peer,
}

impl<'s> Entrant<'s> {
    /// The process that the engine is in.
    pub(crate) fn own(selection: &'s Selection) -> Self {
        Self { selection: Cow::Borrowed(selection), peer: Peer::default() }
    }

    /// Both, for the call.
    pub(super) fn into_parts(self) -> (Cow<'s, Selection>, Peer) {
        (self.selection, self.peer)
    }
}

/// A way in.
#[derive(Clone, Debug, Default)]
pub(crate) enum Gate {
    /// The home's own socket, or this very process.
    #[default]
    Own,
    /// A shared socket.
    Share { id: Arc<str>, level: Isolation },
}

impl Gate {
    /// A shared socket, for one agent or, where the broker is a user of its own, for all.
    pub(crate) fn share(id: &str, system: bool) -> Self {
        let level = if system { Isolation::BrokerSystem } else { Isolation::BrokerShared };
        Self::Share { id: Arc::from(id), level }
    }

    /// What stands between the values and those who come in here.
    pub(super) fn level(&self, own: Isolation) -> Isolation {
        match self {
            Self::Own => own,
            Self::Share { level, .. } => *level,
        }
    }

    /// Whether the agent is served here now. At the home's own socket the policy alone decides.
    ///
    /// # Errors
    /// `not_shared` where the share is over; `agent_required` for no token, and for that of an agent it does not serve.
    pub(super) fn admits(&self, loaded: &Loaded, agent: Option<&Agent>) -> Result<()> {
        let Self::Share { id, .. } = self else { return Ok(()) };
        let share = loaded.document.share(id).filter(|share| share.counts(&loaded.overlay, Timestamp::now()));
        let share = share.ok_or_else(|| {
            Error::new(ErrorCode::NotShared, "this socket is shared no more")
                .with_hint("agentsecrets broker share --list")
        })?;
        match agent {
            Some(agent) if share.serves(agent) => Ok(()),
            Some(_) => {
                Err(Error::new(ErrorCode::AgentRequired, "the token is of an agent that this socket does not serve")
                    .with_hint("agentsecrets broker share --list"))
            }
            None => {
                Err(Error::new(ErrorCode::AgentRequired, "a shared socket serves nobody who shows no agent's token")
                    .with_hint("set AGENTSECRETS_AGENT_TOKEN to a token of: agentsecrets agent token issue NAME"))
            }
        }
    }
}

/// Whether a question may be asked at a shared socket. A new one is refused until it is named here.
pub(super) fn is_for_guests(ask: &Ask) -> bool {
    match ask {
        Ask::Status | Ask::Secrets | Ask::Check { .. } | Ask::Grants { .. } | Ask::Logs { .. } => true,
        // They tell of other names, agents, projects or callers, or change what others rely on.
        Ask::Allowlist
        | Ask::Environments
        | Ask::Projects
        | Ask::UseEnvironment { .. }
        | Ask::UseProject { .. }
        | Ask::Deny { .. }
        | Ask::Delete { .. }
        | Ask::Anchor
        | Ask::Agents
        | Ask::Tokens { .. }
        | Ask::RevokeToken { .. }
        | Ask::Limits
        | Ask::Approvals
        | Ask::Decide { .. }
        | Ask::Copy { .. }
        | Ask::Shares
        | Ask::StopShare { .. }
        | Ask::Workspaces
        | Ask::UseWorkspace { .. }
        | Ask::Diff { .. }
        | Ask::Pull { .. }
        | Ask::Push { .. }
        | Ask::Members
        | Ask::History { .. }
        | Ask::Append { .. }
        | Ask::WorkspaceLog
        | Ask::Follow
        | Ask::Leave
        | Ask::SyncStatus => false,
    }
}

/// The refusal of what a shared socket does not serve.
pub(crate) fn not_shared() -> Error {
    Error::new(ErrorCode::NotShared, "a shared socket serves calls and what its agent may know, and nothing else")
}

impl Engine {
    /// What a guest selects: its agent's own project, and nothing of another's directory. `also` is what else of projects
    /// is named.
    ///
    /// # Errors
    /// Those of [`Gate::admits`], `agent_token_invalid`, `store_locked`, `policy_invalid`.
    fn welcome<'n>(
        &self,
        gate: &Gate,
        selection: &Selection,
        mut also: impl Iterator<Item = &'n Label>,
    ) -> Result<Selection> {
        let loaded = self.loaded()?;
        let agent = identify(&loaded, selection.agent_token.as_ref()).1?;
        gate.admits(&loaded, agent)?;
        let (Some(agent), Gate::Share { .. }) = (agent, gate) else { return Ok(selection.clone()) };
        let project = loaded.document.project(agent.project);
        let project = project.ok_or_else(|| Error::new(ErrorCode::Internal, "the agent has no project"))?.name.clone();
        let elsewhere = |said: Option<&Label>, own: &Label| said.is_some_and(|said| said != own);
        if elsewhere(selection.project.as_ref(), &project)
            || elsewhere(selection.workspace.as_ref(), &loaded.document.workspace.name)
            || also.any(|said| *said != project)
        {
            return Err(foreign(agent));
        }
        let token: Option<AgentToken> = selection.agent_token.clone();
        let environment = selection.environment.clone();
        Ok(Selection { workspace: None, project: Some(project), environment, proposal: None, agent_token: token })
    }

    /// Lets a call in, before anything of its body is read. A guest that is refused here leaves a record.
    ///
    /// # Errors
    /// Those of [`Gate::admits`], `agent_token_invalid`, `store_locked`, `policy_invalid`.
    pub(crate) fn let_in<'s>(&self, call: &Call, selection: &'s Selection, peer: &Peer) -> Result<Entrant<'s>> {
        let started = Instant::now();
        let selection = match &peer.gate {
            Gate::Own => Cow::Borrowed(selection),
            gate @ Gate::Share { .. } => {
                let scopes = call.injections.iter().map(|injection| injection.secret.scope());
                let projects = scopes.filter_map(|scope| scope.project.as_ref()).chain(call.project.as_ref());
                Cow::Owned(self.welcome(gate, selection, projects).map_err(|why| {
                    let event = self.stranger_event(call, selection, gate);
                    self.audit.denied(&event, why.code(), started.elapsed()).err().unwrap_or(why)
                })?)
            }
        };
        Ok(Entrant { selection, peer: peer.clone() })
    }

    /// What is known of a call whose caller is not let in: no project, as it says none that counts.
    fn stranger_event(&self, call: &Call, selection: &Selection, gate: &Gate) -> Event {
        let anonymous = || Who { agent: None, identity: crate::audit::Identity::Anonymous };
        let who =
            self.loaded().map_or_else(|_| anonymous(), |loaded| identify(&loaded, selection.agent_token.as_ref()).0);
        Event {
            agent: who.agent,
            secrets: call.injections.iter().map(|injection| injection.secret.name().clone()).collect(),
            styles: call.injections.iter().map(|injection| injection.auth.style()).collect(),
            method: Some(MethodName::of(&call.method)),
            origin: Some(call.url.origin().clone()),
            path: Some(PathTemplate::new(call.url.path(), None)),
            ..Event::new(who.identity, gate.level(self.isolation))
        }
    }
}

/// The same for a project that is there and one that is not: a guest learns of neither.
fn foreign(agent: &Agent) -> Error {
    Error::new(ErrorCode::AgentRequired, format!("{} calls in its own project alone at a shared socket", agent.name))
        .with_hint("name no project")
}
