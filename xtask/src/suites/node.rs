//! The npm package, tested from Node.

use crate::run::{Run, Stop};
use crate::stage::{self, Profile};
use crate::suites::{Suite, built, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "node",
    proves: "the npm package against a real home, broker and API: styles, streams, fetch, signals, workers",
    budget: minutes(2),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    built(run)?;
    let folder = stage::node(run, Profile::Debug)?;
    run.step("npm")
        .args(["test", "--silent"])
        .dir(folder)
        .env("AGENTSECRETS_TEST_EXECUTABLE", Profile::Debug.executable())
        .env("AGENTSECRETS_TEST_UPSTREAM", Profile::Debug.upstream())
        .env("AGENTSECRETS_TEST_SERVER", Profile::Debug.server())
        .run()?;
    match passed(&run.logged()) {
        0 => Err(Stop::Failed("not one test ran".to_owned())),
        count => Ok(format!("{count} tests")),
    }
}

/// How many tests the runner's summary says have passed.
fn passed(log: &str) -> u64 {
    log.lines()
        .rev()
        .find_map(|line| line.trim_start_matches(['#', 'ℹ', ' ']).strip_prefix("pass ")?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_the_summary() {
        assert_eq!(passed("ℹ tests 40\nℹ pass 39\nℹ fail 1\n"), 39);
        assert_eq!(passed("# pass 7\n"), 7);
        assert_eq!(passed("pass them on\n"), 0);
    }
}
