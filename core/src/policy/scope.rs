//! Where the name of an injection is looked up: here, or in the workspace, project and environment that it says.

use uuid::Uuid;

use super::check::{Asked, Policy};
use super::refusal::Wanted;
use crate::call::Injection;
use crate::error::{Error, ErrorCode, Result};

impl Policy {
    /// Where a name, perhaps scoped, is looked up.
    pub(super) fn wanted<'a>(
        &self,
        asked: &'a Asked<'a>,
        injection: &'a Injection,
        doubt: Option<&'static str>,
    ) -> Result<Wanted<'a>> {
        let scope = injection.secret.scope();
        let here = self.workspace_of(asked.project);
        let workspace = match &scope.workspace {
            Some(name) => *self.workspaces.get(name).ok_or_else(|| {
                Error::new(ErrorCode::WorkspaceNotFound, format!("this home has no workspace {name}"))
            })?,
            None => here,
        };
        let project = match &scope.project {
            Some(name) if name != asked.project_name || workspace != here => {
                match self.projects.get(&(workspace, name.clone())) {
                    Some(place) if place.linked => {
                        self.check_agent(asked, place.id, name)?;
                        place.id
                    }
                    Some(_) => {
                        return Err(Error::new(
                            ErrorCode::ProjectNotLinked,
                            format!("no directory is linked to {name}"),
                        )
                        .with_hint(format!("agentsecrets project use {name}")));
                    }
                    None => {
                        return Err(Error::new(ErrorCode::ProjectNotFound, format!("this home has no project {name}")));
                    }
                }
            }
            _ => asked.project,
        };
        let workspace = self.workspace_of(project);
        let environment = scope.environment.as_ref().unwrap_or(asked.environment);
        Ok(Wanted { asked, workspace, project, environment, injection, doubt })
    }

    /// The workspace that a project is in.
    pub(super) fn workspace_of(&self, project: Uuid) -> Uuid {
        self.homes.get(&project).copied().unwrap_or_default()
    }
}
