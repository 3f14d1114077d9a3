//! What may be typed. A mistake is told without repeating what was typed, as it may be a value.

use std::ffi::OsString;
use std::process::ExitCode;

use agentsecrets::{Error, ErrorCode};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::commands;
use crate::render::Output;

/// Agents call APIs by a secret's name and never hold its value.
#[derive(Parser)]
#[command(
    name = "agentsecrets",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:\n  agentsecrets init\n  agentsecrets secrets set STRIPE_KEY --allow api.stripe.com\n  \
                  agentsecrets call --url https://api.stripe.com/v1/balance --bearer STRIPE_KEY\n  agentsecrets logs\n\n\
                  Exit codes: 0 ok, 1 failed, 2 usage, 3 denied, 4 not found, 5 locked or no home, 6 upstream unreachable"
)]
pub(crate) struct Cli {
    /// Print JSON, errors included
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Init(commands::init::Init),
    #[command(subcommand)]
    Secrets(commands::secrets::Secrets),
    Allow(commands::allow::Allow),
    Approve(commands::approve::Approve),
    Deny(commands::deny::Deny),
    Grants(commands::grants::Grants),
    #[command(subcommand)]
    Agent(commands::agent::Agent),
    Limit(commands::limit::Limit),
    #[command(subcommand)]
    Trust(commands::trust::Trust),
    Egress(commands::egress::Egress),
    Call(Box<commands::call::CallArgs>),
    Run(commands::run::Run),
    Env(commands::env::Env),
    Exec(commands::exec::Exec),
    #[command(subcommand)]
    Proxy(commands::proxy::Proxy),
    Logs(commands::logs::Logs),
    Status(commands::status::Status),
    Doctor(commands::doctor::Doctor),
    #[command(subcommand)]
    Bundle(commands::bundle::Bundle),
    Login(commands::login::Login),
    Logout(commands::login::Logout),
    Lock(commands::lock::Lock),
    Unlock(commands::unlock::Unlock),
    #[command(subcommand)]
    Project(commands::project::Project),
    #[command(subcommand)]
    Environment(commands::environment::Environment),
    #[command(subcommand)]
    Broker(commands::broker::Broker),
    Backup(commands::backup::Backup),
    Restore(commands::restore::Restore),
    #[command(subcommand)]
    Workspace(commands::workspace::Workspace),
    Completions(commands::completions::Completions),
    Man(commands::man::Man),
}

/// Which project and environment are meant, where not those in use here.
#[derive(Args, Default)]
pub(crate) struct Place {
    /// Another project of this home than the one in use here
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    /// Another environment than the one in use
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
}

/// Where the owner's passphrase comes from.
#[derive(Args)]
pub(crate) struct Passphrase {
    /// Read the passphrase from this descriptor instead of the terminal (for provisioning)
    #[arg(long, value_name = "N")]
    pub(crate) passphrase_fd: Option<i32>,
}

/// Why there is nothing to run.
pub(crate) enum Stop {
    /// Help or version, which clap prints itself.
    Told(Box<clap::Error>),
    /// A mistake.
    Mistake { error: Error, json: bool },
}

impl Stop {
    /// Says it and gives the exit code.
    pub(crate) fn end(self) -> ExitCode {
        match self {
            Self::Told(help) => {
                let code = if help.use_stderr() { 2 } else { 0 };
                let _ = help.print();
                ExitCode::from(code)
            }
            Self::Mistake { error, json } => ExitCode::from(Output::of_process(json).end(Err(error.into()))),
        }
    }
}

/// Reads the command line of this process.
pub(crate) fn parse() -> Result<Cli, Stop> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    Cli::try_parse_from(&typed).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Stop::Told(Box::new(error))
        }
        _ => Stop::Mistake { error: mistake(&error, &typed), json: typed.iter().any(|word| word == "--json") },
    })
}

/// The mistake in words of ours: clap would quote what was typed.
fn mistake(error: &clap::Error, typed: &[OsString]) -> Error {
    let named = |kind| error.get(kind).map(spoken).filter(|text| !text.is_empty());
    let argument = || named(ContextKind::InvalidArg).unwrap_or_else(|| "an argument".to_owned());
    let message = match error.kind() {
        ErrorKind::UnknownArgument => "there is an argument here that the command does not take".to_owned(),
        ErrorKind::InvalidSubcommand => "there is no such command".to_owned(),
        ErrorKind::MissingSubcommand => "the command is not complete".to_owned(),
        ErrorKind::MissingRequiredArgument => format!("{} is missing", argument()),
        ErrorKind::ArgumentConflict => match named(ContextKind::PriorArg) {
            Some(prior) => format!("{} does not go with {prior}", argument()),
            None => format!("{} cannot be given twice", argument()),
        },
        ErrorKind::InvalidValue => match named(ContextKind::ValidValue) {
            Some(valid) => format!("{} is one of: {valid}", argument()),
            None => format!("{} needs a value", argument()),
        },
        ErrorKind::ValueValidation => format!("{} has another form than it takes", argument()),
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8".to_owned(),
        _ => format!("{} is not as the command takes it", argument()),
    };
    let meant = named(ContextKind::SuggestedSubcommand).or_else(|| named(ContextKind::SuggestedArg));
    let command = path_of(typed);
    let hint = match meant {
        Some(meant) => format!("did you mean {meant}? See {command} --help"),
        None => format!("{command} --help"),
    };
    Error::new(ErrorCode::InvalidCall, message).with_hint(hint)
}

/// Names of ours: arguments, values and commands as the parser defines them.
fn spoken(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(list) => list.join(", "),
        _ => String::new(),
    }
}

/// The deepest command that was named, in words that the parser defines.
fn path_of(typed: &[OsString]) -> String {
    let mut path = "agentsecrets".to_owned();
    let mut command = Cli::command();
    for word in typed.iter().skip(1).filter_map(|word| word.to_str()) {
        let Some(next) = command.find_subcommand(word).cloned() else { continue };
        path.push(' ');
        path.push_str(next.get_name());
        command = next;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> (String, String) {
        let typed: Vec<OsString> =
            std::iter::once("agentsecrets").chain(words.iter().copied()).map(OsString::from).collect();
        let error = match Cli::try_parse_from(&typed) {
            Ok(_) => panic!("{words:?} is accepted"),
            Err(error) => mistake(&error, &typed),
        };
        assert_eq!(error.code().exit_code(), 2);
        (error.message().to_owned(), error.hint().unwrap_or_default().to_owned())
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_and_a_sentence() {
        fn check(command: &clap::Command) {
            if !command.has_subcommands() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("agentsecrets "), "{} has no example", command.get_name());
            }
            assert!(command.get_about().is_some(), "{} says nothing of itself", command.get_name());
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn a_mistake_never_repeats_what_was_typed() {
        let pasted = "zq9-pasted-value-zq9";
        let flag = format!("--{pasted}");
        for words in [
            &["secrets", "set", "NAME", pasted][..],
            &["secrets", "set", "NAME", &flag],
            &[pasted],
            &["secrets", pasted],
            &["logs", "list", "--last", pasted],
            &["logs", "list", "--outcome", pasted],
            &["call", "--url", "https://a.example", "--output", pasted],
            &["allow", "K", "a.example", "--passphrase-fd", pasted],
            &["completions", pasted],
        ] {
            let (message, hint) = said(words);
            assert!(!message.contains(pasted) && !hint.contains(pasted), "{words:?}: {message} {hint}");
            assert!(!message.is_empty() && hint.contains("--help"));
        }
    }

    #[test]
    fn a_mistake_names_the_argument_and_the_command() {
        assert_eq!(said(&["call"]).0, "--url <URL> is missing");
        assert!(said(&["call"]).1.ends_with("agentsecrets call --help"));
        assert!(said(&["secrets", "lst"]).1.contains("list"));
        assert!(said(&["call", "--utl", "x"]).1.contains("--url"));
    }
}
