//! The Rust tests and the examples in Rust documentation.

use crate::run::{Run, Stop};
use crate::suites::{Suite, minutes, some_rust_tests};

pub(super) const SUITE: Suite = Suite {
    name: "rust",
    proves: "unit, integration, property, compile-fail and documentation tests of every crate",
    budget: minutes(15),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    // The native modules link against their hosts and are tested from there; the house rules have their own suite.
    let others = ["agentsecrets-python", "agentsecrets-node", "agentsecrets-architecture"];
    let excluded = others.iter().flat_map(|name| ["--exclude", name]);
    run.cargo().args(["test", "--workspace", "--no-fail-fast"]).args(excluded).run()?;
    some_rust_tests(run)
}
