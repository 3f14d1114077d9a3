//! `cargo xtask bench --team`: what a large shared workspace costs, and what the server does in a second.

use std::process::ExitCode;
use std::time::Duration;

use crate::install;
use crate::run::{Run, Stop};
use crate::tell;
use crate::workspace;

/// Runs the command; ends with 1 where it could not measure.
pub(crate) fn command() -> ExitCode {
    match Run::start("bench-team", Duration::from_secs(45 * 60)).map_err(Stop::from).and_then(|run| all(&run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(why) | Stop::NotRun(why)) => {
            tell::bad(&format!("{why} (log: {})", workspace::scratch().join("logs/bench-team.log").display()));
            ExitCode::FAILURE
        }
    }
}

fn all(run: &Run) -> Result<(), Stop> {
    install::debian(run, &["postgresql"])?;
    tell::heading("Building as it is shipped");
    let packages = ["agentsecrets-cli", "agentsecrets-server", "agentsecrets-upstream"];
    let packages = packages.iter().flat_map(|name| ["--package", name]);
    run.cargo().args(["build", "--release"]).args(packages).run()?;
    tell::heading("10,000 secrets, 100 members, 1,000 entries: whole commands, SQLite, loopback");
    run.step("python3").args(["-B", "tests/team/figures.py"]).run()?;
    shown(run, |line| line.contains(" ms  ") || line.contains(" secrets, "));
    tell::heading("Incremental pulls of the server, by 32 callers on the same machine");
    let tests = ["test", "--release", "--package", "agentsecrets-server", "--test", "conformance"];
    run.cargo().args(tests).args(["figures", "--", "--ignored", "--nocapture", "--test-threads", "1"]).run()?;
    shown(run, |line| line.contains("figure: "));
    Ok(())
}

fn shown(run: &Run, is_figure: impl Fn(&str) -> bool) {
    for line in run.logged().lines().filter(|line| is_figure(line)) {
        tell::line(&format!("  {line}"));
    }
}
