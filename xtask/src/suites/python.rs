//! The Python package, tested from Python.

use std::path::PathBuf;

use crate::install;
use crate::run::{Run, Stop};
use crate::stage::{self, Profile};
use crate::suites::{Suite, built, minutes};
use crate::workspace;

pub(super) const SUITE: Suite = Suite {
    name: "python",
    proves: "the Python package against a real home, broker and API: styles, streams, errors, forks, threads",
    budget: minutes(3),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    built(run)?;
    let bin = environment(run)?;
    run.step(bin.join("python"))
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
        .dir(folder())
        .env("AGENTSECRETS_TEST_EXECUTABLE", Profile::Debug.executable())
        .env("AGENTSECRETS_TEST_UPSTREAM", Profile::Debug.upstream())
        .env("AGENTSECRETS_TEST_SERVER", Profile::Debug.server())
        .run()?;
    match passed(&run.logged()) {
        0 => Err(Stop::Failed("not one test ran".to_owned())),
        count => Ok(format!("{count} tests")),
    }
}

pub(super) fn folder() -> PathBuf {
    workspace::root().join("python")
}

/// The `bin` folder of an environment with the tools, and with the package as it lies here.
pub(super) fn environment(run: &Run) -> Result<PathBuf, Stop> {
    let bin = install::venv(run, "python", &folder().join("requirements-dev.txt"))?;
    let sources = stage::python(Profile::Debug)?;
    stage::link_python(bin.parent().unwrap_or(&bin), &sources)?;
    Ok(bin)
}

/// How many tests pytest's last line says have passed.
fn passed(log: &str) -> u64 {
    let summary = log.lines().rev().find(|line| line.contains(" passed"));
    let before = summary.and_then(|line| line.split(" passed").next()).unwrap_or_default();
    before.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_last_line() {
        assert_eq!(passed("....\n1 failed, 214 passed, 2 skipped in 3.14s\n"), 214);
        assert_eq!(passed("12 passed in 1s"), 12);
        assert_eq!(passed("no tests ran in 0.01s"), 0);
    }
}
