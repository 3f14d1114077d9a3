//! `logs`: what was asked, decided and done.

mod list;
mod show;
mod verify;

use agentsecrets::logs::Record;
use agentsecrets::{Home, SecretName};
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

impl Logs {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let home = Home::locate(None)?;
        home.config()?;
        match self.what.unwrap_or(What::List(self.list)) {
            What::List(list) => list.run(&home, output),
            What::Show { id } => show::run(&home, &id, output),
            What::Verify { full, passphrase } => verify::run(&home, full, &passphrase, output),
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
