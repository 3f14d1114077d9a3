//! `workspace invite`: a code by which somebody joins.

use agentsecrets::account;
use agentsecrets::owner::{ChainAct, TokenSink};
use agentsecrets::{Error, ErrorCode, Result, WorkspaceInfo};
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use super::super::OK;
use super::super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// Show a code by which somebody joins the workspace in use (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Examples:\n  agentsecrets workspace invite ben@example.com\n  \
agentsecrets workspace invite --admin --expires 24h")]
pub(crate) struct Invite {
    /// Whom it is for; said again here, and nowhere else
    #[arg(value_name = "EMAIL")]
    email: Option<String>,
    /// Who joins decides over members and policy too
    #[arg(long)]
    admin: bool,
    /// For how long: 90m, 24h, 7d (7d unless said)
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Write the code to this descriptor instead of the terminal (for provisioning)
    #[arg(long, value_name = "N")]
    code_fd: Option<i32>,
    #[command(flatten)]
    passphrase: Passphrase,
}

/// Let an invitation count no more (asks for the owner's passphrase)
#[derive(Args)]
#[command(
    after_help = "Example:\n  agentsecrets workspace withdraw 0197f3a2-…   # the id is in: agentsecrets workspace members"
)]
pub(crate) struct Withdraw {
    /// Its id
    id: Uuid,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Invite {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        let act = ChainAct::Invite { admin: self.admin, expires: self.expires.clone() };
        let (workspace, said) = change(act, &self.passphrase, self.code_fd)?;
        let answer = json!({ "workspace": workspace.name, "email": self.email, "said": said });
        output.show(&answer, |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
        if !output.is_json() {
            let whom = self.email.as_deref().unwrap_or("the one it is for");
            output.note(&format!("{whom} runs: agentsecrets workspace join, and pastes the code"));
        }
        Ok(OK)
    }
}

impl Withdraw {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        let (workspace, said) = change(ChainAct::Withdraw { invite: self.id }, &self.passphrase, None)?;
        output.show(&json!({ "workspace": workspace.name, "said": said }), |output| {
            said.iter().try_for_each(|sentence| output.line(sentence))
        })?;
        Ok(OK)
    }
}

/// Has the owner sign a change of the shared workspace in use, brings it to the server, and says what became possible.
pub(crate) fn change(
    act: ChainAct,
    passphrase: &Passphrase,
    code_fd: Option<i32>,
) -> Result<(WorkspaceInfo, Vec<String>)> {
    let fds: Vec<i32> = code_fd.into_iter().collect();
    let mut session = Session::with_owner_keeping(&Place::default(), passphrase.passphrase_fd, &fds)?;
    change_in(&mut session, act, code_fd)
}

/// The same in a session that there is already.
pub(crate) fn change_in(
    session: &mut Session,
    act: ChainAct,
    code_fd: Option<i32>,
) -> Result<(WorkspaceInfo, Vec<String>)> {
    let workspace = session.shared()?.ok_or_else(|| {
        Error::new(ErrorCode::WorkspaceNotFound, "the workspace in use is this home's alone")
            .with_hint("agentsecrets workspace create NAME  # or: agentsecrets workspace switch NAME")
    })?;
    // What others changed meanwhile is known before anything is signed.
    session.wait(session.client.diff(false))?;
    let sink = code_fd.map_or(TokenSink::Terminal, TokenSink::Fd);
    let (client, runtime, owner) = session.parts()?;
    let said = runtime.block_on(account::act(owner, client, workspace.id, act, sink))?;
    Ok((workspace, said))
}
