//! `logs`: what was asked, decided and done.

mod export;
mod list;
mod settings;
mod show;
mod time;
mod verify;
mod watch;

use std::path::PathBuf;

use agentsecrets::SecretName;
use agentsecrets::logs::Record;
use clap::{Args, Subcommand};

use crate::args::Passphrase;
use crate::render::{Outcome, Output};

/// Read and verify the audit log
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  agentsecrets logs\n  agentsecrets logs --last 5 --outcome denied\n  agentsecrets logs verify"
)]
pub(crate) struct Logs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    list: list::List,
}

#[derive(Subcommand)]
enum What {
    /// List calls, the last first; what `agentsecrets logs` alone does
    #[command(
        after_help = "Examples:\n  agentsecrets logs list --last 5\n  agentsecrets logs list --outcome denied --secret STRIPE_KEY --json"
    )]
    List(list::List),
    /// Show every record of a call
    #[command(after_help = "Example:\n  agentsecrets logs show 0197f3a2")]
    Show {
        /// The id of the call or of a record, or the beginning or end of one
        id: String,
    },
    /// Verify that no record was changed, removed or moved; exits with 1 and names the first bad one
    #[command(
        after_help = "Examples:\n  agentsecrets logs verify\n  agentsecrets logs verify --full   # every MAC, with the passphrase\n  journalctl -t agentsecrets -o cat | agentsecrets logs verify --anchor -"
    )]
    Verify {
        /// Check every MAC too (asks for the owner's passphrase)
        #[arg(long)]
        full: bool,
        /// Compare with the anchors in this text too, as the journal gives them; - is stdin
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Write the whole log to stdout, the oldest record first
    #[command(
        after_help = "Examples:\n  agentsecrets logs export > log.jsonl\n  agentsecrets logs export --since 30d --format csv > log.csv\n  agentsecrets logs export --since 2026-11-01 --until 2026-12-01"
    )]
    Export(export::Export),
    /// Show records as they are written, until Ctrl-C
    #[command(after_help = "Examples:\n  agentsecrets logs watch\n  agentsecrets logs watch --json | jq .outcome")]
    Watch,
    /// Show or change how the log is kept; a change asks for the owner's passphrase
    #[command(
        after_help = "Examples:\n  agentsecrets logs settings\n  agentsecrets logs settings --durable on --anchor journald"
    )]
    Settings(settings::Settings),
}

impl Logs {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.what.unwrap_or(What::List(self.list)) {
            // The one that is asked of a shared broker too.
            What::List(list) => list.run(output),
            What::Show { id } => show::run(&super::home()?, &id, output),
            What::Verify { full, anchor, passphrase } => {
                verify::run(&super::home()?, full, anchor.as_deref(), &passphrase, output)
            }
            What::Export(export) => export.run(&super::home()?, output),
            What::Watch => watch::run(&super::home()?, output),
            What::Settings(settings) => settings.run(&super::home()?, output),
        }
    }
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
