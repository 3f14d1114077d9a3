//! `workspace log`: the membership chain, for two members to compare.

use clap::Args;

use super::super::session::Session;
use super::super::{OK, moment};
use crate::args::Place;
use crate::render::{Outcome, Output};

/// Show the membership chain of the workspace in use, as this home has verified it
#[derive(Args)]
#[command(
    after_help = "Example:\n  agentsecrets workspace log --json   # two members compare the digest of one number"
)]
pub(crate) struct Log {}

pub(super) fn run(output: &Output) -> Outcome {
    let session = Session::open(&Place::default())?;
    let entries = session.wait(session.client.workspace_log())?;
    let row = |entry: &agentsecrets::EntryInfo| {
        let short = entry.hash.chars().take(12).collect();
        vec![entry.seq.to_string(), moment(entry.time), entry.author.clone(), entry.says.clone(), short]
    };
    let head = ["", "TIME", "MEMBER", "SAYS", "DIGEST"];
    output.show(&entries, |output| output.table(&head, entries.iter().map(row).collect()))?;
    Ok(OK)
}
