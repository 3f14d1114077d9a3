//! What is asked of agents and their tokens. What adds one is the owner's; taking a token away is not.

use jiff::Timestamp;

use super::caller::identify;
use super::open::Engine;
use crate::audit::Event;
use crate::context::Selection;
use crate::control::{AgentInfo, TokenInfo};
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Agent, Token};
use crate::secret_ref::Label;
use crate::store::HomeLock;

impl Engine {
    /// The agents of the project in use.
    pub(super) fn agents(&self, selection: &Selection) -> Result<Vec<AgentInfo>> {
        let (loaded, place) = (self.loaded()?, self.place(selection)?);
        let now = Timestamp::now();
        let live = |token: &&Token| token.expires > now && !loaded.overlay.revoked.contains(&token.id);
        let info = |agent: &Agent| AgentInfo {
            name: agent.name.clone(),
            project: place.project.clone(),
            created: agent.created,
            tokens: agent.tokens.iter().filter(live).count(),
        };
        let own = loaded.document.agents.iter().filter(|agent| agent.project == place.project_id);
        Ok(own.map(info).collect())
    }

    /// The tokens of the project in use, or of one agent.
    pub(super) fn tokens(&self, selection: &Selection, name: Option<&Label>) -> Result<Vec<TokenInfo>> {
        let (loaded, place) = (self.loaded()?, self.place(selection)?);
        if let Some(name) = name {
            loaded.document.agent(place.project_id, name)?;
        }
        let now = Timestamp::now();
        let state = |token: &Token| match (loaded.overlay.revoked.contains(&token.id), token.expires <= now) {
            (true, _) => "revoked",
            (false, true) => "expired",
            (false, false) => "active",
        };
        let own = loaded.document.tokens().filter(|(agent, _)| agent.project == place.project_id);
        let wanted = own.filter(|(agent, _)| name.is_none_or(|name| agent.name == *name));
        let info = |(agent, token): (&Agent, &Token)| TokenInfo {
            id: token.id.clone(),
            agent: agent.name.clone(),
            created: token.created,
            expires: token.expires,
            state: state(token).to_owned(),
        };
        Ok(wanted.map(info).collect())
    }

    /// Revokes a token. It only subtracts: its agent stays registered, so nobody may call who might not before.
    pub(super) fn revoke(&self, selection: &Selection, id: &str) -> Result<TokenInfo> {
        let place = self.place(selection)?;
        let lock = HomeLock::acquire(self.home.root())?;
        let loaded = self.loaded()?;
        if !loaded.document.tokens().any(|(agent, token)| token.id == id && agent.project == place.project_id) {
            return Err(Error::new(ErrorCode::InvalidCall, "no token of the project has this id")
                .with_hint("agentsecrets agent token list"));
        }
        let mut overlay = loaded.overlay.clone();
        if overlay.revoke(id) {
            let (who, _) = identify(&loaded, selection.agent_token.as_ref());
            let event = Event {
                agent: who.agent,
                workspace: Some(place.workspace.clone()),
                project: Some(place.project.clone()),
                environment: Some(place.environment.clone()),
                ..Event::new(who.identity, self.isolation)
            };
            self.subtract(&lock, overlay, &event)?;
        }
        let revoked = self.tokens(selection, None)?.into_iter().find(|token| token.id == id);
        revoked.ok_or_else(|| Error::new(ErrorCode::Internal, "the token was deleted at once"))
    }
}
