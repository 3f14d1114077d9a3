//! The house rules as tests.

use crate::run::{Run, Stop};
use crate::suites::{Suite, minutes, some_rust_tests};

pub(super) const SUITE: Suite = Suite {
    name: "architecture",
    proves: "who may import whom, file budgets, EXPOSE comments, no keys in the repository",
    budget: minutes(1),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    run.cargo().args(["test", "--package", "agentsecrets-architecture"]).run()?;
    some_rust_tests(run)
}
