//! `logs export`: the whole log, for somewhere else.

use std::io::{BufWriter, Write};

use agentsecrets::Home;
use agentsecrets::logs::{self, LogsQuery, Record};
use clap::{Args, ValueEnum};

use super::time;
use crate::commands::OK;
use crate::render::{Outcome, Output};

#[derive(Args)]
pub(super) struct Export {
    /// Only the newest so many
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Only those written then or later: 2026-11-23, 2026-11-23T21:00:00Z, or how long ago: 90m, 12h, 30d, 2w
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Only those written before then
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// The lines as they stand in the log, or a table for spreadsheets
    #[arg(long, value_name = "FORMAT", default_value = "jsonl")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line, byte for byte as in the log
    Jsonl,
    /// Comma-separated, with a head line (RFC 4180)
    Csv,
}

impl Export {
    pub(super) fn run(&self, home: &Home, output: &Output) -> Outcome {
        let mut query = LogsQuery::default();
        query.last = self.last;
        query.since = self.since.as_deref().map(time::parse).transpose()?;
        query.until = self.until.as_deref().map(time::parse).transpose()?;
        let as_csv = self.format == Format::Csv && !output.is_json();
        let mut stdout = BufWriter::new(std::io::stdout().lock());
        if as_csv {
            writeln!(stdout, "{}\r", COLUMNS.join(","))?;
        }
        for line in logs::export(home, query)? {
            let line = line?;
            if as_csv {
                writeln!(stdout, "{}\r", row(&line.record).map(|cell| quoted(&cell)).join(","))?;
            } else {
                writeln!(stdout, "{}", line.text)?;
            }
        }
        stdout.flush()?;
        Ok(OK)
    }
}

/// The columns, named as the fields of the record.
const COLUMNS: [&str; 21] = [
    "id",
    "call",
    "phase",
    "time",
    "act",
    "agent",
    "identity",
    "isolation",
    "workspace",
    "project",
    "environment",
    "secrets",
    "styles",
    "method",
    "origin",
    "path",
    "status",
    "outcome",
    "reason",
    "redacted",
    "duration_ms",
];

fn row(record: &Record) -> [String; 21] {
    fn text<T: ToString>(value: Option<&T>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    [
        record.id.clone(),
        record.call.clone(),
        if record.outcome.is_some() { "ended" } else { "begun" }.to_owned(),
        record.time.clone(),
        record.act.clone(),
        text(record.agent.as_ref()),
        record.identity.as_str().to_owned(),
        record.isolation.as_str().to_owned(),
        text(record.workspace.as_ref()),
        text(record.project.as_ref()),
        text(record.environment.as_ref()),
        super::names(&record.secrets),
        record.styles.join(" "),
        text(record.method.as_ref()),
        text(record.origin.as_ref()),
        text(record.path.as_ref()),
        text(record.status.as_ref()),
        record.outcome.map(|outcome| outcome.as_str().to_owned()).unwrap_or_default(),
        text(record.reason.as_ref()),
        super::names(&record.redacted),
        text(record.duration_ms.as_ref()),
    ]
}

/// A cell by RFC 4180, section 2. Nothing in a record begins as a spreadsheet's formula does: names, paths with their
/// slash, origins with their scheme.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}
