//! Who calls: from the token a call shows to the agent the owner registered.

use std::collections::HashSet;
use std::time::Instant;

use jiff::Timestamp;

use super::closing::Limits;
use super::gate::Peer;
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
    /// Who is at the other end, and where they came in.
    pub(super) peer: Peer,
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
    /// When its time is over.
    pub(super) deadline: tokio::time::Instant,
    /// The names the caller may read in an answer; `None` is all of them.
    pub(super) visible: Option<HashSet<SecretName>>,
}

impl Engine {
    /// The first gate: who asks, and may they. Whatever is refused here leaves its record.
    pub(super) fn admit(&self, loaded: &Loaded, call: &Call, caller: &Caller) -> Result<Box<Admitted>> {
        self.permit(loaded, call, caller).map_err(|(who, why)| {
            let event = self.event(call, caller, &who, None);
            self.denied(&event, caller, why)
        })
    }

    /// The gate without the record: who asks, and may they.
    pub(super) fn permit(&self, loaded: &Loaded, call: &Call, caller: &Caller) -> Result<Box<Admitted>, (Who, Error)> {
        let (who, agent) = identify(loaded, caller.token.as_ref());
        let checked = agent.and_then(|agent| {
            caller.peer.gate.admits(loaded, agent)?;
            let permitted = super::asking::check(&loaded.policy, call, &caller.place, agent)
                .map_err(|why| if agent.is_some() { why } else { self.better(call, &caller.place, why) })?;
            Ok((permitted, agent))
        });
        let (permitted, agent) = match checked {
            Ok(checked) => checked,
            Err(why) => return Err((who, why)),
        };
        // In a box: every future it passes through would be larger by it.
        Ok(Box::new(Admitted {
            event: self.event(call, caller, &who, Some(&permitted)),
            limits: super::limits::of_call(&loaded.document, &permitted, caller.place.project_id, agent),
            visible: agent.map(|agent| loaded.document.visible_to(agent)),
            deadline: Limits::of(call, caller.started).deadline(),
            permitted,
        }))
    }

    /// Whether the token that is shown, if any, counts.
    pub(super) fn known(&self, loaded: &Loaded, caller: &Caller) -> Result<()> {
        identify(loaded, caller.token.as_ref()).1.map(drop)
    }

    /// Records a call that failed before anybody was asked whether it may be made.
    pub(super) fn unasked(&self, loaded: &Loaded, call: &Call, caller: &Caller, why: Error) -> Error {
        let (who, _) = identify(loaded, caller.token.as_ref());
        self.denied(&self.event(call, caller, &who, None), caller, why)
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
