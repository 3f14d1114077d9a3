//! `environment`: which values of a project are in use.

mod copy;

use agentsecrets::Label;
use clap::Subcommand;
use serde_json::json;

use super::OK;
use super::session::Session;
use crate::args::Place;
use crate::render::{Outcome, Output};

/// List the environments of the project in use, switch to one, or copy values between them
#[derive(Subcommand)]
pub(crate) enum Environment {
    /// List the environments and how many secrets each holds
    #[command(after_help = "Example:\n  agentsecrets environment list")]
    List {
        /// Another project of this home than the one in use here
        #[arg(long, value_name = "NAME")]
        project: Option<String>,
    },
    /// Copy values from one environment to another, all of them or none (asks for the owner's passphrase)
    #[command(after_help = "Examples:\n  agentsecrets environment copy development staging\n  \
agentsecrets environment copy staging production STRIPE_KEY WEBHOOK_KEY")]
    Copy(copy::Copy),
    /// Make an environment the one in use, until another is chosen
    #[command(after_help = "Example:\n  agentsecrets environment switch staging")]
    Switch {
        /// The environment
        name: String,
        /// Another project of this home than the one in use here
        #[arg(long, value_name = "NAME")]
        project: Option<String>,
    },
}

impl Environment {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self {
            Self::List { project } => list(project, output),
            Self::Copy(copy) => copy.run(output),
            Self::Switch { name, project } => switch(&name, project, output),
        }
    }
}

fn list(project: Option<String>, output: &Output) -> Outcome {
    let session = Session::open(&Place { project, environment: None })?;
    let environments = session.wait(session.client.environments())?;
    let row = |found: &agentsecrets::EnvironmentInfo| {
        let mark = if found.current { "in use" } else { "" };
        vec![found.name.to_string(), found.secrets.to_string(), mark.to_owned()]
    };
    output.show(&environments, |output| {
        output.table(&["ENVIRONMENT", "SECRETS", ""], environments.iter().map(row).collect())
    })?;
    Ok(OK)
}

fn switch(name: &str, project: Option<String>, output: &Output) -> Outcome {
    let environment = Label::parse(name)?;
    let session = Session::open(&Place { project, environment: None })?;
    session.wait(session.client.use_environment(environment.clone()))?;
    output.show(&json!({ "environment": environment }), |output| output.line(&format!("{environment} is in use.")))?;
    Ok(OK)
}
