//! `bench serve`, `bench work`, `bench parts`: see README.md beside this crate.

mod parts;
mod serve;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("serve") => serve::run(),
        Some("work") => work::run(),
        Some("parts") => parts::run(),
        _ => Err("usage: bench serve|work|parts".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
