//! What guests are told: an agent's own names, grants and calls, and nothing of the home.

use std::sync::Arc;

use serde_json::Value;

use super::super::answers::json;
use super::super::caller::identify;
use super::super::open::Engine;
use super::{Gate, Peer, is_for_guests, not_shared};
use crate::audit::{self, AgentName, LogsQuery};
use crate::context::Selection;
use crate::control::{Ask, GrantInfo, Question, SecretInfo, Status};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::in_background;
use crate::secret_ref::SecretName;

/// The most records a guest is told at once.
const MOST_RECORDS: usize = 1000;

impl Engine {
    /// Answers a question that was asked at a gate.
    pub(crate) async fn ask_at(self: &Arc<Self>, question: Question, peer: &Peer) -> Result<Value> {
        match &peer.gate {
            Gate::Own => self.ask(&question).await,
            gate @ Gate::Share { .. } => {
                let (engine, gate) = (Arc::clone(self), gate.clone());
                in_background(move || engine.answer_guest(&question, &gate)).await
            }
        }
    }

    fn answer_guest(&self, question: &Question, gate: &Gate) -> Result<Value> {
        let own = self.welcome(gate, &question.selection, std::iter::empty())?;
        if !is_for_guests(&question.ask) {
            return Err(not_shared());
        }
        match &question.ask {
            Ask::Status => json(&self.guest_status(&own, gate)),
            Ask::Secrets => json(&self.guest_secrets(&own)?),
            Ask::Check { names } => {
                let mut checked = self.check(&own, names)?;
                checked.iter_mut().for_each(|one| one.source = None);
                json(&checked)
            }
            Ask::Grants { name } => json(&self.guest_grants(&own, name.as_ref())?),
            Ask::Logs { query } => json(&self.guest_logs(&own, query)?),
            _ => Err(not_shared()),
        }
    }

    /// Names that are granted to the agent. From where a value comes is the owner's business.
    fn guest_secrets(&self, own: &Selection) -> Result<Vec<SecretInfo>> {
        let mut secrets = self.listing(own)?;
        secrets.iter_mut().for_each(|info| info.source = None);
        Ok(secrets)
    }

    /// The grants of the wire: doors are not served to guests.
    fn guest_grants(&self, own: &Selection, name: Option<&SecretName>) -> Result<Vec<GrantInfo>> {
        let mut grants = self.grants(own, name)?;
        grants.retain(|grant| !grant.discloses);
        grants.iter_mut().for_each(|grant| grant.source = None);
        Ok(grants)
    }

    /// Spelled out, so that what is added to a status is no guest's until it is written down here.
    fn guest_status(&self, own: &Selection, gate: &Gate) -> Status {
        let status = self.status(own);
        let secrets = self.guest_secrets(own).ok();
        let grants = self.guest_grants(own, None).ok();
        Status {
            version: status.version,
            home: String::new(),
            isolation: gate.level(self.isolation).as_str().to_owned(),
            broker_pid: None,
            store: status.store,
            use_key: status.use_key,
            locked: status.locked,
            owner: status.owner,
            workspace: None,
            project: status.project,
            environment: status.environment,
            agent: status.agent,
            secrets: secrets.map(|secrets| secrets.len()),
            grants: grants.map(|grants| grants.len()),
            limits: None,
            shares: Vec::new(),
            disclosed: Vec::new(),
            egress: None,
            policy_serial: None,
            problem: status.problem,
            audit_records: None,
            memory: None,
        }
    }

    /// The agent's own calls, whatever else is asked for.
    fn guest_logs(&self, own: &Selection, query: &LogsQuery) -> Result<Vec<audit::Entry>> {
        let loaded = self.loaded()?;
        let agent = identify(&loaded, own.agent_token.as_ref()).1?;
        let agent = agent.ok_or_else(|| Error::new(ErrorCode::Internal, "a guest without an agent"))?;
        let mut query = query.clone();
        query.agent = Some(AgentName::parse(agent.name.as_str())?);
        // Agents of other projects may have the same name.
        query.project = own.project.clone();
        query.last = Some(query.last.unwrap_or(MOST_RECORDS).min(MOST_RECORDS));
        audit::list(&self.home.audit(), &query)
    }
}
