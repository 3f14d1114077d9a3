//! `workspace machine`: members that are no humans.

use agentsecrets::Label;
use agentsecrets::owner::{ChainAct, MachinePlace};
use clap::{Args, Subcommand};
use serde_json::json;

use super::super::OK;
use super::super::session::Session;
use super::invite::change_in;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// Let machines read environments of the workspace in use
#[derive(Subcommand)]
pub(crate) enum Machine {
    Add(Add),
}

/// Show an enrolment by which a machine joins, and reads these environments (asks for the owner's passphrase)
#[derive(Args)]
#[command(
    after_help = "Examples:\n  agentsecrets workspace machine add deploy --environment staging --environment production\n  \
agentsecrets workspace machine add ci --environment staging --expires 24h"
)]
pub(crate) struct Add {
    /// What it is called
    name: String,
    /// An environment it reads; may be repeated
    #[arg(long = "environment", value_name = "NAME", required = true)]
    environments: Vec<String>,
    /// A project it reads them of; may be repeated (the one in use unless said)
    #[arg(long = "project", value_name = "NAME")]
    projects: Vec<String>,
    /// For how long the enrolment counts: 24h, 30d (30d unless said)
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    /// Write the enrolment to this descriptor instead of the terminal (for provisioning)
    #[arg(long, value_name = "N")]
    enrolment_fd: Option<i32>,
    #[command(flatten)]
    passphrase: Passphrase,
}

impl Machine {
    pub(super) fn run(&self, output: &Output) -> Outcome {
        match self {
            Self::Add(add) => add.run(output),
        }
    }
}

impl Add {
    fn run(&self, output: &Output) -> Outcome {
        let name = Label::parse(&self.name)?;
        let fds: Vec<i32> = self.enrolment_fd.into_iter().collect();
        let mut session = Session::with_owner_keeping(&Place::default(), self.passphrase.passphrase_fd, &fds)?;
        let mut projects = self.projects.iter().map(|name| Label::parse(name)).collect::<Result<Vec<_>, _>>()?;
        if projects.is_empty() {
            projects.push(session.in_use()?.0);
        }
        let mut places = Vec::new();
        for project in &projects {
            for environment in &self.environments {
                places.push(MachinePlace { project: project.clone(), environment: Label::parse(environment)? });
            }
        }
        let act = ChainAct::AddMachine { name: name.clone(), places, expires: self.expires.clone() };
        let (workspace, said) = change_in(&mut session, act, self.enrolment_fd)?;
        output.show(&json!({ "workspace": workspace.name, "machine": name, "said": said }), |output| {
            said.iter().try_for_each(|sentence| output.line(sentence))
        })?;
        if !output.is_json() {
            output.note("On the machine: agentsecrets init --no-owner …; agentsecrets workspace join --enrolment-fd N");
        }
        Ok(OK)
    }
}
