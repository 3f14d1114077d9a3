//! A home's document with the shared workspaces of the home beside its own.

use uuid::Uuid;

use super::document::{Document, Project, Workspace};
use super::grant::Grant;
use super::rule::Rule;
use super::shared::{Joined, MachineEnvironment, SharedPolicy};
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::Label;

/// What a document keeps of a shared workspace, once its projects and grants are among the document's own.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    /// The workspace.
    pub(crate) workspace: Workspace,
    /// The version of its policy, which its grants have for a serial.
    pub(crate) version: u64,
    /// Its projects.
    pub(crate) projects: Vec<Uuid>,
    /// Its allowlist.
    pub(crate) allowlist: Option<Vec<Rule>>,
    /// The environments that machines were enrolled for; to a machine, its own.
    pub(crate) environments: Vec<MachineEnvironment>,
}

impl Document {
    /// The document with the shared workspaces of this home beside its own.
    pub(crate) fn beside(mut self, joined: Vec<Joined>) -> Self {
        for Joined { id, version, policy } in joined {
            let SharedPolicy { name, projects, grants, allowlist, machines, .. } = policy;
            let workspace = Workspace { id, name };
            let known: Vec<Uuid> = projects.iter().map(|project| project.id).collect();
            // An id that the home has already stays the home's: what travels never takes over what is local.
            let own = |project: Uuid| self.project(project).is_some();
            let foreign: Vec<Uuid> = known.into_iter().filter(|project| !own(*project)).collect();
            self.projects.extend(projects.into_iter().filter(|project| foreign.contains(&project.id)));
            let grants = grants.into_iter().filter(|grant| foreign.contains(&grant.project));
            self.grants.extend(grants.map(|grant| Grant { serial: version, ..grant }));
            self.shared.push(Beside { workspace, version, projects: foreign, allowlist, environments: machines });
        }
        self
    }

    /// The document as it is signed: without what shared workspaces brought.
    pub(crate) fn own(mut self) -> Self {
        let foreign: Vec<Uuid> = self.shared.drain(..).flat_map(|beside| beside.projects).collect();
        self.projects.retain(|project| !foreign.contains(&project.id));
        self.grants.retain(|grant| !foreign.contains(&grant.project));
        self.acting_in = None;
        self
    }

    /// The project that an act means by a name.
    ///
    /// # Errors
    /// `project_not_found`.
    pub(crate) fn project_meant(&self, name: &Label) -> Result<&Project> {
        let workspace = self.acting_in.unwrap_or(self.workspace.id);
        self.project_in(workspace, name).ok_or_else(|| {
            Error::new(ErrorCode::ProjectNotFound, format!("there is no project {name}"))
                .with_hint(format!("agentsecrets project create {name}"))
        })
    }

    /// Refuses what a shared workspace's admins decide for all of its members, or what nobody may decide for one home alone.
    ///
    /// # Errors
    /// `invalid_call`.
    pub(crate) fn decides_alone(&self) -> Result<()> {
        match self.acting_in {
            None => Ok(()),
            Some(_) => Err(Error::new(
                ErrorCode::InvalidCall,
                "in a shared workspace this is decided by its admins, for every member",
            )
            .with_hint("agentsecrets workspace members")),
        }
    }

    /// The workspace that a project is in.
    pub(crate) fn workspace_of(&self, project: Uuid) -> &Workspace {
        self.shared_with(project).map_or(&self.workspace, |beside| &beside.workspace)
    }

    /// The shared workspace that a project is in; none where it is this home's own.
    pub(crate) fn shared_with(&self, project: Uuid) -> Option<&Beside> {
        self.shared.iter().find(|beside| beside.projects.contains(&project))
    }

    /// The serial that the newest grants of a project have.
    pub(crate) fn serial_in(&self, project: Uuid) -> u64 {
        self.shared_with(project).map_or(self.serial, |beside| beside.version)
    }

    /// The workspace of this name.
    pub(crate) fn workspace_named(&self, name: &Label) -> Option<&Workspace> {
        self.workspaces().find(|workspace| workspace.name == *name)
    }

    /// The home's own workspace, then those it shares.
    pub(crate) fn workspaces(&self) -> impl Iterator<Item = &Workspace> {
        std::iter::once(&self.workspace).chain(self.shared.iter().map(|beside| &beside.workspace))
    }

    /// The project of this name in a workspace.
    pub(crate) fn project_in(&self, workspace: Uuid, name: &Label) -> Option<&Project> {
        self.projects.iter().find(|project| project.name == *name && self.workspace_of(project.id).id == workspace)
    }

    /// The project that a workspace begins with: the home's default, or the first by name.
    pub(crate) fn first_project_of(&self, workspace: Uuid) -> Option<&Project> {
        if workspace == self.workspace.id {
            return self.project(self.default_project);
        }
        let here = |project: &&Project| self.workspace_of(project.id).id == workspace;
        self.projects.iter().filter(here).min_by(|one, other| one.name.cmp(&other.name))
    }
}
