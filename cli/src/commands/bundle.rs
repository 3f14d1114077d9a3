//! `bundle`: some values with their policy in one sealed file, for CI, functions and containers.

use std::path::PathBuf;

use agentsecrets::owner::{self, BundleOptions, PassphraseSource};
use agentsecrets::{Error, ErrorCode, Result, SecretName, Unlock};
use clap::{Args, Subcommand};
use serde_json::json;

use super::session::Session;
use super::{OK, usage};
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output, Paint};

/// Take secrets with their policy to a place without an owner, sealed in one file
#[derive(Subcommand)]
pub(crate) enum Bundle {
    Create(Create),
    Open(Open),
}

/// Write secrets of one environment, and where they may go, into one sealed file (asks for the owner's passphrase)
#[derive(Args)]
#[command(
    after_help = "Example:\n  agentsecrets bundle create --environment production --secrets STRIPE_KEY,OPENAI_KEY \
--out app.asbundle --key app.key"
)]
pub(crate) struct Create {
    /// The secrets, with commas between them; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',', required = true)]
    secrets: Vec<String>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The file of the key that opens it: used as it is, or made where there is none
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Overwrite a file of this name
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

/// Make a home out of a bundle; nobody is asked, and nothing can be granted there
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets bundle open app.asbundle --unlock file:/run/secrets/app.key")]
pub(crate) struct Open {
    /// The bundle
    file: PathBuf,
    /// Where its key lies: file:PATH or fd:N
    #[arg(long, value_name = "PLACE")]
    unlock: String,
}

impl Bundle {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        match self {
            Self::Create(create) => create.run(output),
            Self::Open(open) => open.run(output),
        }
    }
}

impl Create {
    fn run(&self, output: &Output) -> Outcome {
        let mut secrets = self.secrets.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>>>()?;
        secrets.sort();
        secrets.dedup();
        let absolute = |path: &PathBuf| {
            std::path::absolute(path).map_err(|_| usage("a file needs a name", "agentsecrets bundle create --help"))
        };
        let (file, key) = (absolute(&self.out)?, absolute(&self.key)?);
        // Asked in a session that ends before the owner's child is forked, as a fork wants one thread.
        let (project, environment, workspace) = {
            let session = Session::open(&self.place)?;
            let (project, environment) = session.in_use()?;
            let there = session.wait(session.client.check(secrets.clone()))?;
            if let Some(missing) = there.iter().find(|one| one.record.is_none()) {
                let message = format!("no value of {} is stored in {environment}", missing.name);
                return Err(Error::new(ErrorCode::SecretNotFound, message)
                    .with_hint("agentsecrets secrets list")
                    .into());
            }
            (project, environment, session.shared()?.map(|workspace| workspace.id))
        };
        let options = BundleOptions {
            file,
            force: self.force,
            key,
            workspace,
            project,
            environment,
            secrets,
            passphrase: PassphraseSource::from_fd(self.passphrase.passphrase_fd),
        };
        let report = owner::bundle(&super::home()?, options)?;
        output.show(&report, |output| {
            output.raw_line(&output.painted(Paint::Good, "The bundle is written."))?;
            output.pairs(&[
                ("file", report.file.display().to_string()),
                ("opens with", report.key.display().to_string()),
                ("secrets", report.secrets.iter().map(SecretName::as_str).collect::<Vec<_>>().join(" ")),
            ])?;
            report.grants.iter().try_for_each(|sentence| output.line(sentence))
        })?;
        if report.grants.is_empty() && !output.is_json() {
            output.warn("nothing lets these secrets go anywhere, and in a bundle nothing ever will");
        }
        Ok(OK)
    }
}

impl Open {
    fn run(&self, output: &Output) -> Outcome {
        let home = super::located()?;
        let file = std::path::absolute(&self.file)
            .map_err(|_| usage("the bundle needs a name", "agentsecrets bundle open FILE --unlock file:KEY"))?;
        let unlock: Unlock = self.unlock.parse()?;
        let count = owner::open_bundle(&home, &file, unlock, std::env::current_exe().ok())?;
        output.show(&json!({ "home": home.root(), "secrets": count }), |output| {
            let head = output.painted(Paint::Good, "The home is ready.");
            output.raw_line(&head)?;
            output.pairs(&[("home", home.root().display().to_string()), ("secrets", count.to_string())])
        })?;
        Ok(OK)
    }
}
