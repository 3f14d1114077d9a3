//! The Rust tests and the examples in Rust documentation.

use crate::run::{Run, Stop};
use crate::suites::{Suite, built, minutes, some_rust_tests};

pub(super) const SUITE: Suite = Suite {
    name: "rust",
    proves: "unit, integration, property, compile-fail and documentation tests of every crate but the server's",
    budget: minutes(11),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    built(run)?;
    run.cargo().args(["test", "--workspace", "--exclude", "agentsecrets-server", "--no-fail-fast"]).run()?;
    some_rust_tests(run)
}
