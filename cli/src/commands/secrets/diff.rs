//! `secrets diff`: what is not the same here as with the members.

use agentsecrets::{DriftInfo, Result};
use clap::Args;

use crate::args::Place;
use crate::commands::session::Session;
use crate::commands::{OK, moment};
use crate::render::{Outcome, Output, Paint};

/// What a difference ends with under --exit-code.
const DIFFERENT: u8 = 1;

/// Show which names are not the same here as with the members of the workspace
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets secrets diff\n  agentsecrets secrets diff --all --json\n  \
agentsecrets secrets diff --exit-code   # 1 where anything differs, for a script")]
pub(crate) struct Diff {
    /// Of every project and environment of the workspace, not of the one in use alone
    #[arg(long)]
    all: bool,
    /// End with 1 where anything differs
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    place: Place,
}

impl Diff {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let session = Session::open(&self.place)?;
        let drift = session.wait(session.client.diff(self.all))?;
        output.show(&drift, |output| tell(output, &drift, self.all))?;
        if !output.is_json() {
            output.note(next_step(&drift));
        }
        Ok(if self.exit_code && !drift.is_empty() { DIFFERENT } else { OK })
    }
}

fn next_step(drift: &[DriftInfo]) -> &'static str {
    let is = |state: &str| drift.iter().any(|one| one.state == state);
    if is("conflict") {
        "Settle what both changed: agentsecrets secrets pull --theirs NAME  # or: agentsecrets secrets push --ours NAME"
    } else if is("remote") {
        "Take it in: agentsecrets secrets pull"
    } else if is("local") {
        "Give it to the members: agentsecrets secrets push"
    } else {
        "Everything is the same here as with the members."
    }
}

/// Writes the names, each with who changed it.
pub(super) fn tell(output: &Output, drift: &[DriftInfo], with_place: bool) -> std::io::Result<()> {
    drift.iter().try_for_each(|one| output.raw_line(&sentence(output, one, with_place)))
}

fn sentence(output: &Output, one: &DriftInfo, with_place: bool) -> String {
    let (paint, word) = match (one.state.as_str(), one.change.as_str()) {
        ("conflict", _) => (Paint::Bad, "changed by both".to_owned()),
        ("remote", change) => (Paint::Careful, format!("{change} by a member")),
        (_, change) => (Paint::Good, format!("{change} here")),
    };
    let place = if with_place { format!("{}/{}/", one.project, one.environment) } else { String::new() };
    let author = one.author.as_ref().map_or_else(String::new, |author| format!("  {author}"));
    let time = one.time.map_or_else(String::new, |time| format!(", {}", moment(time)));
    format!("{place}{}  {}{author}{time}", one.name, output.painted(paint, &word))
}

/// Those of the names that stand in a state, or a refusal for the first that does not.
pub(super) fn named<'d>(
    drift: &'d [DriftInfo],
    names: &[agentsecrets::SecretName],
    all: bool,
    fits: impl Fn(&DriftInfo) -> bool,
) -> Result<Vec<&'d DriftInfo>> {
    let missing = |name: &agentsecrets::SecretName| {
        agentsecrets::Error::new(
            agentsecrets::ErrorCode::InvalidCall,
            format!("{name} does not wait for a decision between here and the members"),
        )
        .with_hint("agentsecrets secrets diff")
    };
    let mut found = Vec::new();
    for name in names {
        found.push(drift.iter().find(|one| one.name == *name && fits(one)).ok_or_else(|| missing(name))?);
    }
    if all {
        found = drift.iter().filter(|one| fits(one)).collect();
    }
    Ok(found)
}
