//! `logs list`: calls, the last first.

use agentsecrets::SecretName;
use agentsecrets::broker::SharedSocket;
use agentsecrets::logs::{self, Entry, LogsQuery, Outcome as Ended};
use clap::Args;

use super::{names, request};
use crate::args::Place;
use crate::commands::session::Session;
use crate::commands::{OK, home};
use crate::render::{Outcome, Output};

#[derive(Args)]
pub(super) struct List {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
    /// Only calls that ended so: ok, denied, failed or cancelled
    #[arg(long, value_name = "OUTCOME", value_parser = ["ok", "denied", "failed", "cancelled"])]
    outcome: Option<String>,
    /// Only calls that named this secret
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,
}

impl List {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        let mut query = LogsQuery::default();
        query.last = Some(self.last);
        query.outcome = self.outcome.as_deref().and_then(Ended::parse);
        query.secret = self.secret.as_deref().map(SecretName::parse).transpose()?;
        // A home's log is read as it lies there: that needs neither a broker nor an open store.
        let entries = match SharedSocket::from_process()? {
            None => logs::list(&home()?, &query)?,
            Some(_) => {
                let session = Session::open(&Place::default())?;
                session.wait(session.client.logs(query))?
            }
        };
        output.show(&entries, |output| {
            if entries.is_empty() {
                return Ok(());
            }
            let rows = entries.iter().map(row).collect();
            output.table(&["TIME", "OUTCOME", "SECRETS", "REQUEST", "STATUS", "MS", "CALL"], rows)
        })?;
        if entries.is_empty() && !output.is_json() {
            output.note("No call is recorded that fits.");
        }
        Ok(OK)
    }
}

fn row(entry: &Entry) -> Vec<String> {
    let record = &entry.record;
    let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    let outcome = match (record.outcome, &record.reason) {
        (Some(outcome), Some(reason)) => format!("{} ({reason})", outcome.as_str()),
        (Some(outcome), None) => outcome.as_str().to_owned(),
        (None, _) => "under way".to_owned(),
    };
    vec![
        record.time.get(..19).unwrap_or(&record.time).replace('T', " "),
        outcome,
        names(&record.secrets),
        request(record),
        number(record.status.map(u64::from)),
        number(record.duration_ms),
        // The record's place in the chain is its own; the last digits of a call are those of all calls of one broker.
        record.id.get(record.id.len().saturating_sub(12)..).unwrap_or(&record.id).to_owned(),
    ]
}
