//! `secrets pull`: takes in what the members have.

use agentsecrets::{ActKind, Result, SecretName};
use clap::Args;

use super::diff;
use crate::args::{Passphrase, Place};
use crate::commands::OK;
use crate::commands::session::{Existing, Session};
use crate::render::{Outcome, Output, Paint};

/// What a conflict ends with.
const CONFLICT: u8 = 1;

/// Take in what the members of the workspace have, all of it or nothing
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets secrets pull\n  \
agentsecrets secrets pull --theirs STRIPE_KEY   # gives up the value that was changed here (asks for the owner's passphrase)")]
pub(crate) struct Pull {
    /// Of these names, which both changed, take the members' value (asks for the owner's passphrase)
    #[arg(long, value_name = "NAME", num_args = 1..)]
    theirs: Vec<String>,
    /// The same of every name that both changed (asks for the owner's passphrase)
    #[arg(long, conflicts_with = "theirs")]
    all_theirs: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Pull {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let names = self.theirs.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>>>()?;
        let decides = self.all_theirs || !names.is_empty();
        let mut session = match decides {
            true => Session::with_owner(&self.place, self.passphrase.passphrase_fd)?,
            false => Session::open(&self.place)?,
        };
        let act = match decides {
            true => {
                let drift = session.wait(session.client.diff(false))?;
                let chosen = diff::named(&drift, &names, self.all_theirs, |one| one.state == "conflict")?;
                let records: Vec<Existing> = chosen.iter().map(|one| (one.name.clone(), one.record.clone())).collect();
                session.sign(ActKind::Yield, &records)?
            }
            false => None,
        };
        let report = session.wait(session.client.pull(act))?;
        output.show(&report, |output| {
            let head = output.painted(Paint::Good, "pulled");
            output.raw_line(&format!(
                "{head}: {} {}",
                report.pulled.len(),
                if report.pulled.len() == 1 { "name" } else { "names" }
            ))?;
            diff::tell(output, &report.pulled, true)?;
            diff::tell(output, &report.conflicts, true)
        })?;
        if !output.is_json() && !report.conflicts.is_empty() {
            output.warn("what both changed was left as it is here");
            for one in &report.conflicts {
                let place = format!("--project {} --environment {}", one.project, one.environment);
                output.note(&format!(
                    "Settle it: agentsecrets secrets pull --theirs {} {place}  # or: push --ours",
                    one.name
                ));
            }
        }
        if !output.is_json() && report.conflicts.is_empty() && !report.unpushed.is_empty() {
            output.note("The members do not have everything yet: agentsecrets secrets push");
        }
        Ok(if report.conflicts.is_empty() { OK } else { CONFLICT })
    }
}
