//! The sync server: stores sealed records and signed chains, decides who may write where, and can read none of it.

mod app;
mod auth;
mod chains;
mod check;
mod config;
mod error;
mod fault;
mod keys;
mod limits;
mod logs;
mod metrics;
mod openapi;
mod password;
mod random;
mod routes;
mod serve;
mod storage;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use config::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logs::begin();
    keys::stay_unread();
    let outcome = match arguments.command.unwrap_or(Command::Serve) {
        Command::Openapi => print(&openapi::text()),
        Command::Faults => print(&fault::NAMES.map(|name| format!("{name}\n")).concat()),
        Command::MakeKey => keys::Keys::make_new(&arguments.options.key_file()),
        Command::Serve => run(serve::serve(arguments.options)),
        Command::Check => run(check::check(arguments.options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|why| format!("the runtime does not start: {why}"))?.block_on(task)
}

fn print(text: &str) -> Result<(), String> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|why| format!("standard output: {why}"))
}
