//! `broker`: the process that holds the values, run and looked at by hand.

mod run;
mod share;
mod units;

use agentsecrets::broker::{Finish, socket_address, socket_path, stop_running};
use agentsecrets::{Home, Result, Status};
use clap::Subcommand;
use serde_json::json;

use super::OK;
use super::session::{Session, runtime};
use crate::args::Place;
use crate::render::{Outcome, Output, Paint};

/// Run, show or stop the broker; it starts by itself at the first call
#[derive(Subcommand)]
pub(crate) enum Broker {
    /// Run the broker, here, in the background, or as a user of its own for the agents of the machine
    #[command(after_help = "Examples:\n  agentsecrets broker run --background\n  \
agentsecrets broker run --system --print-unit systemd > /etc/systemd/system/agentsecrets.service\n  \
sudo -u agentsecrets agentsecrets broker run --system --socket /run/agentsecrets/broker.sock")]
    Run(run::Run),
    /// Say whether a broker runs, without starting one
    #[command(after_help = "Example:\n  agentsecrets broker status --json")]
    Status,
    /// Share the broker with an agent in a container or of another user, at a socket of its own (asks for the passphrase)
    #[command(
        after_help = "Examples:\n  agentsecrets broker share --socket /run/user/1000/agentsecrets/bot.sock --agent bot\n  \
agentsecrets broker share --socket /srv/agents/bot.sock --agent bot --group agents --expires 30d\n  \
agentsecrets broker share --list\n  agentsecrets broker share --stop /srv/agents/bot.sock\n\n\
Every request there shows a token of the agent, and gets what the agent was granted: calls, and its own names, grants and \
log. Owner's acts, doors and everything else stay at the home's own socket."
    )]
    Share(share::Share),
    /// Stop the broker; the next call starts another
    #[command(after_help = "Example:\n  agentsecrets broker stop")]
    Stop,
}

impl Broker {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        match self {
            Self::Run(run) => run.run(output),
            Self::Status => status(&super::home()?, output),
            Self::Share(share) => share.run(output),
            Self::Stop => stop(&super::home()?, output),
        }
    }
}

fn status(home: &Home, output: &Output) -> Outcome {
    let status = asked(home)?;
    let answer = match &status {
        Some(status) => json!({
            "running": true, "pid": status.broker_pid, "version": status.version, "locked": status.locked,
            "shares": status.shares,
        }),
        None => json!({ "running": false, "pid": null, "version": null, "locked": null, "shares": [] }),
    };
    output.show(&answer, |output| match &status {
        None => output.line("No broker runs. The next call starts one."),
        Some(status) => {
            let state = if status.locked {
                output.painted(Paint::Careful, "locked")
            } else {
                output.painted(Paint::Good, "unlocked")
            };
            let pid = status.broker_pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
            output.raw_line(&format!("Broker {} runs as process {pid}, {state}.", status.version))?;
            share::tell(output, &status.shares)
        }
    })?;
    Ok(OK)
}

fn stop(home: &Home, output: &Output) -> Outcome {
    let stopped = runtime()?.block_on(stop_running(home, Finish::Stop))?;
    output.show(&json!({ "stopped": stopped }), |output| {
        output.line(if stopped { "Stopped." } else { "No broker runs." })
    })?;
    Ok(OK)
}

/// The status a running broker gives; `None` where none runs. None is started for the question.
pub(crate) fn asked(home: &Home) -> Result<Option<Status>> {
    if !is_listening(home) {
        return Ok(None);
    }
    let session = Session::open(&Place::default())?;
    session.wait(session.client.status()).map(Some)
}

/// Whether something listens on the broker's socket.
pub(crate) fn is_listening(home: &Home) -> bool {
    socket_address(&socket_path(home))
        .is_ok_and(|(address, _folder)| std::os::unix::net::UnixStream::connect(address).is_ok())
}
