//! `backup`: the home in one sealed file.

use std::path::PathBuf;

use agentsecrets::owner::{self, BackupOptions, PassphraseSource};
use clap::Args;

use super::{OK, usage};
use crate::args::Passphrase;
use crate::render::{Outcome, Output, Paint};

/// Write the home into one file, sealed under the owner's passphrase (asks for it)
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets backup /media/usb/home.asbk\n  \
agentsecrets backup home.asbk --force --passphrase-fd 3 3< passphrase.txt")]
pub(crate) struct Backup {
    /// The file to write
    file: PathBuf,
    /// Overwrite a file of this name
    #[arg(long)]
    force: bool,
    /// Another place of the use key than the home's own: file:PATH or fd:N
    #[arg(long, value_name = "PLACE")]
    unlock: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Backup {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let home = super::home()?;
        let file = std::path::absolute(&self.file)
            .map_err(|_| usage("the backup needs a name", "agentsecrets backup FILE"))?;
        let options = BackupOptions {
            file,
            force: self.force,
            passphrase: PassphraseSource::from_fd(self.passphrase.passphrase_fd),
            unlock: self.unlock.as_deref().map(str::parse).transpose()?,
        };
        let report = owner::backup(&home, options)?;
        output.show(&report, |output| {
            output.raw_line(&output.painted(Paint::Good, "The backup is written."))?;
            output.pairs(&[
                ("file", report.file.display().to_string()),
                ("secrets", report.secrets.to_string()),
                ("opens with", "the owner's passphrase of today, and nothing else".to_owned()),
                ("not in it", "the audit log".to_owned()),
            ])
        })?;
        Ok(OK)
    }
}
