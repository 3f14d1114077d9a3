//! `limit`: how many calls a secret or an agent may make, and how fast.

use agentsecrets::owner::{PolicyAct, SetLimit};
use agentsecrets::{Label, LimitInfo, SecretName};
use clap::{Args, Subcommand};
use serde_json::json;

use super::OK;
use super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// Limit the calls with a secret, or those of an agent (asks for the owner's passphrase)
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  agentsecrets limit STRIPE_KEY --calls 1000/1d --rate 10/1m\n  \
                  agentsecrets limit --agent billing-bot --calls 200/1h\n  agentsecrets limit list"
)]
pub(crate) struct Limit {
    #[command(subcommand)]
    command: Option<Known>,
    /// The secret, whoever calls with it
    name: Option<String>,
    /// Count this agent's calls only
    #[arg(long, value_name = "A")]
    agent: Option<String>,
    /// A budget: so many calls in a period of s, m, h, d or w; may be repeated
    #[arg(long, value_name = "N/PERIOD")]
    calls: Vec<String>,
    /// A rate: the same for short periods, refused as rate_limited; may be repeated
    #[arg(long, value_name = "N/PERIOD")]
    rate: Vec<String>,
    #[command(flatten)]
    at: At,
}

#[derive(Args)]
pub(crate) struct At {
    /// Another project of this home than the one in use here
    #[arg(long, value_name = "P")]
    project: Option<String>,
    #[command(flatten)]
    passphrase: Passphrase,
}

#[derive(Subcommand)]
enum Known {
    /// List limits, and how much of each is used
    #[command(after_help = "Example:\n  agentsecrets limit list --json")]
    List {
        /// Another project of this home than the one in use here
        #[arg(long, value_name = "P")]
        project: Option<String>,
    },
    /// Remove a limit (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets limit remove 3f0a1b2c4d5e")]
    Remove {
        /// The limit's id
        id: String,
        #[command(flatten)]
        at: At,
    },
}

impl Limit {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.command {
            Some(Known::List { project }) => list(project, output),
            Some(Known::Remove { id, at }) => change(at, |project| Ok(PolicyAct::Unlimit { project, id }), output),
            None => {
                let secret = self.name.as_deref().map(SecretName::parse).transpose()?;
                let agent = self.agent.as_deref().map(Label::parse).transpose()?;
                let (calls, rates) = (self.calls, self.rate);
                let set = |project| {
                    let limit = SetLimit { project, secret, agent, calls, rates };
                    limit.check()?;
                    Ok(PolicyAct::Limit(limit))
                };
                change(self.at, set, output)
            }
        }
    }
}

fn change(at: At, act: impl FnOnce(Label) -> agentsecrets::Result<PolicyAct>, output: &Output) -> Outcome {
    let place = Place { project: at.project, environment: None };
    let mut session = Session::with_owner(&place, at.passphrase.passphrase_fd)?;
    let (project, _) = session.in_use()?;
    let said = session.change(vec![act(project)?])?;
    output.show(&json!({ "changed": said }), |output| said.iter().try_for_each(|sentence| output.line(sentence)))?;
    Ok(OK)
}

fn list(project: Option<String>, output: &Output) -> Outcome {
    let session = Session::open(&Place { project, environment: None })?;
    let limits = session.wait(session.client.limits())?;
    output.show(&limits, |output| {
        let any = |text: Option<String>| text.unwrap_or_else(|| "any".to_owned());
        let row = |limit: &LimitInfo| {
            let secret = any(limit.secret.as_ref().map(ToString::to_string));
            let agent = any(limit.agent.as_ref().map(ToString::to_string));
            vec![limit.id.clone(), secret, agent, limit.limit.clone(), format!("{} of {}", limit.used, limit.calls)]
        };
        if limits.is_empty() {
            return Ok(());
        }
        output.table(&["ID", "SECRET", "AGENT", "LIMIT", "USED"], limits.iter().map(row).collect())
    })?;
    if limits.is_empty() && !output.is_json() {
        output.note("Nothing is limited. The owner limits with: agentsecrets limit NAME --calls 1000/1d");
    }
    Ok(OK)
}
