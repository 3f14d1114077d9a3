//! Agents as principals: who is registered in a project, and by which tokens each is known.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use uuid::Uuid;

use super::change::Change;
use super::deny::DenyOverlay;
use super::document::Document;
use crate::context::AgentToken;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

/// An agent of one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Agent {
    /// Its identity: one that is deleted and registered again is another.
    pub(crate) id: Uuid,
    /// The project it is registered in.
    pub(crate) project: Uuid,
    /// Its name, once in the project.
    pub(crate) name: Label,
    /// When the owner registered it.
    pub(crate) created: Timestamp,
    /// What it may show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tokens: Vec<Token>,
}

/// A token as it rests: never its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// What the owner names to revoke it.
    pub(crate) id: String,
    /// SHA-256 of its text, in hex.
    pub(crate) sha256: String,
    /// When it was issued.
    pub(crate) created: Timestamp,
    /// When it ends.
    pub(crate) expires: Timestamp,
}

/// The agent that a grant or limit is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bound {
    /// Its identity.
    pub(crate) id: Uuid,
    /// Its name, for people.
    pub(crate) name: Label,
}

impl Bound {
    /// Whether whoever asks may know of what is bound: the agent itself, and who shows no token; of what is bound to nobody
    /// everybody.
    pub(crate) fn is_told_to(bound: Option<&Self>, asking: Option<&Agent>) -> bool {
        bound.zip(asking).is_none_or(|(bound, asking)| bound.id == asking.id)
    }
}

impl From<&Agent> for Bound {
    fn from(agent: &Agent) -> Self {
        Self { id: agent.id, name: agent.name.clone() }
    }
}

/// Why a token does not count, and whose it was where that is known.
pub(crate) struct Refused<'d> {
    pub(crate) agent: Option<&'d Agent>,
    pub(crate) error: Error,
}

impl Document {
    /// The agent whose token this is.
    ///
    /// Every token of the home is compared, and each in the same time, so that an answer's time tells nothing.
    pub(crate) fn shown(
        &self,
        token: &AgentToken,
        overlay: &DenyOverlay,
        now: Timestamp,
    ) -> Result<&Agent, Refused<'_>> {
        let digest = token.digest();
        let mut found = u64::MAX;
        for (at, (_, kept)) in (0_u64..).zip(self.tokens()) {
            let same: Choice = digest.as_bytes().ct_eq(kept.sha256.as_bytes());
            found.conditional_assign(&at, same);
        }
        let found = usize::try_from(found).ok().and_then(|at| self.tokens().nth(at));
        let Some((agent, kept)) = found else {
            return Err(Refused { agent: None, error: invalid("the agent token is none of this home's") });
        };
        let refused = |how: &str| {
            let error = invalid(format!("the agent token {} of {} {how}", kept.id, agent.name));
            let hint = format!("agentsecrets agent token issue {}", agent.name);
            Err(Refused { agent: Some(agent), error: error.with_hint(hint) })
        };
        if overlay.revoked.contains(&kept.id) {
            return refused("was revoked");
        }
        if kept.expires <= now {
            return refused(&format!("expired at {:.0}", kept.expires));
        }
        Ok(agent)
    }

    /// Every token and whose it is.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = (&Agent, &Token)> {
        self.agents.iter().flat_map(|agent| agent.tokens.iter().map(move |token| (agent, token)))
    }

    /// The agent of this name in a project.
    ///
    /// # Errors
    /// `invalid_call` where none is registered under the name.
    pub(crate) fn agent(&self, project: Uuid, name: &Label) -> Result<&Agent> {
        self.agents.iter().find(|agent| agent.project == project && agent.name == *name).ok_or_else(|| unknown(name))
    }

    /// The names an agent may read: those of its project that are granted to every caller or to it.
    pub(crate) fn visible_to(&self, agent: &Agent) -> HashSet<SecretName> {
        let own = self.grants.iter().filter(|grant| grant.project == agent.project);
        let its = own.filter(|grant| grant.terms.agent.as_ref().is_none_or(|bound| bound.id == agent.id));
        its.map(|grant| grant.secret.clone()).collect()
    }

    /// Registers an agent.
    ///
    /// # Errors
    /// `invalid_call` where the name is taken.
    pub(crate) fn register_agent(&mut self, project: Uuid, name: &Label, now: Timestamp) -> Result<Change> {
        let first = !self.agents.iter().any(|agent| agent.project == project);
        if self.agent(project, name).is_ok() {
            return Err(Error::new(ErrorCode::InvalidCall, format!("there is an agent {name} already"))
                .with_hint(format!("agentsecrets agent token issue {name}")));
        }
        let place = self.project(project).map_or_else(String::new, |project| format!(" of {}", project.name));
        let mut says = format!("{name} will be an agent{place}");
        if first {
            says.push_str("; from then on calls there that show no agent's token are refused");
        }
        let (id, tokens) = (Uuid::now_v7(), Vec::new());
        self.agents.push(Agent { id, project, name: name.clone(), created: now, tokens });
        Ok(Change::made(says))
    }

    /// Deletes an agent, with its tokens and what was granted to it alone.
    ///
    /// # Errors
    /// `invalid_call` where none is registered under the name.
    pub(crate) fn delete_agent(&mut self, project: Uuid, name: &Label) -> Result<Change> {
        let id = self.agent(project, name)?.id;
        self.agents.retain(|agent| agent.id != id);
        self.grants.retain(|grant| grant.terms.agent.as_ref().is_none_or(|bound| bound.id != id));
        self.limits.retain(|limit| limit.subject.agent.as_ref().is_none_or(|bound| bound.id != id));
        self.delete_shares_of(id);
        let mut says = format!("{name} is an agent no more; its tokens and what was granted to it alone go with it");
        if !self.agents.iter().any(|agent| agent.project == project) {
            says.push_str(", and as it is the last one, calls without a token are possible again");
        }
        Ok(Change::made(says))
    }

    /// Adds a token to an agent. Those that have ended are forgotten.
    ///
    /// # Errors
    /// `invalid_call` where no agent has the name, or the token has ended already.
    pub(crate) fn add_token(&mut self, project: Uuid, name: &Label, token: &Token) -> Result<Change> {
        let id = self.agent(project, name)?.id;
        let says = format!("Whoever holds the token {} calls as {name}, until {:.0}", token.id, token.expires);
        for agent in self.agents.iter_mut().filter(|agent| agent.id == id) {
            agent.tokens.retain(|old| old.expires > token.created);
            agent.tokens.push(token.clone());
        }
        Ok(Change::made(says))
    }

    /// Agents are of known projects, and each name is there once; what is bound to an agent is bound to a known one.
    pub(super) fn agents_are_sound(&self) -> bool {
        let sound = |(at, agent): (usize, &Agent)| {
            let same = |other: &Agent| other.project == agent.project && other.name == agent.name;
            !self.agents[..at].iter().any(same)
        };
        let known = |bound: &Bound, project: Uuid| {
            self.agents.iter().any(|agent| agent.id == bound.id && agent.project == project)
        };
        self.agents.iter().enumerate().all(sound)
            && self.grants.iter().all(|grant| grant.terms.agent.as_ref().is_none_or(|it| known(it, grant.project)))
    }
}

/// The refusal of a caller that is none of the project's agents.
pub(super) fn stranger(project: &Label, agent: Option<&Agent>) -> Error {
    match agent {
        None => Error::new(
            ErrorCode::AgentRequired,
            format!("the project {project} has registered agents, and the call shows no agent's token"),
        )
        .with_hint("set AGENTSECRETS_AGENT_TOKEN to a token of: agentsecrets agent token issue NAME"),
        Some(agent) => {
            Error::new(ErrorCode::AgentRequired, format!("{} is no agent of the project {project}", agent.name))
                .with_hint(format!("agentsecrets agent register {} --project {project}", agent.name))
        }
    }
}

fn unknown(name: &Label) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("no agent {name} is registered in the project"))
        .with_hint(format!("agentsecrets agent register {name}"))
}

fn invalid(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::AgentTokenInvalid, why)
}
