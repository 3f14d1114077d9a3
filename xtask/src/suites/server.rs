//! The sync server, on both databases, and against requests that nobody would write.

use crate::run::{Run, Stop};
use crate::suites::{Suite, minutes, some_rust_tests};
use crate::{install, workspace};

pub(super) const SUITE: Suite = Suite {
    name: "server",
    proves: "one conformance suite on SQLite and PostgreSQL, killed at every write, two processes on one database, schemathesis",
    budget: minutes(4),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    install::debian(run, &["postgresql"])?;
    run.cargo().args(["test", "--package", "agentsecrets-server"]).run()?;
    let folder = workspace::root().join("server/tests/schemathesis");
    let bin = install::venv(run, "schemathesis", &folder.join("requirements.txt"))?;
    let program = workspace::root().join("target/debug/agentsecrets-server");
    run.step(bin.join("python")).args([folder.join("run.py"), bin.join("schemathesis"), program]).run()?;
    some_rust_tests(run)
}
