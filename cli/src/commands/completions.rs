//! `completions`: what a shell needs to complete our commands.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use super::OK;
use crate::args::Cli;
use crate::render::{Outcome, Output};

/// Print a completion script for a shell
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets completions bash > ~/.local/share/bash-completion/completions/agentsecrets\n  \
agentsecrets completions zsh > ~/.zfunc/_agentsecrets"
)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "agentsecrets", &mut script);
        let text = String::from_utf8_lossy(&script);
        output.show(&json!({ "shell": self.shell.to_string(), "script": text }), |_| {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&script)?;
            stdout.flush()
        })?;
        Ok(OK)
    }
}
