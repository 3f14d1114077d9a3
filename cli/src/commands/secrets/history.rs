//! `secrets history`: the versions of a name that the members have had.

use agentsecrets::{SecretName, VersionInfo};
use clap::Args;

use crate::args::Place;
use crate::commands::session::Session;
use crate::commands::{OK, moment};
use crate::render::{Outcome, Output};

/// Show which versions of a secret the members have had, and who wrote them
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets secrets history STRIPE_KEY --json")]
pub(crate) struct History {
    /// The secret
    name: String,
    #[command(flatten)]
    place: Place,
}

impl History {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let name = SecretName::parse(&self.name)?;
        let session = Session::open(&self.place)?;
        let versions = session.wait(session.client.history(name))?;
        let row = |one: &VersionInfo| {
            let word = match (one.deleted, one.current) {
                (true, _) => "deleted",
                (false, true) => "in use here",
                (false, false) => "",
            };
            vec![one.version.to_string(), moment(one.time), one.author.clone(), word.to_owned()]
        };
        output.show(&versions, |output| {
            output.table(&["VERSION", "WRITTEN", "BY", ""], versions.iter().map(row).collect())
        })?;
        Ok(OK)
    }
}
