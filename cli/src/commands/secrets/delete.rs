//! `secrets delete`: destroys values, by the owner's act.

use agentsecrets::{ActKind, Error, ErrorCode, SecretName};
use clap::Args;
use serde_json::json;

use crate::args::{Passphrase, Place};
use crate::commands::OK;
use crate::commands::session::Session;
use crate::render::{Outcome, Output, Paint};

/// Delete secrets (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets secrets delete OLD_KEY")]
pub(crate) struct Delete {
    /// The secrets
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Delete {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let mut names = self.names.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>, _>>()?;
        names.sort();
        names.dedup();
        let mut session = Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        let existing = session.existing(&names)?;
        // All or none: a mistyped name must not be found out after others are gone.
        if let Some(missing) = names.iter().find(|name| existing.iter().all(|(there, _)| there != *name)) {
            let message = format!("no value of {missing} is stored here; nothing was deleted");
            return Err(Error::new(ErrorCode::SecretNotFound, message)
                .with_hint(format!("agentsecrets secrets list  # a linked one: secrets link {missing} --remove"))
                .into());
        }
        let act = session.sign(ActKind::Delete, &existing)?;
        for name in &names {
            session.wait(session.client.delete_secret(name.clone(), act.clone()))?;
        }
        output.show(&json!({ "deleted": names }), |output| {
            let head = output.painted(Paint::Careful, "deleted");
            names.iter().try_for_each(|name| output.raw_line(&format!("{head}: {name}")))
        })?;
        Ok(OK)
    }
}
