//! What other processes may try on a broker and its hosts, tried.

use crate::run::{Run, Stop};
use crate::suites::e2e::{proved, wanted};
use crate::suites::{Suite, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "attacks",
    proves: "memory, descriptors, sockets, policy files and environments attacked by fresh users; each attack works on a plain program",
    budget: minutes(3),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    wanted(run, &["gdb"])?;
    proved(run, "attacks")
}
