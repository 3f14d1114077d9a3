//! Every suite of `cargo xtask test`, in the order in which they run. A new one is one file here and one line in `ALL`.

mod architecture;
mod check;
mod keychain;
mod licences;
mod rust;

use std::time::Duration;

use crate::run::{Run, Stop};

/// A proof about the whole repository.
pub(crate) struct Suite {
    /// What it is called on the command line and in the log folder.
    pub(crate) name: &'static str,
    /// What it proves, in a few words.
    pub(crate) proves: &'static str,
    /// How long it may take from nothing, on two cores.
    pub(crate) budget: Duration,
    /// Runs it; the text is its line in the report.
    pub(crate) run: fn(&Run) -> Result<String, Stop>,
}

/// Fast and general first.
pub(crate) const ALL: &[Suite] = &[architecture::SUITE, licences::SUITE, check::SUITE, rust::SUITE, keychain::SUITE];

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// The Rust tests that ran; none at all is a failure, for then a filter or a feature has gone wrong.
fn some_rust_tests(run: &Run) -> Result<String, Stop> {
    match run.rust_tests() {
        0 => Err(Stop::Failed("not one test ran".to_owned())),
        count => Ok(format!("{count} tests")),
    }
}
