//! `agent`: who may call in a project, and by which tokens each is known.

mod token;

use agentsecrets::owner::PolicyAct;
use agentsecrets::{AgentInfo, Label};
use clap::Subcommand;
use serde_json::json;

use super::session::Session;
use super::{OK, moment};
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// Register agents, and issue and revoke their tokens
#[derive(Subcommand)]
pub(crate) enum Agent {
    /// Register an agent; from the first one on, anonymous calls in the project are refused (asks for the passphrase)
    #[command(after_help = "Example:\n  agentsecrets agent register billing-bot")]
    Register(Named),
    /// List the agents of a project
    #[command(after_help = "Example:\n  agentsecrets agent list --json")]
    List {
        /// Another project of this home than the one in use here
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Delete an agent with its tokens and what was granted to it alone (asks for the passphrase)
    #[command(after_help = "Example:\n  agentsecrets agent delete billing-bot")]
    Delete(Named),
    /// Issue, list and revoke tokens
    #[command(subcommand)]
    Token(token::Token),
}

#[derive(clap::Args)]
pub(crate) struct Named {
    /// The agent's name
    name: String,
    /// Another project of this home than the one in use here
    #[arg(long, value_name = "P")]
    project: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Agent {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self {
            Self::Register(named) => {
                let name = named.name.clone();
                let code = change(&named, |project, agent| PolicyAct::RegisterAgent { project, agent }, output)?;
                if !output.is_json() {
                    output.note(&format!("It calls with a token of: agentsecrets agent token issue {name}"));
                }
                Ok(code)
            }
            Self::Delete(named) => change(&named, |project, agent| PolicyAct::DeleteAgent { project, agent }, output),
            Self::List { project } => list(project, output),
            Self::Token(token) => token.run(output),
        }
    }
}

fn change(named: &Named, act: impl FnOnce(Label, Label) -> PolicyAct, output: &Output) -> Outcome {
    let agent = Label::parse(&named.name)?;
    let mut session = Session::with_owner(&place(named.project.clone()), named.passphrase.passphrase_fd)?;
    let (project, _) = session.in_use()?;
    let said = session.change(vec![act(project, agent)])?;
    output.show(&json!({ "changed": said }), |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
    Ok(OK)
}

fn list(project: Option<String>, output: &Output) -> Outcome {
    let session = Session::open(&place(project))?;
    let agents = session.wait(session.client.agents())?;
    output.show(&agents, |output| {
        let row = |agent: &AgentInfo| vec![agent.name.to_string(), moment(agent.created), agent.tokens.to_string()];
        if agents.is_empty() {
            return Ok(());
        }
        output.table(&["AGENT", "REGISTERED", "TOKENS"], agents.iter().map(row).collect())
    })?;
    if agents.is_empty() && !output.is_json() {
        output.note("No agent is registered, so whoever runs as this user may call.");
    }
    Ok(OK)
}

fn place(project: Option<String>) -> Place {
    Place { project, environment: None }
}
