//! `secrets list`: names, versions and destinations.

use agentsecrets::SecretInfo;
use clap::Args;

use crate::args::Place;
use crate::commands::session::Session;
use crate::commands::{OK, moment};
use crate::render::{Outcome, Output};

/// List the secrets of the environment in use, never their values
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets secrets list\n  agentsecrets secrets list --environment production --json"
)]
pub(crate) struct List {
    #[command(flatten)]
    place: Place,
}

impl List {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let session = Session::open(&self.place)?;
        let secrets = session.wait(session.client.secrets())?;
        output.show(&secrets, |output| {
            if secrets.is_empty() {
                return Ok(());
            }
            output.table(&["NAME", "VERSION", "UPDATED", "MAY GO TO"], secrets.iter().map(row).collect())
        })?;
        if secrets.is_empty() && !output.is_json() {
            output.note("There is none here yet: agentsecrets secrets set NAME --allow api.example.com");
        }
        Ok(OK)
    }
}

fn row(info: &SecretInfo) -> Vec<String> {
    let destinations = if info.destinations.is_empty() { "nowhere".to_owned() } else { info.destinations.join("  ") };
    let version = info.source.as_ref().map_or_else(|| info.version.to_string(), |source| format!("from {source}"));
    vec![info.name.to_string(), version, moment(info.updated), destinations]
}
