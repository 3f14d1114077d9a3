//! Running suites one after another, and telling how it went.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::run::{Run, Stop};
use crate::suites::{self, Suite};
use crate::workspace;

/// A suite is ended when it takes so many times its budget.
const PATIENCE: u32 = 3;
/// No suite is ended before: the first one that builds carries the build of all.
const LEAST_PATIENCE: Duration = Duration::from_secs(30 * 60);
const TAIL: usize = 40;

enum Result {
    Passed(String),
    Failed(String),
    NotRun(String),
}

struct Outcome {
    suite: &'static Suite,
    result: Result,
    took: Duration,
}

/// `cargo xtask test --list`.
pub(crate) fn list(suites: &[Suite]) -> ExitCode {
    let mut out = io::stdout();
    for suite in suites {
        let _ = writeln!(out, "{:<14} {:>7}   {}", suite.name, told(suite.budget), suite.proves);
    }
    let total: Duration = suites.iter().map(|suite| suite.budget).sum();
    let _ = writeln!(out, "{:<14} {:>7}   (cold, on two cores)", "all", told(total));
    ExitCode::SUCCESS
}

/// `cargo xtask test [SUITE]...`
pub(crate) fn test(names: &[String]) -> ExitCode {
    let mut chosen = Vec::new();
    for name in names {
        let Some(suite) = suites::ALL.iter().find(|suite| suite.name == name) else {
            let known: Vec<&str> = suites::ALL.iter().map(|suite| suite.name).collect();
            say(&format!("no suite is called `{name}`; there are: {}", known.join(", ")));
            return ExitCode::from(2);
        };
        chosen.push(suite);
    }
    if names.is_empty() {
        chosen.extend(suites::ALL);
    }
    let outcomes: Vec<Outcome> = chosen.into_iter().map(one).collect();
    summary(&outcomes)
}

fn one(suite: &'static Suite) -> Outcome {
    say(&format!("{} {:<14} {} (budget {})", mark("▶", "36"), suite.name, suite.proves, told(suite.budget)));
    let began = Instant::now();
    let mut tail = String::new();
    let result = match Run::start(suite.name, (suite.budget * PATIENCE).max(LEAST_PATIENCE)) {
        Err(error) => Result::Failed(format!("no log: {error}")),
        Ok(run) => match (suite.run)(&run) {
            Ok(summary) => Result::Passed(summary),
            Err(Stop::NotRun(why)) => Result::NotRun(why),
            Err(Stop::Failed(why)) => {
                tail = end_of(&run.logged());
                Result::Failed(format!("{why} (log: {})", relative(run.log())))
            }
        },
    };
    let outcome = Outcome { suite, result, took: began.elapsed() };
    if !tail.is_empty() {
        say(&tail);
    }
    say(&line(&outcome));
    outcome
}

fn line(outcome: &Outcome) -> String {
    let (mark, text) = match &outcome.result {
        Result::Passed(summary) => (mark("✔ passed ", "32"), summary),
        Result::Failed(why) => (mark("✘ FAILED ", "31"), why),
        Result::NotRun(why) => (mark("◌ NOT RUN", "33"), why),
    };
    let over = if outcome.took > outcome.suite.budget { ", over its budget" } else { "" };
    format!("{mark} {:<14} {:>7}{over}   {text}", outcome.suite.name, told(outcome.took))
}

fn summary(outcomes: &[Outcome]) -> ExitCode {
    let count = |wanted: fn(&Result) -> bool| outcomes.iter().filter(|outcome| wanted(&outcome.result)).count();
    let passed = count(|result| matches!(result, Result::Passed(_)));
    let failed = count(|result| matches!(result, Result::Failed(_)));
    let not_run = count(|result| matches!(result, Result::NotRun(_)));
    let took: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    say("");
    if outcomes.len() > 1 {
        outcomes.iter().for_each(|outcome| say(&line(outcome)));
    }
    let not_run_told = if not_run > 0 { format!(", {not_run} NOT RUN") } else { String::new() };
    // The one line on stdout: what a machine reads.
    let _ = writeln!(io::stdout(), "{passed} passed, {failed} failed{not_run_told} (suites, in {})", told(took));
    ExitCode::from(exit_code(failed, not_run))
}

/// A suite that did not run is neither green nor red, and no failure hides behind it.
fn exit_code(failed: usize, not_run: usize) -> u8 {
    match (failed, not_run) {
        (0, 0) => 0,
        (0, _) => 3,
        _ => 1,
    }
}

fn end_of(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(TAIL);
    lines[from..].iter().map(|line| format!("      │ {line}\n")).collect()
}

fn relative(path: &std::path::Path) -> String {
    path.strip_prefix(workspace::root()).unwrap_or(path).display().to_string()
}

fn told(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{}:{:02} min", seconds / 60, seconds % 60),
    }
}

fn mark(text: &str, colour: &str) -> String {
    let coloured = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_did_not_run_is_neither_green_nor_red() {
        assert_eq!([exit_code(0, 0), exit_code(0, 2), exit_code(1, 0), exit_code(1, 2)], [0, 3, 1, 1]);
    }

    #[test]
    fn every_suite_has_a_name_of_its_own_and_a_budget() {
        let mut names: Vec<&str> = suites::ALL.iter().map(|suite| suite.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), suites::ALL.len());
        let total: Duration = suites::ALL.iter().map(|suite| suite.budget).sum();
        assert!(total < Duration::from_secs(45 * 60), "all suites together take {}", told(total));
    }
}
