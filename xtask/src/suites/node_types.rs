//! What may be said about the npm package without running it.

use crate::run::{Run, Stop};
use crate::stage::{self, Profile};
use crate::suites::{Suite, built, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "node-types",
    proves: "tsc --strict, oxlint, publint, and attw: the types resolve for ES modules and CommonJS",
    budget: minutes(1),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    built(run)?;
    let folder = stage::node(run, Profile::Debug)?;
    run.step("npm").args(["run", "--silent", "lint"]).dir(&folder).run()?;
    run.step("npm").args(["run", "--silent", "check"]).dir(&folder).run()?;
    Ok("tsc --strict, oxlint, publint, attw".to_owned())
}
