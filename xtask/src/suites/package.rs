//! What is shipped, made and tried as a user gets it.

use crate::package;
use crate::run::{Run, Stop};
use crate::stage::Profile;
use crate::suites::{Suite, built, minutes};
use crate::workspace;

pub(super) const SUITE: Suite = Suite {
    name: "package",
    proves: "wheel and npm tarballs (a debug build) install into fresh environments, and make brokered calls there",
    budget: minutes(2),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    built(run)?;
    let dist = workspace::scratch().join("dist");
    let packages = package::make(run, Profile::Debug, &dist)?;
    package::prove(run, Profile::Debug, &packages)
}
