//! `login` and `logout`: this home as a device of an account at a server.

use agentsecrets::account::{self, Login as Wanted};
use agentsecrets::owner::TokenSink;
use agentsecrets::{Error, ErrorCode, Result};
use clap::Args;
use serde_json::json;

use super::OK;
use super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output, Paint};

/// Log this home in to a server, for workspaces that are shared (asks for the owner's passphrase)
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets login --server https://secrets.example.com --email ann@example.com --new\n  \
agentsecrets login   # again, where this home was logged in last\n  \
agentsecrets login --email ann@example.com --recover   # with the recovery code, for another password"
)]
pub(crate) struct Login {
    /// The server: https://host, or http://localhost:PORT on this machine
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The account's address
    #[arg(long)]
    email: Option<String>,
    /// Make the account; its recovery code is shown once
    #[arg(long, conflicts_with = "recover")]
    new: bool,
    /// Choose another password with the recovery code
    #[arg(long)]
    recover: bool,
    /// Read the account's password from this descriptor instead of the terminal (for provisioning)
    #[arg(long, value_name = "N")]
    password_fd: Option<i32>,
    /// Write the recovery code of a new account to this descriptor, or read it from there with --recover
    #[arg(long, value_name = "N")]
    recovery_fd: Option<i32>,
    #[command(flatten)]
    passphrase: Passphrase,
}

/// End this home's session, and forget the account's keys; values that were pulled stay
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets logout")]
pub(crate) struct Logout {}

impl Login {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let sink = match self.recovery_fd {
            Some(number) if !self.recover => TokenSink::Fd(number),
            _ => TokenSink::Terminal,
        };
        let fds = [self.password_fd, self.recovery_fd].into_iter().flatten().collect::<Vec<_>>();
        let mut session = Session::with_owner_keeping(&Place::default(), self.passphrase.passphrase_fd, &fds)?;
        let wanted = self.wanted(&session, sink)?;
        let (client, runtime, owner) = session.parts()?;
        let account = runtime.block_on(async {
            if self.new {
                account::register(owner, client, &wanted).await
            } else if self.recover {
                account::recover(owner, client, &wanted, self.recovery_fd).await
            } else {
                account::log_in(owner, client, &wanted).await
            }
        })?;
        let answer = json!({ "account": account, "email": wanted.email, "server": wanted.server });
        output.show(&answer, |output| {
            let done = output.painted(Paint::Good, "logged in");
            output.raw_line(&format!("{done}: {} at {}", wanted.email, wanted.server))
        })?;
        if !output.is_json() {
            output.note(
                "Share a workspace: agentsecrets workspace create NAME; or join one: agentsecrets workspace join",
            );
        }
        Ok(OK)
    }

    fn wanted(&self, session: &Session, sink: TokenSink) -> Result<Wanted> {
        let known = account::known(session.home()?)?;
        let server = self.server.clone().or_else(|| known.as_ref().map(|(server, _)| server.clone()));
        let email = self.email.clone().or_else(|| known.and_then(|(_, email)| email));
        let missing = |what: &str| {
            Error::new(ErrorCode::InvalidCall, format!("{what} is missing, and this home was never logged in"))
                .with_hint("agentsecrets login --server https://secrets.example.com --email you@example.com")
        };
        Ok(Wanted {
            server: server.ok_or_else(|| missing("--server"))?,
            email: email.ok_or_else(|| missing("--email"))?,
            password_fd: self.password_fd,
            sink,
        })
    }
}

impl Logout {
    pub(crate) fn run(&self, output: &Output) -> Outcome {
        let session = Session::open(&Place::default())?;
        session.wait(account::log_out(&session.client))?;
        output.show(&json!({ "logged_out": true }), |output| {
            output.line("Logged out. Values that were pulled stay; their workspaces are used here no more.")
        })?;
        Ok(OK)
    }
}
