//! The `agentsecrets` executable: the commands, and the broker they talk to.
//!
//! `main` has one thread until a command needs more, because whatever reads a passphrase is forked from it.

mod allocator;
mod args;
mod broker;
mod commands;
mod dotenv;
#[cfg(test)]
mod fuzz;
mod import;
mod progress;
mod proxy;
mod render;
mod surroundings;
mod terminal;

use std::process::ExitCode;

use render::Output;

/// Wipes what it frees: values, passphrases and their copies in buffers of the libraries underneath.
#[global_allocator]
static ALLOCATOR: allocator::WipeOnFree = allocator::WipeOnFree;

fn main() -> ExitCode {
    agentsecrets::owner::harden();
    surroundings::scrub();
    surroundings::trace();
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(stop) => return stop.end(),
    };
    let output = Output::of_process(cli.json);
    let outcome = commands::run(cli.command, &output);
    ExitCode::from(output.end(outcome))
}
