//! `man`: the manual pages, made from the same definition as the help.

use std::io::Write;

use agentsecrets::{Error, ErrorCode, Result};
use clap::{Args, CommandFactory};
use serde_json::json;

use super::{OK, usage};
use crate::args::Cli;
use crate::render::{Outcome, Output};

/// Print the manual page of a command, for man(1)
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets man | man -l -\n  agentsecrets man secrets set > agentsecrets-secrets-set.1"
)]
pub(crate) struct Man {
    /// The command, word by word; the executable itself unless said
    command: Vec<String>,
}

impl Man {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let (name, page) = page_of(&self.command)?;
        let text = String::from_utf8_lossy(&page);
        output.show(&json!({ "name": name, "roff": text }), |_| {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&page)?;
            stdout.flush()
        })?;
        Ok(OK)
    }
}

/// The name of a page and the page in roff.
fn page_of(words: &[String]) -> Result<(String, Vec<u8>)> {
    let mut command = Cli::command();
    // Gives every command its whole name, and the options that hold for all.
    command.build();
    let mut name = "agentsecrets".to_owned();
    for word in words {
        // What was typed is not repeated: it may be a value.
        command = command
            .find_subcommand(word)
            .cloned()
            .ok_or_else(|| usage("there is no such command", "agentsecrets --help"))?;
        name = format!("{name}-{}", command.get_name());
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .title(name.clone())
        .render(&mut page)
        .map_err(|_| Error::new(ErrorCode::Internal, "the manual page cannot be written"))?;
    Ok((name, page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_name_and_its_examples() {
        fn check(command: &clap::Command, words: &[String]) {
            let (name, page) = page_of(words).expect("a page");
            let text = String::from_utf8(page).expect("text");
            let head = name.replace('-', "\\-");
            assert!(text.contains(&format!(".SH NAME\n{head} ")), "{name}: {text}");
            assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{name}");
            assert!(command.has_subcommands() || text.contains("agentsecrets "), "{name} has no example");
            for sub in command.get_subcommands() {
                check(sub, &[words, &[sub.get_name().to_owned()]].concat());
            }
        }
        check(&Cli::command(), &[]);
        assert!(page_of(&["nonsense".to_owned()]).is_err());
    }
}
