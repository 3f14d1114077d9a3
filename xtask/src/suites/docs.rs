//! What the documents say, done.

use crate::run::{Run, Stop};
use crate::stage::{self, Profile};
use crate::suites::{Suite, built, minutes, python};
use crate::workspace;

pub(super) const SUITE: Suite = Suite {
    name: "docs",
    proves: "every runnable block of README and docs does what it says, every example runs, every link leads somewhere",
    budget: minutes(1),
    run,
};

fn run(run: &Run) -> Result<String, Stop> {
    built(run)?;
    let bin = python::environment(run)?;
    let node = stage::node(run, Profile::Debug)?;
    let runner = workspace::root().join("tests/docs/run.py");
    let status = run
        .step(bin.join("python"))
        .args([runner.as_os_str(), "--bin".as_ref(), Profile::Debug.folder().as_os_str()])
        .args(["--python".as_ref(), bin.join("python").as_os_str()])
        .args(["--node-package".as_ref(), node.as_os_str()])
        .status()?;
    let log = run.logged();
    let blocks: u64 = log.lines().filter_map(blocks).sum();
    match status.code() {
        Some(0) if blocks > 0 => Ok(format!("{blocks} blocks and examples")),
        Some(0) => Err(Stop::Failed("not one block ran".to_owned())),
        Some(3) => Err(Stop::NotRun(missing(&log))),
        _ => Err(Stop::Failed("a document does not hold".to_owned())),
    }
}

/// The count in `ok       docs/x.md: 4 blocks`.
fn blocks(line: &str) -> Option<u64> {
    line.strip_prefix("ok ")?.rsplit_once(": ")?.1.split(' ').next()?.parse().ok()
}

fn missing(log: &str) -> String {
    log.lines().find_map(|line| line.strip_prefix("NOT RUN")).unwrap_or("a block").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_counted() {
        assert_eq!(blocks("ok       docs/quick-start.md: 9 blocks"), Some(9));
        assert_eq!(blocks("WRONG    docs/a.md: 9 blocks"), None);
        assert_eq!(missing("ok a\nNOT RUN  docs/a.md: no node\n"), "docs/a.md: no node");
    }
}
