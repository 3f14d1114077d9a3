//! `lock`: ends the broker and keeps the use key closed until a human opens it.

use clap::Args;
use serde_json::json;

use super::OK;
use super::session::runtime;
use crate::render::{Outcome, Output, Paint};

/// End the broker; no value is used again until `agentsecrets unlock`
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets lock")]
pub(crate) struct Lock {}

impl Lock {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let home = super::home()?;
        let was_running = runtime()?.block_on(agentsecrets::broker::lock(&home))?;
        output.show(&json!({ "locked": true, "was_running": was_running }), |output| {
            output.raw_line(&output.painted(Paint::Good, "Locked."))
        })?;
        if !output.is_json() {
            output.note("It stays so until: agentsecrets unlock");
        }
        Ok(OK)
    }
}
