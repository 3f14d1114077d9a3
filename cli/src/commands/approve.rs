//! `approve`: a human looks at the calls that wait, and lets one go on or refuses it.

use agentsecrets::{Decision, Error, ErrorCode, Label, Result, WaitingCall};
use clap::Args;
use serde_json::json;

use super::OK;
use super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// List the calls that wait for a human, or approve one (asks for the owner's passphrase)
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets approve              # lists the calls that wait\n  agentsecrets approve 3f0a1b2c\n  \
                  agentsecrets approve --deny 3f0a1b2c"
)]
pub(crate) struct Approve {
    /// The call's id, or the beginning of it
    id: Option<String>,
    /// Refuse the call
    #[arg(long, requires = "id")]
    deny: bool,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Approve {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let Some(id) = &self.id else { return list(output) };
        let mut session = Session::with_owner(&Place::default(), self.passphrase.passphrase_fd)?;
        let call = named(session.wait(session.client.waiting_calls())?, id)?;
        let (home, approve) = (session.home()?.config()?.id, !self.deny);
        let signed = session.owner()?.decide(Decision { home, approve, call: call.clone() })?;
        session.wait(session.client.decide(signed))?;
        let word = if approve { "approved" } else { "denied" };
        output.show(&json!({ "id": call.id, "decision": word }), |output| {
            output.line(&format!("{word}: {} {}{}", call.method, call.origin, call.path))
        })?;
        Ok(OK)
    }
}

fn named(waiting: Vec<WaitingCall>, id: &str) -> Result<WaitingCall> {
    let mut fitting = waiting.into_iter().filter(|call| id.len() >= 4 && call.id.starts_with(id));
    match (fitting.next(), fitting.next()) {
        (Some(call), None) => Ok(call),
        _ => Err(Error::new(ErrorCode::InvalidCall, "not one call that waits has this id")
            .with_hint("agentsecrets approve  # lists those that wait")),
    }
}

fn list(output: &Output) -> Outcome {
    let session = Session::open(&Place::default())?;
    let waiting = session.wait(session.client.waiting_calls())?;
    output.show(&waiting, |output| {
        if waiting.is_empty() {
            return Ok(());
        }
        output.table(&["ID", "AGENT", "FROM", "SECRETS", "REQUEST", "UNTIL"], waiting.iter().map(row).collect())
    })?;
    if waiting.is_empty() && !output.is_json() {
        output.note("No call waits for a human.");
    }
    Ok(OK)
}

fn row(call: &WaitingCall) -> Vec<String> {
    let pid = call.pid.map_or_else(String::new, |pid| format!(" ({pid})"));
    vec![
        call.id.chars().take(8).collect(),
        call.agent.as_ref().map_or("anonymous", Label::as_str).to_owned(),
        format!("{}{pid}", call.process),
        call.values.join(", "),
        format!("{} {}{}", call.method, call.origin, call.path),
        super::moment(call.until),
    ]
}
