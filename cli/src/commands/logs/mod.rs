//! `logs`: what was asked, decided and done.

use agentsecrets::logs::{self, Entry, LogsQuery, Outcome as Ended, Record, Verdict};
use agentsecrets::{Error, ErrorCode, Home, Result, SecretName};
use clap::{Args, Subcommand};

use super::session::Session;
use super::{FAILED, OK, usage};
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output, Paint};

/// Read and verify the audit log
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets logs\n  agentsecrets logs list --last 5 --outcome denied\n  agentsecrets logs verify"
)]
pub(crate) struct Logs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    List(List),
    /// Show every record of a call
    #[command(after_help = "Example:\n  agentsecrets logs show 0197f3a2")]
    Show {
        /// The id of the call or of a record, or the beginning or end of one
        id: String,
    },
    /// Verify that no record was changed, removed or moved; exits with 1 and names the first bad one
    #[command(
        after_help = "Examples:\n  agentsecrets logs verify\n  agentsecrets logs verify --full   # every MAC, with the passphrase"
    )]
    Verify {
        /// Check every MAC too (asks for the owner's passphrase)
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        passphrase: Passphrase,
    },
}

/// List calls, the last first
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets logs list --last 5\n  agentsecrets logs list --outcome denied --secret STRIPE_KEY --json"
)]
struct List {
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

impl Logs {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let home = Home::locate(None)?;
        home.config()?;
        match self.what.unwrap_or(What::List(List { last: 20, outcome: None, secret: None })) {
            What::List(list) => list.run(&home, output),
            What::Show { id } => show(&home, &id, output),
            What::Verify { full, passphrase } => verify(&home, full, &passphrase, output),
        }
    }
}

impl List {
    fn run(&self, home: &Home, output: &Output) -> Outcome {
        let mut query = LogsQuery::default();
        query.last = Some(self.last);
        query.outcome = self.outcome.as_deref().and_then(Ended::parse);
        query.secret = self.secret.as_deref().map(SecretName::parse).transpose()?;
        let entries = logs::list(home, &query)?;
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
        record.call.get(record.call.len().saturating_sub(12)..).unwrap_or(&record.call).to_owned(),
    ]
}

/// The method and place of a call, or what was done to the deny overlay.
fn request(record: &Record) -> String {
    match &record.origin {
        Some(origin) => {
            let method = record.method.as_deref().unwrap_or_default();
            format!("{method} {origin}{}", record.path.as_deref().unwrap_or_default()).trim_start().to_owned()
        }
        None => record.act.clone(),
    }
}

fn names(names: &[SecretName]) -> String {
    names.iter().map(SecretName::as_str).collect::<Vec<_>>().join(" ")
}

fn show(home: &Home, id: &str, output: &Output) -> Outcome {
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

fn verify(home: &Home, full: bool, passphrase: &Passphrase, output: &Output) -> Outcome {
    let with_owner = full || passphrase.passphrase_fd.is_some();
    let verdict = if with_owner {
        let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
        let anchor = anchor(home, &session)?;
        session.owner()?.verify_logs(anchor)?
    } else {
        let anchor = if super::broker::is_listening(home) {
            let session = Session::open(&Place::default())?;
            anchor(home, &session)?
        } else {
            None
        };
        logs::verify(home, anchor.as_ref())?
    };
    output.show(&verdict, |output| tell(output, &verdict))?;
    Ok(if verdict.ok { OK } else { FAILED })
}

/// What a running broker remembers of the log's end; none is started for it.
fn anchor(home: &Home, session: &Session) -> Result<Option<logs::Anchor>> {
    if !super::broker::is_listening(home) {
        return Ok(None);
    }
    session.wait(session.client.audit_anchor()).map(Some)
}

fn tell(output: &Output, verdict: &Verdict) -> std::io::Result<()> {
    match &verdict.first_bad {
        None => {
            let head = output.painted(Paint::Good, "The log is whole");
            let macs =
                if verdict.macs_checked { "chain and every MAC" } else { "chain and counter; --full checks every MAC" };
            output.raw_line(&format!("{head}: {} records in {} files, {macs}.", verdict.records, verdict.segments))?;
        }
        Some(bad) => {
            let head = output.painted(Paint::Bad, "The log is not what was written");
            let id = bad.id.as_deref().unwrap_or("without id");
            output.raw_line(&format!("{head}: record {id}, {} line {}: {}", bad.file, bad.line, bad.why))?;
        }
    }
    match verdict.anchor_age_ms {
        Some(age) => output.line(&format!("Compared with what the broker remembered {} s ago.", age / 1000)),
        None => output.line("No anchor: no broker runs that could remember more than the files say."),
    }
}
