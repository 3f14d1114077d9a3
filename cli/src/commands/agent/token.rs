//! `agent token`: what an agent shows to say who it is. A token is shown once and rests as a hash.

use std::path::PathBuf;

use agentsecrets::owner::{NewToken, TokenSink};
use agentsecrets::{Label, TokenInfo};
use clap::{Args, Subcommand};
use serde_json::json;

use super::super::session::Session;
use super::super::{OK, moment};
use super::place;
use crate::args::Passphrase;
use crate::render::{Outcome, Output};

/// Issue, list and revoke tokens
#[derive(Subcommand)]
pub(crate) enum Token {
    /// Issue a token and show it once, at the terminal and nowhere else (asks for the passphrase)
    #[command(after_help = "Examples:\n  agentsecrets agent token issue billing-bot --expires 90d\n  \
                      agentsecrets agent token issue billing-bot --out /run/secrets/agent-token")]
    Issue(Issue),
    /// List tokens: ids and times, never a token
    #[command(after_help = "Example:\n  agentsecrets agent token list billing-bot")]
    List {
        /// Only this agent's
        name: Option<String>,
        /// Another project of this home than the one in use here
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Revoke a token at once and for good (asks nobody: it only takes away)
    #[command(after_help = "Example:\n  agentsecrets agent token revoke 3f0a1b2c4d5e")]
    Revoke {
        /// The token's id
        id: String,
        /// Another project of this home than the one in use here
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
}

#[derive(Args)]
pub(crate) struct Issue {
    /// The agent
    name: String,
    /// For how long: 90m, 12h, 30d, 2w (30d unless said)
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Write the token to this new file, readable by this user alone
    #[arg(long, value_name = "FILE", conflicts_with = "token_fd")]
    out: Option<PathBuf>,
    /// Write the token to this descriptor (for provisioning)
    #[arg(long, value_name = "N")]
    token_fd: Option<i32>,
    /// Another project of this home than the one in use here
    #[arg(long, value_name = "P")]
    project: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Token {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self {
            Self::Issue(issue) => issue.run(output),
            Self::List { name, project } => {
                let agent = name.as_deref().map(Label::parse).transpose()?;
                let session = Session::open(&place(project))?;
                tell(output, &session.wait(session.client.agent_tokens(agent))?)
            }
            Self::Revoke { id, project } => {
                let session = Session::open(&place(project))?;
                let revoked = session.wait(session.client.revoke_agent_token(id))?;
                output.show(&revoked, |output| {
                    output.line(&format!("The token {} of {} counts no more", revoked.id, revoked.agent))
                })?;
                Ok(OK)
            }
        }
    }
}

impl Issue {
    fn run(self, output: &Output) -> Outcome {
        let agent = Label::parse(&self.name)?;
        let sink = match (self.out, self.token_fd) {
            (Some(file), _) => TokenSink::File(file),
            (None, Some(number)) => TokenSink::Fd(number),
            (None, None) => TokenSink::Terminal,
        };
        let mut session =
            Session::with_owner_and_sink(&place(self.project), self.passphrase.passphrase_fd, Some(&sink))?;
        let (project, _) = session.in_use()?;
        let workspace = session.shared()?.map(|workspace| workspace.id);
        let new = NewToken { workspace, project, agent, expires: self.expires, sink };
        let id = session.owner()?.issue_token(new)?;
        output.show(&json!({ "id": id }), |output| output.line(&format!("issued: token {id}")))?;
        Ok(OK)
    }
}

fn tell(output: &Output, tokens: &[TokenInfo]) -> Outcome {
    let row = |token: &TokenInfo| {
        let (issued, ends) = (moment(token.created), moment(token.expires));
        vec![token.id.clone(), token.agent.to_string(), issued, ends, token.state.clone()]
    };
    output.show(tokens, |output| {
        if tokens.is_empty() {
            return Ok(());
        }
        output.table(&["ID", "AGENT", "ISSUED", "ENDS", "STATE"], tokens.iter().map(row).collect())
    })?;
    if tokens.is_empty() && !output.is_json() {
        output.note("No token was issued. The owner issues one with: agentsecrets agent token issue NAME");
    }
    Ok(OK)
}
