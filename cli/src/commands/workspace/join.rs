//! `workspace join`: by a code, as a person or as a machine.

use std::fs::File;
use std::os::fd::FromRawFd;

use agentsecrets::{Error, ErrorCode, SecretInput, account};
use clap::Args;
use serde_json::json;

use super::super::OK;
use super::super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output, Paint};

/// Join a workspace by the code of an invitation, asked hidden (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets workspace join\n  \
agentsecrets workspace join --enrolment-fd 3 3< /run/secrets/enrolment   # a machine, on a home made with init --no-owner")]
pub(crate) struct Join {
    /// Read a person's code from this descriptor instead of the terminal (for provisioning)
    #[arg(long, value_name = "N")]
    code_fd: Option<i32>,
    /// Join as a machine, by the enrolment that is read from this descriptor; needs no human
    #[arg(long, value_name = "N", conflicts_with_all = ["code_fd", "passphrase_fd"])]
    enrolment_fd: Option<i32>,
    /// What the others call the machine
    #[arg(long, value_name = "NAME", default_value = "machine", requires = "enrolment_fd")]
    name: String,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Join {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        match self.enrolment_fd {
            Some(number) => self.enrol(number, output),
            None => self.join(output),
        }
    }

    fn join(&self, output: &Output) -> Outcome {
        let fds: Vec<i32> = self.code_fd.into_iter().collect();
        let mut session = Session::with_owner_keeping(&Place::default(), self.passphrase.passphrase_fd, &fds)?;
        let (client, runtime, owner) = session.parts()?;
        let id = runtime.block_on(account::join(owner, client, self.code_fd))?;
        let all = session.wait(session.client.workspaces())?;
        let joined = all.into_iter().find(|workspace| workspace.id == id).ok_or_else(|| {
            Error::new(ErrorCode::SyncRefused, "the workspace has no policy yet").with_hint("agentsecrets secrets pull")
        })?;
        let chosen = super::choose(&session, &joined.name, output)?;
        output.show(&json!({ "workspace": joined.name, "id": id, "role": joined.role }), |output| {
            let done = output.painted(Paint::Good, "joined");
            output.raw_line(&format!("{done}: {}", joined.name))?;
            output.line(&super::in_use(&joined.name, &chosen))
        })?;
        if !output.is_json() {
            output.note("Take in what is shared: agentsecrets secrets pull");
        }
        Ok(OK)
    }

    fn enrol(&self, number: i32, output: &Output) -> Outcome {
        let session = Session::open(&Place::default())?;
        // SAFETY: the descriptor is one that the caller named as its own; it is read here once, and closed.
        let file = unsafe { File::from_raw_fd(number) };
        let enrolment = SecretInput::from_pipe(file)?;
        let joined = session.wait(session.client.enrol(enrolment, &self.name))?;
        output.show(&joined, |output| {
            let done = output.painted(Paint::Good, "joined");
            output.raw_line(&format!("{done}: {} as a machine", joined.name))
        })?;
        Ok(OK)
    }
}
