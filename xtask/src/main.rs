//! `cargo xtask`: one place for everything that is done to this repository.

mod bench;
mod demo;
mod errors;
mod fuzz;
mod generate;
mod install;
mod package;
mod report;
mod run;
mod stage;
mod suites;
mod tell;
mod workspace;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::stage::Profile;

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the promise of this project, from the shell, Python and Node, against a real API on this machine.
    Demo,
    /// Print ratios to plain reqwest, httpx, requests, aiohttp, undici and fetch, from one interleaved run.
    Bench {
        /// Fewer rounds: numbers to look at, not to compare.
        #[arg(long)]
        quick: bool,
        /// What a large shared workspace costs instead: 10,000 secrets, 100 members, 1,000 entries, and the server's pulls.
        #[arg(long, conflicts_with = "quick")]
        team: bool,
    },
    /// Attack each parser that reads a stranger's bytes, for a bounded time. Ends with 1 where one does not hold, and
    /// keeps the input.
    Fuzz(fuzz::Arguments),
    /// Leave the wheel, the npm tarballs and the executable in `dist/`, and prove that they work where nothing else is.
    Package {
        /// Build as it is shipped; the default.
        #[arg(long)]
        release: bool,
        /// Build for debugging: fast, and much larger.
        #[arg(long, conflicts_with = "release")]
        debug: bool,
    },
    /// Run every suite, or the ones named. Ends with 1 when one failed, with 3 when one could not run.
    Test {
        /// The suites to run, in this order.
        suites: Vec<String>,
        /// Print the suites with what they prove and their time budgets.
        #[arg(long)]
        list: bool,
    },
    /// Format, lint and compare generated files: the suite `check` alone.
    Check,
    /// Write the files that are made from others.
    Generate {
        /// Compare instead, and end with 1 where a file is not what it should be.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    run::end_children_on_interrupt();
    match Arguments::parse().command {
        Command::Package { debug, .. } => package::command(if debug { Profile::Debug } else { Profile::Release }),
        Command::Bench { team: true, .. } => bench::team::command(),
        Command::Bench { quick, .. } => bench::command(quick),
        Command::Fuzz(arguments) => fuzz::command(&arguments),
        Command::Demo => demo::command(),
        Command::Test { list: true, .. } => report::list(suites::ALL),
        Command::Test { suites, .. } => report::test(&suites),
        Command::Check => report::test(&["check".to_owned()]),
        Command::Generate { check } => generate::command(check),
    }
}
