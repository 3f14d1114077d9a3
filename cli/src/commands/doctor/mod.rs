//! `doctor`: what is wrong, and what mends it.

mod files;
mod running;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{FAILED, OK};
use crate::render::{Outcome, Output, Paint};

/// Check the home, store, policy, audit log, memory and broker, and say what mends them
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets doctor\n  agentsecrets doctor --fix   # permissions, and the recorded executable"
)]
pub(crate) struct Doctor {
    /// Repair permissions, and record this executable as the one that programs start
    #[arg(long)]
    fix: bool,
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    state: State,
    message: String,
    /// The command that mends it.
    fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, state: State::Ok, message: message.into(), fix: None }
    }

    fn warn(name: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, state: State::Warn, message: message.into(), fix: Some(fix.into()) }
    }

    fn fail(name: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, state: State::Fail, message: message.into(), fix: Some(fix.into()) }
    }

    /// A failure as the core tells it.
    fn failed(name: &'static str, error: &agentsecrets::Error) -> Self {
        Self { name, state: State::Fail, message: error.message().to_owned(), fix: error.hint().map(str::to_owned) }
    }
}

impl Doctor {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let home = super::home()?;
        let config = home.config()?;
        let fixed = if self.fix { files::fix(&home)? } else { Vec::new() };
        // Read again: the executable may have been recorded just now.
        let config = if self.fix { home.config()? } else { config };
        let mut checks = files::checks(&home, &config);
        checks.extend(running::checks(&home));
        let is_well = checks.iter().all(|check| check.state != State::Fail);
        output.show(&json!({ "ok": is_well, "checks": checks, "fixed": fixed }), |output| {
            fixed.iter().try_for_each(|what| output.line(&format!("fixed: {what}")))?;
            checks.iter().try_for_each(|check| tell(output, check))
        })?;
        Ok(if is_well { OK } else { FAILED })
    }
}

fn tell(output: &Output, check: &Check) -> std::io::Result<()> {
    let (paint, word) = match check.state {
        State::Ok => (Paint::Good, "ok  "),
        State::Warn => (Paint::Careful, "warn"),
        State::Fail => (Paint::Bad, "fail"),
    };
    let message = output.painted(Paint::Plain, &check.message);
    output.raw_line(&format!("{}  {:<12} {message}", output.painted(paint, word), check.name))?;
    match &check.fix {
        Some(fix) => output.raw_line(&format!(
            "{:18} {} {}",
            "",
            output.painted(Paint::Faint, "->"),
            output.painted(Paint::Strong, fix)
        )),
        None => Ok(()),
    }
}
