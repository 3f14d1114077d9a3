//! `environment`: which values of a project are in use.

mod copy;

use agentsecrets::{ActKind, Label};
use clap::Subcommand;
use serde_json::json;

use super::OK;
use super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output, Paint};

/// List the environments of the project in use, switch to one, copy values between them, or clean one
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
    /// Copy the values that an environment does not have from another, and leave those that both have (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets environment merge development staging")]
    Merge(copy::Copy),
    /// Delete every value of an environment (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets environment clean staging")]
    Clean {
        /// The environment
        name: String,
        /// Another project of this home than the one in use here
        #[arg(long, value_name = "NAME")]
        project: Option<String>,
        #[command(flatten)]
        passphrase: Passphrase,
    },
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
            Self::Copy(copy) => copy.copy(output),
            Self::Merge(merge) => merge.merge(output),
            Self::Clean { name, project, passphrase } => clean(&name, project, &passphrase, output),
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

fn clean(name: &str, project: Option<String>, passphrase: &Passphrase, output: &Output) -> Outcome {
    let environment = Label::parse(name)?;
    let place = Place { project, environment: Some(environment.to_string()) };
    let mut session = Session::with_owner(&place, passphrase.passphrase_fd)?;
    let all: Vec<_> = session.wait(session.client.secrets())?.into_iter().map(|info| info.name).collect();
    // A linked secret has no value here, and its link is the policy's.
    let existing = session.existing(&all)?;
    let act = session.sign(ActKind::Delete, &existing)?;
    for (name, _) in &existing {
        session.wait(session.client.delete_secret(name.clone(), act.clone()))?;
    }
    let names: Vec<_> = existing.into_iter().map(|(name, _)| name).collect();
    output.show(&json!({ "environment": environment, "deleted": names }), |output| {
        let head = output.painted(Paint::Careful, "deleted");
        names.iter().try_for_each(|name| output.raw_line(&format!("{head}: {name}")))
    })?;
    if !output.is_json() && session.shared()?.is_some() {
        output.note("The members have them until: agentsecrets secrets push");
    }
    Ok(OK)
}

fn switch(name: &str, project: Option<String>, output: &Output) -> Outcome {
    let environment = Label::parse(name)?;
    let session = Session::open(&Place { project, environment: None })?;
    session.wait(session.client.use_environment(environment.clone()))?;
    output.show(&json!({ "environment": environment }), |output| output.line(&format!("{environment} is in use.")))?;
    Ok(OK)
}
