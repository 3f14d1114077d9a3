//! Changes of a workspace's membership and policy, as the command line asks for them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::acts::Allow;
use super::super::allowlist_act::AllowlistChange;
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Change, Grant, Rule, SharedPolicy};
use crate::secret_ref::{Label, SecretName};

/// An environment that a machine reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MachinePlace {
    /// The project.
    pub project: Label,
    /// The environment.
    pub environment: Label,
}

/// A change of a workspace's membership or policy, as the command line asks for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainAct {
    /// A new workspace begins, with this account as its admin and one project.
    Create {
        /// Its name.
        name: Label,
        /// Its first project.
        project: Label,
    },
    /// Somebody may join by a code.
    Invite {
        /// Whether as an admin.
        admin: bool,
        /// For how long: `7d` unless said.
        expires: Option<String>,
    },
    /// A machine may join by a code, and read these environments.
    AddMachine {
        /// What it is called.
        name: Label,
        /// What it reads.
        places: Vec<MachinePlace>,
        /// For how long its enrolment counts: `30d` unless said.
        expires: Option<String>,
    },
    /// An invitation counts no more.
    Withdraw {
        /// Its id.
        invite: Uuid,
    },
    /// A member becomes an admin, or an admin a member.
    SetRole {
        /// Who.
        account: Uuid,
        /// What the human calls them, which has to be what the workspace does.
        called: String,
        /// Whether an admin.
        admin: bool,
    },
    /// A member leaves, and the keys are made anew.
    Remove {
        /// Who.
        account: Uuid,
        /// What the human calls them, which has to be what the workspace does.
        called: String,
    },
    /// The keys are made anew.
    Rotate,
    /// This home's device signs records from now on.
    AddDevice,
    /// The policy that travels becomes another one.
    Policy(SharedAct),
}

/// A change of the policy that travels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedAct {
    /// A secret may go to places, for every member.
    Allow(Allow),
    /// It may not any more.
    Revoke {
        /// The project.
        project: Label,
        /// The secret.
        name: SecretName,
        /// The rules; none means all.
        rules: Vec<String>,
    },
    /// There is another project.
    CreateProject {
        /// Its name.
        name: Label,
    },
    /// A project has another name.
    RenameProject {
        /// Its name.
        name: Label,
        /// The new one.
        to: Label,
    },
    /// A project ends.
    DeleteProject {
        /// Its name.
        name: Label,
    },
    /// The coarser gate is another one.
    Allowlist(AllowlistChange),
}

impl SharedAct {
    /// Applies the change, and says what becomes possible.
    pub(super) fn apply(&self, policy: &mut SharedPolicy, now: Timestamp) -> Result<Change> {
        match self {
            Self::Allow(allow) => {
                let project = policy.project_named(&allow.project)?.id;
                let mut last = None;
                for grant in allow.grants(project, now)? {
                    last = Some(policy.add_grant(grant)?);
                }
                last.ok_or_else(|| Error::new(ErrorCode::InvalidCall, "no destination is named"))
            }
            Self::Revoke { project, name, rules } => {
                let project = policy.project_named(project)?.id;
                let rules = rules.iter().map(|text| Rule::read(text)).collect::<Result<Vec<_>>>()?;
                Ok(policy.remove_grants(project, name, &rules))
            }
            Self::CreateProject { name } => Ok(policy.create_project(name.clone())?.1),
            Self::RenameProject { name, to } => policy.rename_project(name, to),
            Self::DeleteProject { name } => policy.delete_project(name),
            Self::Allowlist(change) => {
                let list = change.applied(policy.allowlist.as_deref())?;
                Ok(policy.set_allowlist(list))
            }
        }
    }
}

/// What the owner reads before the passphrase.
pub(super) fn sentence(act: &ChainAct) -> String {
    match act {
        ChainAct::Create { name, .. } => format!("A workspace {name} begins, which others can be invited to"),
        ChainAct::Invite { admin: true, .. } => {
            "Whoever has the code that follows becomes an admin of the workspace".into()
        }
        ChainAct::Invite { .. } => {
            "Whoever has the code that follows reads and writes every secret of the workspace".into()
        }
        ChainAct::AddMachine { name, places, .. } => {
            let places: Vec<String> =
                places.iter().map(|place| format!("{}/{}", place.project, place.environment)).collect();
            format!("A machine, {name}, reads every secret of {}", places.join(", "))
        }
        ChainAct::Withdraw { invite } => format!("The invitation {invite} counts no more"),
        ChainAct::SetRole { called, admin: true, .. } => format!("{called} decides over members and policy too"),
        ChainAct::SetRole { called, .. } => format!("{called} decides over members and policy no more"),
        ChainAct::Remove { called, .. } => {
            format!("{called} leaves the workspace, the keys are made anew, and what it could read should be rotated")
        }
        ChainAct::Rotate => "The workspace's keys are made anew".into(),
        ChainAct::AddDevice => "This home signs what it pushes with a key of its own".into(),
        ChainAct::Policy(change) => format!("{}, for every member", change.sentence()),
    }
}

impl SharedAct {
    /// The change in all of its terms.
    fn sentence(&self) -> String {
        match self {
            Self::Allow(allow) => {
                let grants = allow.grants(Uuid::nil(), Timestamp::now()).unwrap_or_default();
                let all: Vec<String> = grants.iter().map(Grant::sentence).collect();
                format!("In the project {}: {}", allow.project, all.join("; "))
            }
            Self::Revoke { project, name, rules } if rules.is_empty() => format!("{name} of {project} may go nowhere"),
            Self::Revoke { project, name, rules } => format!("{name} of {project} may not go to {}", rules.join(", ")),
            Self::CreateProject { name } => format!("There is a project {name}"),
            Self::RenameProject { name, to } => format!("The project {name} is called {to}"),
            Self::DeleteProject { name } => format!("The project {name} ends, and its secrets are out of reach"),
            Self::Allowlist(AllowlistChange::Add(rules)) => {
                format!("Calls may go to {}, without a secret too", rules.join(", "))
            }
            Self::Allowlist(AllowlistChange::Remove(rules)) => format!("No call goes to {} any more", rules.join(", ")),
            Self::Allowlist(AllowlistChange::Drop) => "The allowlist is taken away: grants alone decide".to_owned(),
        }
    }
}
