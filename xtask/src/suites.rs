//! Every suite of `cargo xtask test`, in the order in which they run. A new one is one file here and one line in `ALL`.

mod architecture;
mod attacks;
mod canary;
mod check;
mod docs;
mod e2e;
mod keychain;
mod licences;
mod load;
mod node;
mod node_types;
mod package;
mod python;
mod python_types;
mod rust;
mod server;
mod team;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

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
pub(crate) const ALL: &[Suite] = &[
    architecture::SUITE,
    licences::SUITE,
    check::SUITE,
    rust::SUITE,
    keychain::SUITE,
    python_types::SUITE,
    python::SUITE,
    node_types::SUITE,
    node::SUITE,
    docs::SUITE,
    e2e::SUITE,
    canary::SUITE,
    attacks::SUITE,
    load::SUITE,
    server::SUITE,
    team::SUITE,
    package::SUITE,
];

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

/// Builds every crate and every test, once: all suites use the same profile and the same set of features.
fn built(run: &Run) -> Result<(), Stop> {
    run.cargo().args(["build", "--workspace", "--all-targets"]).run()
}

/// The unit tests of a package as a program, built by `built`.
fn test_executable(run: &Run, package: &str) -> Result<PathBuf, Stop> {
    let arguments = ["test", "--workspace", "--lib", "--no-run", "--message-format", "json"];
    let said = run.cargo().args(arguments).output()?;
    let wanted = |message: &Value| {
        let is_test = message["profile"]["test"] == true && message["target"]["name"] == package;
        message["executable"].as_str().filter(|_| is_test).map(PathBuf::from)
    };
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter_map(|message| wanted(&message))
        .next()
        .ok_or_else(|| Stop::Failed(format!("{package} has no unit tests")))
}
