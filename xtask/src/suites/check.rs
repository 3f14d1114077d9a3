//! Formatting, lints and generated files.

use crate::generate;
use crate::run::{Run, Stop};
use crate::suites::{Suite, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "check",
    proves: "rustfmt, clippy without a warning, generated files up to date",
    budget: minutes(2),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    rust(run)?;
    generated(run)?;
    Ok("rustfmt, clippy, generated files".to_owned())
}

fn rust(run: &Run) -> Result<(), Stop> {
    run.cargo().args(["fmt", "--all", "--check"]).run()?;
    run.cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()?;
    Ok(())
}

fn generated(run: &Run) -> Result<(), Stop> {
    let stale = generate::stale()?;
    for path in &stale {
        run.note(&format!("{path} is not what `cargo xtask generate` writes"))?;
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(Stop::Failed(format!("`cargo xtask generate` is due: {}", stale.join(", "))))
}
