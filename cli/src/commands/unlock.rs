//! `unlock`: opens the use key in a child that becomes the broker.

use agentsecrets::broker::{Finish, stop_running};
use agentsecrets::owner::{self, PassphraseSource};
use agentsecrets::{Home, Result, Unlock as Place};
use clap::Args;
use serde_json::json;

use super::OK;
use super::broker::asked;
use super::session::runtime;
use crate::args::Passphrase;
use crate::render::{Failure, Outcome, Output, Paint};

/// Open the use key and start the broker (asks only where the key is under a passphrase)
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets unlock\n  agentsecrets unlock --passphrase-fd 3 3< passphrase.txt")]
pub(crate) struct Unlock {
    #[command(flatten)]
    passphrase: Passphrase,
    /// Where the use key is this time: file:PATH or fd:N, holding the same key as the home's own place
    #[arg(long, value_name = "PLACE", env = "AGENTSECRETS_UNLOCK", hide_env_values = true)]
    unlock: Option<String>,
}

impl Unlock {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let home = Home::locate(None)?;
        home.config()?;
        let place: Option<Place> =
            self.unlock.as_deref().filter(|text| !text.is_empty()).map(str::parse).transpose()?;
        if let Some(pid) = unlocked_already(&home)? {
            return tell(output, Some(pid), true);
        }
        let source = PassphraseSource::from_fd(self.passphrase.passphrase_fd);
        let opened = owner::unlock(&home, source, place, crate::broker::serve)?;
        let pid = opened.pid();
        // A broker that an SDK started while the home was locked holds the socket, and nothing else.
        runtime()?.block_on(stop_running(&home, Finish::GiveWay))?;
        opened.serve()?;
        tell(output, Some(pid), false)
    }
}

/// The process id of a running broker that is unlocked. None is started for the question.
fn unlocked_already(home: &Home) -> Result<Option<u32>> {
    Ok(asked(home)?.filter(|status| !status.locked).map(|status| status.broker_pid.unwrap_or_default()))
}

fn tell(output: &Output, pid: Option<u32>, already: bool) -> Outcome {
    let shown: Result<(), Failure> =
        output.show(&json!({ "unlocked": true, "already": already, "broker_pid": pid }), |output| {
            let text = if already { "It is unlocked already." } else { "Unlocked." };
            output.raw_line(&output.painted(Paint::Good, text))
        });
    shown.map(|()| OK)
}
