//! `workspace`: what holds for all projects of a workspace, and who shares it.

mod allowlist;
mod invite;
mod join;
mod log;
mod machine;
mod members;

pub(crate) use invite::change_in;

use agentsecrets::owner::ChainAct;
use agentsecrets::{Chosen, Label, PROJECT_FILE, Result, account};
use clap::{Args, Subcommand};
use serde_json::json;

use super::OK;
use super::init::put_project_file;
use super::session::Session;
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output, Paint};

/// Share a workspace, choose one, or say what holds for all of its projects
#[derive(Subcommand)]
pub(crate) enum Workspace {
    Create(Create),
    List(List),
    Switch(Switch),
    Invite(invite::Invite),
    Withdraw(invite::Withdraw),
    Join(join::Join),
    Members(members::Members),
    Promote(members::Promote),
    Demote(members::Demote),
    Remove(members::Remove),
    Rotate(members::Rotate),
    #[command(subcommand)]
    Machine(machine::Machine),
    Log(log::Log),
    #[command(subcommand)]
    Allowlist(allowlist::Allowlist),
}

/// Begin a workspace that others can be invited to (asks for the owner's passphrase)
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets workspace create acme --project payments")]
pub(crate) struct Create {
    /// Its name, which the server never learns
    name: String,
    /// Its first project
    #[arg(long, value_name = "NAME", default_value = "main")]
    project: String,
    #[command(flatten)]
    passphrase: Passphrase,
}

/// List the workspaces of this home
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets workspace list --json")]
pub(crate) struct List {}

/// Make a workspace the one in use
#[derive(Args)]
#[command(after_help = "Example:\n  agentsecrets workspace switch acme")]
pub(crate) struct Switch {
    /// Its name
    name: String,
}

impl Workspace {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self {
            Self::Create(create) => create.run(output),
            Self::List(_) => list(output),
            Self::Switch(switch) => switch.run(output),
            Self::Invite(invite) => invite.run(output),
            Self::Withdraw(withdraw) => withdraw.run(output),
            Self::Join(join) => join.run(output),
            Self::Members(_) => members::list(output),
            Self::Promote(promote) => promote.run(output),
            Self::Demote(demote) => demote.run(output),
            Self::Remove(remove) => remove.run(output),
            Self::Rotate(rotate) => rotate.run(output),
            Self::Machine(machine) => machine.run(output),
            Self::Log(_) => log::run(output),
            Self::Allowlist(allowlist) => allowlist.run(output),
        }
    }
}

impl Create {
    fn run(&self, output: &Output) -> Outcome {
        let (name, project) = (Label::parse(&self.name)?, Label::parse(&self.project)?);
        let mut session = Session::with_owner(&Place::default(), self.passphrase.passphrase_fd)?;
        let act = ChainAct::Create { name: name.clone(), project: project.clone() };
        let (client, runtime, owner) = session.parts()?;
        let (id, said) = runtime.block_on(account::create(owner, client, act))?;
        // By its id: this home may have another of that name, and then calls this one by one like it.
        let all = session.wait(session.client.workspaces())?;
        let name = all.into_iter().find(|one| one.id == id).map_or(name, |one| one.name);
        let chosen = choose(&session, &name, output)?;
        let answer = json!({ "workspace": name, "id": id, "project": project, "directory": chosen.directory });
        output.show(&answer, |output| {
            said.iter().try_for_each(|sentence| output.line(sentence))?;
            output.line(&in_use(&name, &chosen))
        })?;
        if !output.is_json() {
            output.note("Invite somebody: agentsecrets workspace invite EMAIL");
        }
        Ok(OK)
    }
}

impl Switch {
    fn run(&self, output: &Output) -> Outcome {
        let name = Label::parse(&self.name)?;
        let session = Session::open(&Place::default())?;
        let chosen = choose(&session, &name, output)?;
        let answer = json!({ "workspace": name, "project": chosen.project, "directory": chosen.directory });
        output.show(&answer, |output| output.line(&in_use(&name, &chosen)))?;
        Ok(OK)
    }
}

/// Makes a workspace the one in use, and has the linked directory's project file name its project.
fn choose(session: &Session, name: &Label, output: &Output) -> Result<Chosen> {
    let chosen = session.wait(session.client.use_workspace(name.clone()))?;
    if let (Some(directory), Some(project)) = (&chosen.directory, &chosen.project) {
        put_project_file(&directory.join(PROJECT_FILE), project)?;
    }
    for variable in ["AGENTSECRETS_WORKSPACE", "AGENTSECRETS_PROJECT"] {
        if std::env::var(variable).is_ok_and(|set| !set.is_empty()) {
            output.warn(&format!("{variable} is set, and counts before what was chosen"));
        }
    }
    Ok(chosen)
}

fn in_use(workspace: &Label, chosen: &Chosen) -> String {
    match (&chosen.project, &chosen.directory) {
        (None, _) => format!("{workspace} is in use; it has no project yet."),
        (Some(project), Some(directory)) => format!("{workspace}/{project} is in use in {}.", directory.display()),
        (Some(project), None) => {
            format!("{workspace}/{project} is in use, where no directory is linked to another project.")
        }
    }
}

fn list(output: &Output) -> Outcome {
    let session = Session::open(&Place::default())?;
    let workspaces = session.wait(session.client.workspaces())?;
    let row = |workspace: &agentsecrets::WorkspaceInfo| {
        let shared = match (&workspace.role, workspace.shared) {
            (Some(role), _) => role.clone(),
            (None, true) => "shared".to_owned(),
            (None, false) => "this home's alone".to_owned(),
        };
        let current = if workspace.current { output.painted(Paint::Good, "in use") } else { String::new() };
        vec![workspace.name.to_string(), shared, current]
    };
    output.show(&workspaces, |output| output.table(&["WORKSPACE", "", ""], workspaces.iter().map(row).collect()))?;
    Ok(OK)
}
