//! What may be said about the Python package without running it.

use crate::run::{Run, Stop};
use crate::suites::{Suite, built, minutes, python};

pub(super) const SUITE: Suite = Suite {
    name: "python-types",
    proves: "ruff, mypy --strict, pyright, and stubtest: the stubs are what the native module has",
    budget: minutes(2),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    built(run)?;
    let bin = python::environment(run)?;
    let tool = |name: &str| run.step(bin.join(name)).dir(python::folder());
    tool("ruff").args(["check", "--no-cache", "."]).run()?;
    tool("ruff").args(["format", "--check", "--no-cache", "."]).run()?;
    tool("mypy").args(["--no-incremental"]).run()?;
    tool("pyright").args(["--pythonpath"]).args([bin.join("python")]).run()?;
    tool("stubtest").args(["agentsecrets._native", "--mypy-config-file", "pyproject.toml"]).run()?;
    Ok("ruff, mypy --strict, pyright, stubtest".to_owned())
}
