//! `secrets`: the names there are, and values on their way in.

mod check;
mod delete;
mod diff;
mod history;
mod import;
mod link;
mod list;
mod pull;
mod push;
mod rotate;
mod set;

use clap::Subcommand;

use crate::render::{Outcome, Output};

/// Set, list, delete, check, import or link secrets, and share them with the members of a workspace
#[derive(Subcommand)]
pub(crate) enum Secrets {
    Set(set::Set),
    List(list::List),
    Delete(delete::Delete),
    Check(check::Check),
    Import(import::Import),
    Link(link::Link),
    Diff(diff::Diff),
    Pull(pull::Pull),
    Push(push::Push),
    History(history::History),
    Rotate(rotate::Rotate),
}

impl Secrets {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        match self {
            Self::Set(set) => set.run(output),
            Self::List(list) => list.run(output),
            Self::Delete(delete) => delete.run(output),
            Self::Check(check) => check.run(output),
            Self::Import(import) => import.run(output),
            Self::Link(link) => link.run(output),
            Self::Diff(diff) => diff.run(output),
            Self::Pull(pull) => pull.run(output),
            Self::Push(push) => push.run(output),
            Self::History(history) => history.run(output),
            Self::Rotate(rotate) => rotate.run(output),
        }
    }
}
