//! `restore`: a home out of a backup.

use std::path::PathBuf;

use agentsecrets::StoreKind;
use agentsecrets::broker::Finish;
use agentsecrets::owner::{self, PassphraseSource, RestoreOptions};
use clap::Args;

use super::broker::is_listening;
use super::session::runtime;
use super::{OK, usage};
use crate::args::Passphrase;
use crate::render::{Outcome, Output, Paint};

/// Make a home out of a backup, or put this one back (asks for the passphrase it was made with)
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets restore home.asbk\n  \
AGENTSECRETS_HOME=/srv/agent agentsecrets restore home.asbk --store file --unlock passphrase")]
pub(crate) struct Restore {
    /// The backup
    file: PathBuf,
    /// Where sealed values rest: keychain, or file; as before unless said
    #[arg(long, value_name = "keychain|file")]
    store: Option<String>,
    /// Where the use key lies: keychain, passphrase, file:PATH or fd:N; as before unless said
    #[arg(long, value_name = "PLACE")]
    unlock: Option<String>,
    /// Put the home that is there back without asking; what changed since the backup is lost
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Restore {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let home = super::located()?;
        let file = std::path::absolute(&self.file)
            .map_err(|_| usage("the backup needs a name", "agentsecrets restore FILE"))?;
        let store: Option<StoreKind> = self.store.as_deref().map(str::parse).transpose()?;
        let options = RestoreOptions {
            file,
            store,
            unlock: self.unlock.as_deref().map(str::parse).transpose()?,
            over: self.force,
            passphrase: PassphraseSource::from_fd(self.passphrase.passphrase_fd),
            executable: std::env::current_exe().ok(),
        };
        let report = owner::restore(&home, options)?;
        if is_listening(&home) {
            // It remembers values and counts of the home that was; the next call starts another.
            runtime()?.block_on(agentsecrets::broker::stop_running(&home, Finish::Stop))?;
        }
        output.show(&report, |output| {
            output.raw_line(&output.painted(Paint::Good, "The home is restored."))?;
            let log = if report.new_log { "begins anew: a backup holds none" } else { "goes on" };
            output.pairs(&[
                ("home", report.home.display().to_string()),
                ("store", report.store.to_string()),
                ("use key", report.unlock.to_string()),
                ("secrets", report.secrets.to_string()),
                ("audit log", log.to_owned()),
            ])
        })?;
        Ok(OK)
    }
}
