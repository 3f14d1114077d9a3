//! `unlock`: opens the use key in a child that becomes the broker.

use agentsecrets::broker::{Finish, stop_running};
use agentsecrets::owner::{self, PassphraseSource};
use agentsecrets::{Error, ErrorCode, Home, Result, Unlock as Place};
use clap::Args;
use serde_json::json;

use super::OK;
use super::broker::{asked, is_listening};
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
        let home = super::home()?;
        let place: Option<Place> =
            self.unlock.as_deref().filter(|text| !text.is_empty()).map(str::parse).transpose()?;
        if is_unlocked(&home)? {
            return tell(output, None, true);
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

/// Whether an unlocked broker runs. None is started for the question, and a child of its own asks it: an event loop that
/// was here before the fork would leave descriptors behind that the broker's process closes.
fn is_unlocked(home: &Home) -> Result<bool> {
    if !is_listening(home) {
        return Ok(false);
    }
    let home = home.clone();
    let asking = owner::spawn(move |ready| match asked(&home)? {
        Some(status) if !status.locked => {
            ready();
            Ok(())
        }
        _ => Err(Error::new(ErrorCode::StoreLocked, "the broker is locked")),
    });
    Ok(asking?.wait().is_ok())
}

fn tell(output: &Output, pid: Option<u32>, already: bool) -> Outcome {
    let shown: Result<(), Failure> =
        output.show(&json!({ "unlocked": true, "already": already, "broker_pid": pid }), |output| {
            let text = if already { "It is unlocked already." } else { "Unlocked." };
            output.raw_line(&output.painted(Paint::Good, text))
        });
    shown.map(|()| OK)
}
