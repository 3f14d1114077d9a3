//! `env`: a granted command with secrets in its environment. The broker starts it; this process never holds a value.

mod keyboard;
mod signals;

use agentsecrets::{Child, ChildEvent, SecretName, Stream};
use clap::Args;
use serde_json::json;
use std::ffi::OsString;

use super::session::Session;
use crate::args::Place;
use crate::render::{Outcome, Output};
use crate::surroundings;
use keyboard::Keyboard;
use signals::{Heard, Signals};

/// Run a granted command with secrets in its environment (discloses them to it)
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets env -- stripe listen\n  \
agentsecrets env --secret STRIPE_KEY -- stripe listen\n\n\
The owner grants the whole command first: agentsecrets allow STRIPE_KEY --command -- stripe listen\n\
Prefer a placeholder or a call where one will do: what a command has, every process of this user can read.\n\
The exit code is the command's own, or 128 and the signal's number.")]
pub(crate) struct Env {
    /// Only this secret; may be repeated (every one granted to the command unless said)
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// The command, exactly as it was granted
    #[arg(required = true, last = true, value_name = "CMD")]
    argv: Vec<String>,
}

impl Env {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let secrets = self.secrets.iter().map(|name| SecretName::parse(name)).collect::<Result<Vec<_>, _>>()?;
        let session = Session::open(&self.place)?;
        let code = session.block_on(async {
            let mut signals = Signals::listen()?;
            let mut keyboard = Keyboard::of_terminal()?;
            let mut spawn = session.client.spawn(self.argv.clone()).secrets(secrets);
            let text =
                |(name, value): &(OsString, OsString)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()));
            spawn = spawn.environment(surroundings::of_caller().iter().filter_map(text).collect());
            if let Some((rows, columns)) = keyboard.size() {
                spawn = spawn.terminal(rows, columns);
            }
            if let Some(typed) = keyboard.typed() {
                spawn = spawn.stdin(Stream::To(typed));
            }
            // A human may be asked first: whoever no longer waits goes, and takes the question along.
            let child = tokio::select! {
                child = spawn.start() => child?,
                number = signals.ending() => return Ok(128 + number),
            };
            keyboard.go_raw();
            stay(child, &mut signals, &mut keyboard).await
        })?;
        if output.is_json() {
            // The command's own output went to stdout; what is said of it goes beside.
            output.note(&json!({ "exit_code": code }).to_string());
        }
        Ok(u8::try_from(code).unwrap_or(1))
    }
}

/// Passes signals on until the child has ended.
async fn stay(mut child: Child, signals: &mut Signals, keyboard: &mut Keyboard) -> agentsecrets::Result<i32> {
    loop {
        let heard = tokio::select! {
            event = child.event() => match event? {
                ChildEvent::Ended(exit) => return Ok(exit.shell_code()),
                ChildEvent::Suspended => Heard::Suspend,
            },
            heard = signals.next() => heard,
        };
        match heard {
            Heard::Resized => {
                if let Some((rows, columns)) = keyboard.size() {
                    child.resize(rows, columns).await?;
                }
            }
            Heard::Suspend => {
                child.signal(libc::SIGTSTP).await?;
                keyboard.restore();
                // SAFETY: raise takes a number. This process stops here, and goes on when it is continued.
                unsafe { libc::raise(libc::SIGSTOP) };
                keyboard.go_raw();
                child.signal(libc::SIGCONT).await?;
            }
            Heard::Signal(signal) => child.signal(signal).await?,
        }
    }
}
