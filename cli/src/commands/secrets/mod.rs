//! `secrets`: the names there are, and values on their way in.

mod check;
mod delete;
mod import;
mod list;
mod set;

use clap::Subcommand;

use crate::render::{Outcome, Output};

/// Set, list, delete, check or import secrets
#[derive(Subcommand)]
pub(crate) enum Secrets {
    Set(set::Set),
    List(list::List),
    Delete(delete::Delete),
    Check(check::Check),
    Import(import::Import),
}

impl Secrets {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        match self {
            Self::Set(set) => set.run(output),
            Self::List(list) => list.run(output),
            Self::Delete(delete) => delete.run(output),
            Self::Check(check) => check.run(output),
            Self::Import(import) => import.run(output),
        }
    }
}
