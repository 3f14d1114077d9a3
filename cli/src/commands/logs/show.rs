//! `logs show`: every record of a call.

use agentsecrets::logs::{self, Record};
use agentsecrets::{Error, ErrorCode, Home};

use super::{names, request};
use crate::commands::{OK, usage};
use crate::render::{Outcome, Output};

pub(super) fn run(home: &Home, id: &str, output: &Output) -> Outcome {
    if id.len() < 4 || !id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-') {
        return Err(usage("an id has at least four hexadecimal digits", "agentsecrets logs list").into());
    }
    let records = logs::show(home, id)?;
    if records.is_empty() {
        return Err(Error::new(ErrorCode::SecretNotFound, "no record has that id")
            .with_hint("agentsecrets logs list")
            .into());
    }
    output.show(&records, |output| {
        for (at, record) in records.iter().enumerate() {
            if at > 0 {
                output.line("")?;
            }
            output.pairs(&pairs(record))?;
        }
        Ok(())
    })?;
    Ok(OK)
}

/// What a record says, without what does not apply.
fn pairs(record: &Record) -> Vec<(&'static str, String)> {
    let phase = if record.outcome.is_some() { "ended" } else { "begun" };
    let mut pairs = vec![
        ("record", record.id.clone()),
        ("call", record.call.clone()),
        ("phase", phase.to_owned()),
        ("time", record.time.clone()),
        ("act", record.act.clone()),
    ];
    let mut also =
        |label, text: Option<String>| pairs.extend(text.filter(|text| !text.is_empty()).map(|text| (label, text)));
    also("agent", record.agent.as_ref().map(ToString::to_string));
    also("identity", Some(record.identity.as_str().to_owned()));
    also("isolation", Some(record.isolation.as_str().to_owned()));
    also("project", record.project.as_ref().map(ToString::to_string));
    also("environment", record.environment.as_ref().map(ToString::to_string));
    also("secrets", Some(names(&record.secrets)));
    also("styles", Some(record.styles.join(" ")));
    also("request", record.origin.as_ref().map(|_| request(record)));
    also("status", record.status.map(|status| status.to_string()));
    also("outcome", record.outcome.map(|outcome| outcome.as_str().to_owned()));
    also("reason", record.reason.clone());
    also("redacted", Some(names(&record.redacted)));
    also("duration", record.duration_ms.map(|ms| format!("{ms} ms")));
    pairs
}
