//! `project`: what belongs together, and which directory works on it.

use std::path::Path;

use agentsecrets::owner::{ChainAct, PolicyAct, SharedAct};
use agentsecrets::{Error, ErrorCode, Label, PROJECT_FILE, Result, WorkspaceInfo};
use clap::Subcommand;
use serde_json::json;

use super::init::{is_outside, put_project_file};
use super::session::Session;
use super::workspace::change_in;
use super::{OK, usage};
use crate::args::{Passphrase, Place};
use crate::render::{Outcome, Output};

/// Create, list, choose, rename or delete projects
#[derive(Subcommand)]
pub(crate) enum Project {
    /// Make a project (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets project create payments")]
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// List the projects of this home and the directories linked to them
    #[command(after_help = "Example:\n  agentsecrets project list")]
    List,
    /// Give a project another name; project files that say the old one name it no more (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets project update payments --name billing")]
    Update {
        /// Its name
        name: String,
        /// The new name
        #[arg(long = "name", value_name = "NEW")]
        to: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Delete a project that has no secrets, with its grants, agents and links (asks for the owner's passphrase)
    #[command(after_help = "Example:\n  agentsecrets project delete old-shop")]
    Delete {
        /// Its name
        name: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Make a project the one in use in this directory (asks for the passphrase where it was never linked)
    #[command(after_help = "Example:\n  agentsecrets project use payments")]
    Use {
        /// Its name
        name: String,
        #[command(flatten)]
        passphrase: Passphrase,
    },
}

impl Project {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self {
            Self::Create { name, passphrase } => create(&name, &passphrase, output),
            Self::List => list(output),
            Self::Update { name, to, passphrase } => update(&name, &to, &passphrase, output),
            Self::Delete { name, passphrase } => delete(&name, &passphrase, output),
            Self::Use { name, passphrase } => choose(&name, &passphrase, output),
        }
    }
}

fn create(name: &str, passphrase: &Passphrase, output: &Output) -> Outcome {
    let name = Label::parse(name)?;
    let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
    let said = change(
        &mut session,
        SharedAct::CreateProject { name: name.clone() },
        PolicyAct::CreateProject { name: name.clone() },
    )?;
    output.show(&json!({ "project": name, "changed": said }), |output| {
        said.iter().try_for_each(|sentence| output.line(sentence))
    })?;
    if !output.is_json() {
        output.note(&format!("Work on it in a directory with: agentsecrets project use {name}"));
    }
    Ok(OK)
}

/// Changes the projects of the workspace in use: the members' by an entry of the chain, the home's own by its policy.
fn change(session: &mut Session, shared: SharedAct, own: PolicyAct) -> Result<Vec<String>> {
    match session.shared()? {
        Some(_) => Ok(change_in(session, ChainAct::Policy(shared), None)?.1),
        None => session.owner()?.change(vec![own]),
    }
}

fn update(name: &str, to: &str, passphrase: &Passphrase, output: &Output) -> Outcome {
    let (name, to) = (Label::parse(name)?, Label::parse(to)?);
    let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
    let shared = SharedAct::RenameProject { name: name.clone(), to: to.clone() };
    let said = change(&mut session, shared, PolicyAct::RenameProject { name: name.clone(), to: to.clone() })?;
    output.show(&json!({ "project": to, "was": name, "changed": said }), |output| {
        said.iter().try_for_each(|sentence| output.line(sentence))
    })?;
    if !output.is_json() {
        output.note(&format!("In a directory that works on it: agentsecrets project use {to}"));
    }
    Ok(OK)
}

fn delete(name: &str, passphrase: &Passphrase, output: &Output) -> Outcome {
    let name = Label::parse(name)?;
    let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
    let client = session.client_of(&Place { project: Some(name.to_string()), environment: None })?;
    // One that no directory is linked to cannot be looked into; what it may hold would be out of reach for good.
    let environments = session.wait(client.environments())?;
    if session.shared()?.is_some() {
        let theirs = session.wait(client.diff(true))?;
        if let Some(one) = theirs.iter().find(|one| one.project == name && one.state != "local") {
            let message =
                format!("the members have {} in {} of {name}; nothing was deleted", one.name, one.environment);
            return Err(Error::new(ErrorCode::InvalidCall, message).with_hint("agentsecrets secrets pull").into());
        }
    }
    if let Some(full) = environments.iter().find(|environment| environment.secrets > 0) {
        let message = format!("{name} has secrets in {} yet; nothing was deleted", full.name);
        return Err(Error::new(ErrorCode::InvalidCall, message)
            .with_hint(format!("agentsecrets environment clean {} --project {name}", full.name))
            .into());
    }
    let said = change(
        &mut session,
        SharedAct::DeleteProject { name: name.clone() },
        PolicyAct::DeleteProject { name: name.clone() },
    )?;
    output.show(&json!({ "deleted": name, "changed": said }), |output| {
        said.iter().try_for_each(|sentence| output.line(sentence))
    })?;
    Ok(OK)
}

fn list(output: &Output) -> Outcome {
    let session = Session::open(&Place::default())?;
    let projects = session.wait(session.client.projects())?;
    let row = |project: &agentsecrets::ProjectInfo| {
        let mark = if project.current { "in use" } else { "" };
        let workspace = project.workspace.to_string();
        vec![project.name.to_string(), workspace, mark.to_owned(), project.directories.join("  ")]
    };
    output.show(&projects, |output| {
        output.table(&["PROJECT", "WORKSPACE", "", "DIRECTORIES"], projects.iter().map(row).collect())
    })?;
    Ok(OK)
}

/// Writes the project file, and has the owner link the directory where the home does not believe the file.
fn choose(name: &str, passphrase: &Passphrase, output: &Output) -> Outcome {
    let project = Label::parse(name)?;
    let directory = std::env::current_dir()
        .and_then(|here| here.canonicalize())
        .map_err(|why| usage(format!("the current directory cannot be read: {}", why.kind()), "cd ELSEWHERE"))?;
    let mut session = Session::with_owner(&Place::default(), passphrase.passphrase_fd)?;
    let projects = session.wait(session.client.projects())?;
    let workspaces = session.wait(session.client.workspaces())?;
    let here = workspaces.iter().find(|one| one.current).map(|one| &one.name);
    let in_use = |found: &&agentsecrets::ProjectInfo| here.is_none_or(|here| found.workspace == *here);
    let named = || projects.iter().filter(|found| found.name == project);
    let Some(found) = named().find(in_use) else {
        let (message, hint) = match named().next() {
            Some(other) => (
                format!("{project} is a project of the workspace {}", other.workspace),
                format!("agentsecrets workspace switch {}", other.workspace),
            ),
            None => (format!("there is no project {project}"), format!("agentsecrets project create {project}")),
        };
        return Err(Error::new(ErrorCode::ProjectNotFound, message).with_hint(hint).into());
    };
    let Some(workspace) = workspaces.iter().find(|one| one.name == found.workspace) else {
        return Err(Error::new(ErrorCode::WorkspaceNotFound, "the project's workspace is gone").into());
    };
    if !is_outside(&directory, session.home()?) {
        return Err(usage(
            "this directory's .agentsecrets is the home itself",
            "run it in the directory of the project",
        )
        .into());
    }
    let file = directory.join(PROJECT_FILE);
    let before = std::fs::read(&file).ok();
    put_project_file(&file, &project)?;
    let linked = match believe(&mut session, &directory, workspace, &project) {
        Ok(linked) => linked,
        Err(error) => {
            // The file would propose what the owner did not agree to.
            put_back(&file, before.as_deref());
            return Err(error.into());
        }
    };
    if std::env::var("AGENTSECRETS_PROJECT").is_ok_and(|other| !other.is_empty() && other != project.as_str()) {
        output.warn("AGENTSECRETS_PROJECT names another project, and counts before the directory's");
    }
    let answer = json!({ "project": project, "directory": directory, "linked": linked });
    output.show(&answer, |output| output.line(&format!("{project} is in use in {}.", directory.display())))?;
    Ok(OK)
}

/// Whether a link had to be made.
fn believe(session: &mut Session, directory: &Path, workspace: &WorkspaceInfo, project: &Label) -> Result<bool> {
    // Opened anew: the project file is read when a client is opened.
    let fresh = Session::open(&Place::default())?;
    let there = fresh.client.in_workspace(workspace.name.clone(), None);
    match fresh.wait(there.use_project(project.clone())) {
        Ok(()) => return Ok(false),
        Err(error) if error.code() == ErrorCode::ProjectNotLinked => {}
        Err(error) => return Err(error),
    }
    let link = PolicyAct::Link { directory: directory.to_owned(), project: project.clone() };
    session.owner()?.change_in(workspace.shared.then_some(workspace.id), vec![link])?;
    Ok(true)
}

fn put_back(file: &Path, before: Option<&[u8]>) {
    let _ = match before {
        Some(bytes) => std::fs::write(file, bytes),
        None => std::fs::remove_file(file),
    };
}
