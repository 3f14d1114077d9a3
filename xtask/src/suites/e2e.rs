//! Everything together, as a person at a terminal and their agents use it.

use crate::install;
use crate::run::{Run, Stop};
use crate::stage::{self, Profile};
use crate::suites::{Suite, built, minutes};

pub(super) const SUITE: Suite = Suite {
    name: "e2e",
    proves: "prompts counted at a terminal, one broker for three languages, its end, the keychain as the default home, \
             programs as they are (Python, Node, git, gh, Java) through run, a tinyproxy as the way out",
    budget: minutes(2),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    wanted(
        run,
        &[
            "gnome-keyring",
            "dbus",
            "dbus-bin",
            "libsecret-tools",
            "passwd",
            "tinyproxy-bin",
            "gh",
            "default-jdk-headless",
        ],
    )?;
    proved(run, "e2e")
}

/// Installs what some proofs need. Where that does not work, those proofs say so by name and the others are made.
pub(super) fn wanted(run: &Run, packages: &[&str]) -> Result<(), Stop> {
    match install::debian(run, packages) {
        Err(Stop::NotRun(why)) => Ok(run.note(&why)?),
        other => other,
    }
}

/// Lays the packages out and makes the proofs of one folder of `tests/`.
pub(super) fn proved(run: &Run, folder: &str) -> Result<String, Stop> {
    built(run)?;
    let python = stage::python(Profile::Debug)?.join("agentsecrets");
    let mut proofs = run.step("python3").args(["-B", &format!("tests/{folder}")]);
    proofs = proofs.env("AGENTSECRETS_PROOF_PYTHON", python);
    match stage::node(run, Profile::Debug) {
        Ok(package) => proofs = proofs.env("AGENTSECRETS_PROOF_NODE", package),
        Err(Stop::NotRun(why)) => run.note(&why)?,
        Err(stop) => return Err(stop),
    }
    let status = proofs.status()?;
    let log = run.logged();
    match status.code() {
        Some(0) if held(&log) > 0 => Ok(format!("{} proofs held", held(&log))),
        Some(0) => Err(Stop::Failed("not one proof was made".to_owned())),
        Some(3) => Err(Stop::NotRun(missing(&log))),
        _ => Err(Stop::Failed("a proof does not hold".to_owned())),
    }
}

fn held(log: &str) -> usize {
    log.lines().filter(|line| line.starts_with("held ")).count()
}

/// What the summary says could not be proved here.
fn missing(log: &str) -> String {
    let told = log.lines().rev().find_map(|line| line.split_once("; NOT RUN: "));
    told.map_or("a proof", |(_, names)| names).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_counted_and_missing_ones_named() {
        let log = "held    a (0.1 s)\nNOT RUN b (0.0 s) no node\nx: 1 held, 0 failed in 1 s; NOT RUN: b\n";
        assert_eq!(held(log), 1);
        assert_eq!(missing(log), "b");
    }
}
