//! A home's document with the shared workspaces of the home beside its own.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::Change;
use super::document::{Document, Project, Workspace};
use super::grant::Grant;
use super::rule::Rule;
use super::shared::{Joined, MachineEnvironment, SharedPolicy};
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

/// What a document keeps of a shared workspace, once its projects and grants are among the document's own.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    /// The workspace.
    pub(crate) workspace: Workspace,
    /// Its projects.
    pub(crate) projects: Vec<Uuid>,
    /// Its allowlist.
    pub(crate) allowlist: Option<Vec<Rule>>,
    /// The environments that machines were enrolled for; to a machine, its own.
    pub(crate) environments: Vec<MachineEnvironment>,
}

/// The owner's word that this home's denials of a shared workspace's secret count no more. Nothing that travels says so: its grants
/// are older than any denial here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lift {
    /// The project.
    pub(crate) project: Uuid,
    /// The secret.
    pub(crate) secret: SecretName,
    /// The serial of the document that it was signed in.
    pub(crate) serial: u64,
}

impl Document {
    /// Lifts this home's denials of a secret.
    pub(crate) fn lift(&mut self, project: Uuid, secret: &SecretName) -> Change {
        let serial = self.serial + 1;
        self.lifts.retain(|lift| lift.project != project || lift.secret != *secret);
        self.lifts.push(Lift { project, secret: secret.clone(), serial });
        let name = self.project(project).map_or("a project that is gone", |project| project.name.as_str());
        let workspace = &self.workspace_of(project).name;
        Change::made(format!(
            "{secret} of {name} may go wherever the members of {workspace} let it: what was denied here is lifted"
        ))
    }

    /// The document with the shared workspaces of this home beside its own.
    pub(crate) fn beside(mut self, joined: Vec<Joined>) -> Self {
        for Joined { id, policy, .. } in joined {
            let SharedPolicy { name, projects, grants, allowlist, machines, .. } = policy;
            let workspace = Workspace { id, name: self.free_name(&name) };
            let known: Vec<Uuid> = projects.iter().map(|project| project.id).collect();
            // An id that the home has already stays the home's: what travels never takes over what is local.
            let own = |project: Uuid| self.project(project).is_some();
            let foreign: Vec<Uuid> = known.into_iter().filter(|project| !own(*project)).collect();
            self.projects.extend(projects.into_iter().filter(|project| foreign.contains(&project.id)));
            let grants = grants.into_iter().filter(|grant| foreign.contains(&grant.project));
            let lifts = &self.lifts;
            let lifted = |grant: &Grant| {
                let of = |lift: &&Lift| lift.project == grant.project && lift.secret == grant.secret;
                lifts.iter().find(of).map_or(0, |lift| lift.serial)
            };
            let grants: Vec<_> = grants.map(|grant| Grant { serial: lifted(&grant), ..grant }).collect();
            self.grants.extend(grants);
            self.shared.push(Beside { workspace, projects: foreign, allowlist, environments: machines });
        }
        self
    }

    /// A workspace's name, or one like it where the home has another workspace of that name: who named it does not know this home.
    fn free_name(&self, name: &Label) -> Label {
        let mut free = name.clone();
        for number in 2.. {
            if self.workspace_named(&free).is_none() {
                break;
            }
            // As long a name loses its end.
            let stem: String = name.as_str().chars().take(58).collect();
            free = Label::parse(&format!("{stem}-{number}")).unwrap_or(free);
        }
        free
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
