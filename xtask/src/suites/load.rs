//! Many calls at once through one broker, and its end in the middle of them.

use crate::run::{Run, Stop};
use crate::suites::e2e::proved;
use crate::suites::{Suite, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "load",
    proves: "1,000 streams and 10,000 calls through one broker, none lost, memory flat; killed, stopped and started in the middle",
    budget: minutes(2),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    proved(run, "load")
}
