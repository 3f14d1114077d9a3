//! `deny.toml`, held against the whole graph of dependencies by cargo-deny.

use std::path::PathBuf;

use crate::install;
use crate::run::{Run, Stop, output};
use crate::suites::{Suite, minutes};
use crate::workspace;

pub(super) const SUITE: Suite = Suite {
    name: "licences",
    proves: "every dependency has an allowed licence and source, and none is banned",
    budget: minutes(1),
    run,
};

/// A rule that this workspace breaks on purpose.
const CONTROL: &str = "[bans]\ndeny = [{ name = \"serde\" }]\n";

fn run(run: &Run) -> Result<String, Stop> {
    let deny = cargo_deny(run)?;
    run.step(&deny).args(["check", "licenses", "bans", "sources"]).run()?;
    let control = workspace::scratch().join("deny-control.toml");
    std::fs::write(&control, CONTROL)?;
    let status = run.step(&deny).args(["check", "--config"]).args([&control]).args(["bans"]).status()?;
    if status.success() {
        return Err(Stop::Failed("cargo-deny did not find a crate banned on purpose".to_owned()));
    }
    Ok("licences, bans and sources; a ban made on purpose was found".to_owned())
}

fn cargo_deny(run: &Run) -> Result<PathBuf, Stop> {
    if output("cargo-deny", &["--version"]).is_some() {
        return Ok("cargo-deny".into());
    }
    let requirements = workspace::root().join("xtask/requirements/licences.txt");
    Ok(install::venv(run, "licences", &requirements)?.join("cargo-deny"))
}
