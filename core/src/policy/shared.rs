//! The part of a policy that travels: what the admins of a shared workspace decided.
//!
//! It comes out of the workspace's membership chain, whose entry signs it. A home adds it to its own document and takes away
//! from it by its deny overlay; nothing here names a directory, a certificate, a command or a proxy, as those are a machine's.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::Change;
use super::document::Project;
use super::grant::Grant;
use super::rule::Rule;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

/// The form of the document this version writes and reads.
const FORMAT: u32 = 1;

/// The policy of a shared workspace.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SharedPolicy {
    format: u32,
    /// The workspace's name.
    pub(crate) name: Label,
    /// Its projects; to a machine, those of its scopes.
    pub(crate) projects: Vec<Project>,
    /// Which secret may go where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) grants: Vec<Grant>,
    /// The coarser gate: once made, it binds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) allowlist: Option<Vec<Rule>>,
    /// The environments that machines were enrolled for, beside those that every project has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) machines: Vec<MachineEnvironment>,
    /// What the machines are called, by the enrolment that each joins with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) enrolments: Vec<Enrolment>,
}

/// An environment that a machine reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MachineEnvironment {
    /// The project.
    pub(crate) project: Uuid,
    /// The environment.
    pub(crate) environment: Label,
}

/// A machine's name, which the admin who enrolled it chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrolment {
    /// The invitation that it joins by.
    pub(crate) invite: Uuid,
    /// Its name.
    pub(crate) name: Label,
}

/// A shared workspace as this home knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Joined {
    /// Its identity.
    pub(crate) id: Uuid,
    /// The version of its policy.
    pub(crate) version: u64,
    /// Its policy.
    pub(crate) policy: SharedPolicy,
}

impl SharedPolicy {
    /// The policy of a new workspace.
    pub(crate) fn new(name: Label) -> Self {
        Self {
            format: FORMAT,
            name,
            projects: Vec::new(),
            grants: Vec::new(),
            allowlist: None,
            machines: Vec::new(),
            enrolments: Vec::new(),
        }
    }

    /// Reads a policy that the workspace's chain was found to sign.
    ///
    /// # Errors
    /// `policy_invalid` for another form, a field this version does not know, or a reference to nothing.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        let invalid = |why: &'static str| Error::new(ErrorCode::PolicyInvalid, why);
        let policy: Self = serde_json::from_slice(bytes)
            .map_err(|_| invalid("the workspace's policy is not of a form that this version reads"))?;
        let unique = |(at, project): (usize, &Project)| {
            policy.projects[..at].iter().all(|other| other.id != project.id && other.name != project.name)
        };
        let sound = |grant: &Grant| policy.project(grant.project).is_some() && grant.is_sound() && grant.is_portable();
        if policy.format != FORMAT {
            return Err(invalid("the workspace's policy has a later form").with_hint("install the newest agentsecrets"));
        }
        if !policy.projects.iter().enumerate().all(unique) || !policy.grants.iter().all(sound) {
            return Err(invalid("the workspace's policy names a project twice, or grants what no shared grant may"));
        }
        Ok(policy)
    }

    /// The bytes that are sealed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists are always JSON")
    }

    /// The project of this identity.
    pub(crate) fn project(&self, id: Uuid) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// The project of this name.
    ///
    /// # Errors
    /// `project_not_found`.
    pub(crate) fn project_named(&self, name: &Label) -> Result<&Project> {
        self.projects.iter().find(|project| project.name == *name).ok_or_else(|| {
            let message = format!("the workspace {} has no project {name}", self.name);
            Error::new(ErrorCode::ProjectNotFound, message).with_hint(format!("agentsecrets project create {name}"))
        })
    }

    /// The part of it that a machine is given for one project and environment.
    pub(crate) fn narrowed_to(&self, project: Uuid, environment: &Label) -> Self {
        let here = |grant: &&Grant| {
            grant.project == project && grant.terms.environment.as_ref().is_none_or(|only| only == environment)
        };
        Self {
            format: self.format,
            name: self.name.clone(),
            projects: self.projects.iter().filter(|one| one.id == project).cloned().collect(),
            grants: self.grants.iter().filter(here).cloned().collect(),
            allowlist: self.allowlist.clone(),
            machines: vec![MachineEnvironment { project, environment: environment.clone() }],
            enrolments: Vec::new(),
        }
    }

    /// Joins the parts that a machine was given.
    ///
    /// # Errors
    /// `policy_invalid` where they are of different workspaces.
    pub(crate) fn joined(parts: Vec<Self>) -> Result<Option<Self>> {
        let mut parts = parts.into_iter();
        let Some(mut whole) = parts.next() else { return Ok(None) };
        for part in parts {
            if (&part.name, &part.allowlist) != (&whole.name, &whole.allowlist) {
                return Err(Error::new(ErrorCode::PolicyInvalid, "the parts of the workspace's policy do not fit"));
            }
            let new = |one: &Project| whole.projects.iter().all(|other| other.id != one.id);
            let projects: Vec<_> = part.projects.into_iter().filter(new).collect();
            let new = |one: &Grant| whole.grants.iter().all(|other| other.id != one.id);
            let grants: Vec<_> = part.grants.into_iter().filter(new).collect();
            whole.machines.extend(part.machines);
            whole.projects.extend(projects);
            whole.grants.extend(grants);
        }
        Ok(Some(whole))
    }

    /// Adds a grant, in place of one that opens the same thing.
    ///
    /// # Errors
    /// `project_not_found`; `invalid_call` for one that is bound to an agent of this home.
    pub(crate) fn add_grant(&mut self, grant: Grant) -> Result<Change> {
        if self.project(grant.project).is_none() {
            return Err(Error::new(ErrorCode::ProjectNotFound, "the workspace has no such project"));
        }
        if !grant.is_portable() {
            return Err(Error::new(
                ErrorCode::InvalidCall,
                "an agent is registered in one home, and a shared grant is for all",
            )
            .with_hint("leave --agent out, or grant it in a project of your own"));
        }
        let says = format!("{}, for every member of {}", grant.sentence(), self.name);
        self.grants.retain(|other| !other.same_opening(&grant));
        self.grants.push(grant);
        Ok(Change::made(says))
    }

    /// Takes grants away: those of a rule, or all of a secret.
    pub(crate) fn remove_grants(&mut self, project: Uuid, secret: &SecretName, rules: &[Rule]) -> Change {
        let meant = |grant: &Grant| {
            let ruled = rules.is_empty() || rules.contains(&grant.terms.rule);
            grant.project == project && grant.secret == *secret && ruled
        };
        let before = self.grants.len();
        self.grants.retain(|grant| !meant(grant));
        match before - self.grants.len() {
            0 => Change::none(format!("{secret} is granted nothing like this in {}", self.name)),
            count => Change::made(format!("{count} grants of {secret} end for every member of {}", self.name)),
        }
    }

    /// Makes a project.
    ///
    /// # Errors
    /// `invalid_call` where the name is taken.
    pub(crate) fn create_project(&mut self, name: Label) -> Result<(Uuid, Change)> {
        self.is_free(&name)?;
        let id = Uuid::now_v7();
        let change = Change::made(format!("There will be a project {name} in the workspace {}", self.name));
        self.projects.push(Project { id, name });
        Ok((id, change))
    }

    /// Gives a project another name.
    ///
    /// # Errors
    /// `project_not_found`, `invalid_call` where the name is taken.
    pub(crate) fn rename_project(&mut self, name: &Label, to: &Label) -> Result<Change> {
        self.is_free(to)?;
        let id = self.project_named(name)?.id;
        let says = format!("The project {name} of {} will be called {to}", self.name);
        for project in self.projects.iter_mut().filter(|project| project.id == id) {
            project.name = to.clone();
        }
        Ok(Change::made(says))
    }

    /// Takes a project away, and every grant of its secrets.
    ///
    /// # Errors
    /// `project_not_found`.
    pub(crate) fn delete_project(&mut self, name: &Label) -> Result<Change> {
        let id = self.project_named(name)?.id;
        self.projects.retain(|project| project.id != id);
        self.grants.retain(|grant| grant.project != id);
        Ok(Change::made(format!(
            "The project {name} of {} ends, and no member reaches its secrets any more",
            self.name
        )))
    }

    /// Puts an allowlist in place of the old one; none takes it away.
    pub(crate) fn set_allowlist(&mut self, rules: Option<Vec<Rule>>) -> Change {
        if self.allowlist == rules {
            return Change::none(format!("The allowlist of {} says so already", self.name));
        }
        let says = match &rules {
            Some(rules) => {
                let list: Vec<String> = rules.iter().map(Rule::short).collect();
                format!("No secret of {} goes anywhere but to {}", self.name, list.join(", "))
            }
            None => format!("Secrets of {} may go wherever they are granted: its allowlist is taken away", self.name),
        };
        self.allowlist = rules;
        Change::made(says)
    }

    fn is_free(&self, name: &Label) -> Result<()> {
        if self.projects.iter().any(|project| project.name == *name) {
            return Err(Error::new(ErrorCode::InvalidCall, format!("there is a project {name} already"))
                .with_hint(format!("agentsecrets project use {name}")));
        }
        Ok(())
    }
}
