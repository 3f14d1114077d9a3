//! The projects and environments there are, and which of them are in use.

use super::super::open::Engine;
use super::super::state::State;
use crate::context::{Place, STANDARD_ENVIRONMENTS, Selection};
use crate::control::{EnvironmentInfo, ProjectInfo};
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::secret_ref::Label;

impl Engine {
    pub(super) fn environments(&self, place: &Place) -> Result<Vec<EnvironmentInfo>> {
        let vault = self.vault()?;
        let mut names = STANDARD_ENVIRONMENTS.iter().map(|name| Label::parse(name)).collect::<Result<Vec<_>>>()?;
        let stored = vault.places()?.into_iter().map(|place| (place.project, place.environment));
        let loaded = self.loaded()?;
        let shared = loaded.document.shared_with(place.project_id).map(|beside| beside.environments.clone());
        let shared = shared.into_iter().flatten().map(|place| (place.project, place.environment));
        for (project, environment) in stored.chain(shared) {
            if project == place.project_id && !names.contains(&environment) {
                names.push(environment);
            }
        }
        let info = |name: Label| {
            let at = Place { environment: name.clone(), ..place.clone() };
            Ok(EnvironmentInfo { secrets: self.secrets(&at)?.len(), current: name == place.environment, name })
        };
        names.into_iter().map(info).collect()
    }

    pub(super) fn use_environment(&self, selection: &Selection, environment: &Label) -> Result<()> {
        let place = self.place(selection)?;
        let known = self.environments(&place)?;
        if !known.iter().any(|info| info.name == *environment) {
            let names: Vec<&str> = known.iter().map(|info| info.name.as_str()).collect();
            return Err(Error::new(
                ErrorCode::InvalidCall,
                format!("{} has no environment {environment}", place.project),
            )
            .at(Stage::Context)
            .with_hint(format!(
                "one of {}; a new one begins with: agentsecrets secrets set NAME --environment {environment}",
                names.join(", ")
            )));
        }
        State::choose(&self.home, place.project_id, environment.clone())
    }

    /// Chooses among the linked, in a directory that a human has linked once; anything else is the owner's act.
    pub(super) fn use_project(&self, selection: &Selection, name: &Label) -> Result<()> {
        let loaded = self.loaded()?;
        let workspace = super::super::place::workspace_in_use(&loaded.document, selection, &loaded.state)?;
        let project = super::super::place::named(&loaded.document, workspace, name)?;
        let directory = selection.proposal.as_ref().map(|proposal| &proposal.directory);
        let linked = directory.filter(|directory| super::super::place::link(&loaded.document, directory).is_some());
        let directory = linked.ok_or_else(|| super::super::place::not_linked(name))?;
        State::choose_project(&self.home, directory, project.id)
    }

    pub(super) fn projects(&self, selection: &Selection) -> Result<Vec<ProjectInfo>> {
        let loaded = self.loaded()?;
        let current = self.place(selection).ok().map(|place| place.project_id);
        let info = |project: &crate::policy::Project| ProjectInfo {
            name: project.name.clone(),
            workspace: loaded.document.workspace_of(project.id).name.clone(),
            directories: loaded
                .document
                .links
                .iter()
                .filter(|link| link.project == project.id)
                .map(|link| link.directory.clone())
                .collect(),
            current: current == Some(project.id),
        };
        Ok(loaded.document.projects.iter().map(info).collect())
    }
}
