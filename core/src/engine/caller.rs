//! Who calls: from the token a call shows to the agent the owner registered.

use std::collections::HashSet;
use std::time::Instant;

use jiff::Timestamp;

use super::loaded::Loaded;
use super::open::Engine;
use crate::audit::{AgentName, Event, Identity};
use crate::call::Call;
use crate::context::{AgentToken, Place, Selection};
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Agent, Limit, Permitted};
use crate::secret_ref::SecretName;

/// Where a call is made, by what, and since when.
pub(super) struct Caller {
    pub(super) place: Place,
    pub(super) token: Option<AgentToken>,
    pub(super) started: Instant,
}

/// Who it was, as the audit says it.
#[derive(Clone)]
pub(super) struct Who {
    pub(super) agent: Option<AgentName>,
    pub(super) identity: Identity,
}

/// A call that may be made, and who makes it.
pub(super) struct Admitted {
    pub(super) permitted: Permitted,
    /// What the audit says of it.
    pub(super) event: Event,
    /// The limits it counts under.
    pub(super) limits: Vec<Limit>,
    /// The names the caller may read in an answer; `None` is all of them.
    pub(super) visible: Option<HashSet<SecretName>>,
}

impl Engine {
    /// The first gate: who asks, and may they. Whatever is refused here leaves its record.
    pub(super) fn admit(&self, loaded: &Loaded, call: &Call, caller: &Caller) -> Result<Admitted> {
        let (who, agent) = identify(loaded, caller.token.as_ref());
        let checked = agent.and_then(|agent| {
            let permitted = super::asking::check(&loaded.policy, call, &caller.place, agent)
                .map_err(|why| if agent.is_some() { why } else { self.better(call, &caller.place, why) })?;
            Ok((permitted, agent))
        });
        let (permitted, agent) = checked.map_err(|why| {
            let event = self.event(call, &caller.place, &who, None);
            self.denied(&event, caller, why)
        })?;
        Ok(Admitted {
            event: self.event(call, &caller.place, &who, Some(&permitted)),
            limits: super::limits::counting(&loaded.document, &permitted, caller.place.project_id, agent),
            visible: agent.map(|agent| loaded.document.visible_to(agent)),
            permitted,
        })
    }

    /// Records a call that was refused before it began.
    pub(super) fn denied(&self, event: &Event, caller: &Caller, why: Error) -> Error {
        self.audit.denied(event, why.code(), caller.started.elapsed()).err().unwrap_or(why)
    }

    /// A name that is not there says more than a missing grant; to an agent it would say which names there are.
    fn better(&self, call: &Call, place: &Place, why: Error) -> Error {
        match why.code() {
            ErrorCode::AgentRequired => why,
            _ => self.unknown_name(call, place).unwrap_or(why),
        }
    }

    /// The names that a question is answered with; `None` is all of them.
    pub(super) fn visible(&self, selection: &Selection) -> Result<Option<HashSet<SecretName>>> {
        let loaded = self.loaded()?;
        let agent = identify(&loaded, selection.agent_token.as_ref()).1?;
        Ok(agent.map(|agent| loaded.document.visible_to(agent)))
    }
}

/// Whose token it is. One that does not count is refused, and its bearer is on record as who it says it is.
pub(super) fn identify<'l>(loaded: &'l Loaded, token: Option<&AgentToken>) -> (Who, Result<Option<&'l Agent>>) {
    let who = |agent: Option<&Agent>, identity| Who {
        agent: agent.and_then(|agent| AgentName::parse(agent.name.as_str()).ok()),
        identity,
    };
    let Some(token) = token else { return (who(None, Identity::Anonymous), Ok(None)) };
    match loaded.document.shown(token, &loaded.overlay, Timestamp::now()) {
        Ok(agent) => (who(Some(agent), Identity::Issued), Ok(Some(agent))),
        Err(refused) => (who(refused.agent, Identity::Declared), Err(refused.error)),
    }
}
