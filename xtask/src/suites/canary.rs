//! Values of many vendors' shapes, used in every way, then looked for everywhere.

use crate::run::{Run, Stop};
use crate::suites::e2e::proved;
use crate::suites::{Suite, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "canary",
    proves: "no value in any output, log at trace, file, error, host object or process; every search finds its sentinel",
    budget: minutes(1),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    proved(run, "canary")
}
