//! `secrets push`: gives the members what is here.

use agentsecrets::{ActKind, DriftInfo, ErrorCode, PushReport, Result, SecretName};
use clap::Args;

use super::diff;
use crate::args::{Passphrase, Place};
use crate::commands::OK;
use crate::commands::session::{Existing, Session};
use crate::render::{Outcome, Output, Paint};

/// What a conflict ends with.
const CONFLICT: u8 = 1;
/// What ends with names that only the owner gives.
const DENIED: u8 = 3;

/// Give the members of the workspace what is new here; for what replaces theirs the owner's passphrase is asked
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets secrets push\n  agentsecrets secrets push STRIPE_KEY\n  \
agentsecrets secrets push --ours STRIPE_KEY   # replaces what a member has set meanwhile")]
pub(crate) struct Push {
    /// Only these names; all of the environment in use unless said
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Of these names, which both changed, give the members the value that is here
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "names")]
    ours: Vec<String>,
    /// Only names that the members do not have; asks nobody
    #[arg(long, conflicts_with = "ours")]
    new_only: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Push {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let parse = |names: &[String]| names.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>>>();
        let (names, ours) = (parse(&self.names)?, parse(&self.ours)?);
        let mut session = Session::with_owner(&self.place, self.passphrase.passphrase_fd)?;
        let drift = session.wait(session.client.diff(false))?;
        let records = self.replaced(&drift, &names, &ours)?;
        let act = match session.sign(ActKind::Push, &records) {
            Ok(act) => act,
            // What is new is pushed all the same; the rest is told.
            Err(error) if ours.is_empty() && is_absence(error.code()) => None,
            Err(error) => return Err(error.into()),
        };
        let pushed = if ours.is_empty() { names } else { ours };
        let report = session.wait(session.client.push(pushed, act))?;
        tell(output, &report)
    }

    /// The names whose value with the members is replaced, with the records that are here.
    fn replaced(&self, drift: &[DriftInfo], names: &[SecretName], ours: &[SecretName]) -> Result<Vec<Existing>> {
        let chosen = if self.new_only {
            Vec::new()
        } else if ours.is_empty() {
            let meant = |one: &&DriftInfo| names.is_empty() || names.contains(&one.name);
            drift.iter().filter(meant).filter(|one| one.state == "local" && one.change != "added").collect()
        } else {
            diff::named(drift, ours, false, |one| one.state == "conflict" || one.state == "local")?
        };
        Ok(chosen.iter().map(|one| (one.name.clone(), one.record.clone())).collect())
    }
}

/// Whether nobody was there to ask.
fn is_absence(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::OwnerRequired | ErrorCode::OwnerAbsent)
}

fn tell(output: &Output, report: &PushReport) -> Outcome {
    output.show(report, |output| {
        let head = output.painted(Paint::Good, "pushed");
        let word = if report.pushed.len() == 1 { "name" } else { "names" };
        output.raw_line(&format!("{head}: {} {word}", report.pushed.len()))?;
        for list in [&report.pushed, &report.conflicts, &report.needs_owner] {
            diff::tell(output, list, false)?;
        }
        Ok(())
    })?;
    if !output.is_json() && !report.conflicts.is_empty() {
        output.warn("a member has set some of them meanwhile; those were not pushed");
        output.note("Settle it: agentsecrets secrets push --ours NAME  # or: agentsecrets secrets pull --theirs NAME");
    }
    if !output.is_json() && !report.needs_owner.is_empty() {
        output.warn("what replaces a value that the members have is pushed by the owner alone");
        output.note("At a terminal: agentsecrets secrets push");
    }
    Ok(match (report.conflicts.is_empty(), report.needs_owner.is_empty()) {
        (false, _) => CONFLICT,
        (true, false) => DENIED,
        (true, true) => OK,
    })
}
