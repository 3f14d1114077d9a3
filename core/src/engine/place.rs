//! From a selection, which proposes, to a place, which the home has decided.

use std::path::Path;

use uuid::Uuid;

use super::state::State;
use crate::context::{DEFAULT_ENVIRONMENT, Place, Proposal, Selection};
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Document, Project, Workspace};
use crate::secret_ref::Label;

/// The place a selection means.
///
/// # Errors
/// `workspace_not_found`, `project_not_found`; `project_not_linked` for a project file the home has not linked to its
/// directory, and for a project that is linked nowhere.
pub(crate) fn find(document: &Document, selection: &Selection, state: &State) -> Result<Place> {
    let only = selection.workspace.as_ref().map(|name| workspace_named(document, name)).transpose()?;
    let workspace = workspace_in_use(document, selection, state)?;
    let first = || {
        document
            .first_project_of(workspace.id)
            .ok_or_else(|| Error::new(ErrorCode::ProjectNotFound, format!("{} has no project", workspace.name)))
    };
    let proposal = selection.proposal.as_ref().filter(|_| !is_overruled(document, state));
    let project = match (&selection.project, proposal) {
        (Some(name), _) => named(document, workspace, name)?,
        (None, Some(proposal)) => {
            let project = proposed(document, proposal, state)?;
            let elsewhere = only.is_some_and(|only| document.workspace_of(project.id) != only);
            if elsewhere { first()? } else { project }
        }
        (None, None) => first()?,
    };
    let proposal = selection.proposal.as_ref().filter(|proposal| proposal.project == project.name);
    let environment = match &selection.environment {
        Some(environment) => environment.clone(),
        None => match state.environment(project.id).or_else(|| proposal?.environment.clone()) {
            Some(environment) => environment,
            None => Label::parse(DEFAULT_ENVIRONMENT)?,
        },
    };
    let workspace = document.workspace_of(project.id);
    Ok(Place {
        workspace: workspace.name.clone(),
        workspace_id: workspace.id,
        project: project.name.clone(),
        project_id: project.id,
        environment,
    })
}

/// The workspace that a selection names, else the one that was chosen last, else the home's own.
pub(super) fn workspace_in_use<'d>(
    document: &'d Document,
    selection: &Selection,
    state: &State,
) -> Result<&'d Workspace> {
    match &selection.workspace {
        Some(name) => workspace_named(document, name),
        None => Ok(in_use(document, state).unwrap_or(&document.workspace)),
    }
}

/// The workspace of this name.
pub(super) fn workspace_named<'d>(document: &'d Document, name: &Label) -> Result<&'d Workspace> {
    document
        .workspace_named(name)
        .ok_or_else(|| Error::new(ErrorCode::WorkspaceNotFound, format!("this home has no workspace {name}")))
}

/// The workspace that was chosen last, where it is still one of this home.
fn in_use<'d>(document: &'d Document, state: &State) -> Option<&'d Workspace> {
    let chosen = state.workspace()?;
    document.workspaces().find(|workspace| workspace.id == chosen)
}

/// Whether the chosen workspace counts in every directory: on a machine without an owner nobody links another.
fn is_overruled(document: &Document, state: &State) -> bool {
    document.ownerless && in_use(document, state).is_some_and(|chosen| chosen.id != document.workspace.id)
}

/// A linked project of a workspace.
pub(super) fn named<'d>(document: &'d Document, workspace: &Workspace, name: &Label) -> Result<&'d Project> {
    let project = document
        .project_in(workspace.id, name)
        .ok_or_else(|| Error::new(ErrorCode::ProjectNotFound, format!("this home has no project {name}")))?;
    if document.is_linked(project.id) { Ok(project) } else { Err(not_linked(name)) }
}

/// A project file counts only where a human has linked its very directory, and names the project of that link or the
/// linked one that was chosen there last: what a repository brings along chooses nothing.
fn proposed<'d>(document: &'d Document, proposal: &Proposal, state: &State) -> Result<&'d Project> {
    let linked = link(document, &proposal.directory).ok_or_else(|| not_linked(&proposal.project))?;
    let chosen = state.project(&proposal.directory).filter(|id| document.is_linked(*id));
    [chosen, Some(linked)]
        .into_iter()
        .flatten()
        .filter_map(|id| document.project(id))
        .find(|project| project.name == proposal.project)
        .ok_or_else(|| not_linked(&proposal.project))
}

/// The project that the owner linked a directory to.
pub(super) fn link(document: &Document, directory: &Path) -> Option<Uuid> {
    document.links.iter().find(|link| Path::new(&link.directory) == directory).map(|link| link.project)
}

pub(super) fn not_linked(name: &Label) -> Error {
    Error::new(ErrorCode::ProjectNotLinked, format!("the project {name} is not linked here"))
        .with_hint(format!("agentsecrets project use {name}"))
}

impl Place {
    /// The place as the store knows it.
    pub(crate) fn in_store(&self) -> crate::store::Place {
        crate::store::Place {
            workspace: self.workspace_id,
            project: self.project_id,
            environment: self.environment.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn label(text: &str) -> Label {
        Label::parse(text).expect("label")
    }

    fn document() -> Document {
        let mut document = Document::new(Uuid::nil(), label("personal"), label("agents"), jiff::Timestamp::UNIX_EPOCH);
        let (production, _) = document.create_project(label("production")).expect("new");
        let _ = document.create_project(label("unlinked")).expect("new");
        let _ = document.link(Path::new("/srv/production"), production).expect("linked");
        document
    }

    fn proposal(directory: &str, project: &str) -> Selection {
        let proposal = Proposal { directory: PathBuf::from(directory), project: label(project), environment: None };
        Selection { proposal: Some(proposal), ..Selection::default() }
    }

    #[test]
    fn a_cloned_repository_cannot_choose_the_production_project() {
        let found = find(&document(), &proposal("/srv/production", "production"), &State::default()).expect("linked");
        assert_eq!(found.project.as_str(), "production");
        for (directory, project) in
            [("/tmp/clone", "production"), ("/srv/production", "agents"), ("/tmp/clone", "nowhere")]
        {
            let error = find(&document(), &proposal(directory, project), &State::default()).expect_err("not linked");
            assert_eq!(error.code(), ErrorCode::ProjectNotLinked);
            assert_eq!(error.hint(), Some(format!("agentsecrets project use {project}").as_str()));
        }
    }

    #[test]
    fn a_linked_directory_may_name_another_linked_project_once_it_was_chosen_there() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("temp dir");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("mode");
        let home = crate::home::Home::locate(Some(folder.path())).expect("home");
        let document = document();
        let id = |name| document.project_named(&label(name)).expect("known").id;
        let here = Path::new("/srv/production");
        let named = |project| {
            find(&document, &proposal("/srv/production", project), &State::read(&home)).map(|place| place.project)
        };
        assert!(named("agents").is_err());
        State::choose_project(&home, here, id("agents")).expect("written");
        assert_eq!(named("agents").expect("chosen"), label("agents"));
        assert_eq!(named("production").expect("linked"), label("production"));
        State::choose_project(&home, here, id("unlinked")).expect("written");
        assert!(named("unlinked").is_err() && named("agents").is_err());
        State::choose_project(&home, Path::new("/tmp/clone"), id("production")).expect("written");
        assert!(find(&document, &proposal("/tmp/clone", "production"), &State::read(&home)).is_err());
    }

    #[test]
    fn a_name_reaches_linked_projects_only() {
        let choose = |name| {
            let selection = Selection { project: Some(label(name)), ..Selection::default() };
            find(&document(), &selection, &State::default())
        };
        assert_eq!(choose("production").expect("linked").environment.as_str(), "development");
        assert_eq!(choose("unlinked").expect_err("unlinked").code(), ErrorCode::ProjectNotLinked);
        assert_eq!(choose("nowhere").expect_err("unknown").code(), ErrorCode::ProjectNotFound);
        assert_eq!(
            find(&document(), &Selection::default(), &State::default()).expect("default").project.as_str(),
            "agents"
        );
    }
}
