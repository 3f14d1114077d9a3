//! `workspace`: what holds for all projects of a home.

mod allowlist;

use clap::Subcommand;

use crate::render::{Outcome, Output};

/// Say what holds for all projects of this home
#[derive(Subcommand)]
pub(crate) enum Workspace {
    #[command(subcommand)]
    Allowlist(allowlist::Allowlist),
}

impl Workspace {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self {
            Self::Allowlist(allowlist) => allowlist.run(output),
        }
    }
}
