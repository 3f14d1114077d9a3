//! The owner's acts. Each changes the document and says what becomes possible; signing it is done by whoever holds the key.

use std::path::Path;

use uuid::Uuid;

use super::change::{Change, shown};
use super::document::{Anchor, AuditSettings, Document, Link, Project, TrustRoot};
use super::grant::Grant;
use super::rule::Rule;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

impl Document {
    /// Adds a grant. One that opens the same thing is replaced, so that a new expiry takes the place of the old.
    ///
    /// # Errors
    /// `project_not_found` where the grant's project is none of this document.
    pub(crate) fn add_grant(&mut self, grant: Grant) -> Result<Change> {
        if self.project(grant.project).is_none() {
            return Err(no_project());
        }
        // The serial this document will be signed with.
        let grant = Grant { serial: self.serial + 1, ..grant };
        let says = grant.sentence();
        let before = self.grants.len();
        self.grants.retain(|other| !other.same_opening(&grant));
        let says = if self.grants.len() < before { format!("{says} (as before)") } else { says };
        self.grants.push(grant);
        Ok(Change::made(says))
    }

    /// Makes a project.
    ///
    /// # Errors
    /// `invalid_call` where the name is taken.
    pub(crate) fn create_project(&mut self, name: Label) -> Result<(Uuid, Change)> {
        if self.project_named(&name).is_some() {
            return Err(Error::new(ErrorCode::InvalidCall, format!("there is a project {name} already"))
                .with_hint(format!("agentsecrets project use {name}")));
        }
        let id = Uuid::now_v7();
        let change = Change::made(format!("There will be a project {name}"));
        self.projects.push(Project { id, name });
        Ok((id, change))
    }

    /// Gives a project another name.
    ///
    /// # Errors
    /// `project_not_found`, `invalid_call` where the name is taken.
    pub(crate) fn rename_project(&mut self, name: &Label, to: &Label) -> Result<Change> {
        let id = self.project_meant(name)?.id;
        if self.project_named(to).is_some() {
            return Err(Error::new(ErrorCode::InvalidCall, format!("there is a project {to} already")));
        }
        for project in self.projects.iter_mut().filter(|project| project.id == id) {
            project.name = to.clone();
        }
        Ok(Change::made(format!("The project {name} will be called {to}")))
    }

    /// Takes a project away, with everything that is said of it.
    ///
    /// # Errors
    /// `project_not_found`; `invalid_call` for the one that the home began with.
    pub(crate) fn delete_project(&mut self, name: &Label) -> Result<Change> {
        let id = self.project_meant(name)?.id;
        if id == self.default_project {
            return Err(Error::new(
                ErrorCode::InvalidCall,
                format!("{name} is the project in use wherever no other is, and stays"),
            )
            .with_hint(format!("agentsecrets project update {name} --name OTHER")));
        }
        if self.egress.as_ref().and_then(|egress| egress.login.as_ref()).is_some_and(|login| login.project == id) {
            return Err(Error::new(ErrorCode::InvalidCall, format!("the proxy's login is a secret of {name}"))
                .with_hint("agentsecrets egress proxy remove"));
        }
        self.projects.retain(|project| project.id != id);
        self.links.retain(|link| link.project != id);
        self.grants.retain(|grant| grant.project != id);
        self.doors.retain(|door| door.project != id);
        self.limits.retain(|limit| limit.subject.project != id);
        self.sources.retain(|source| source.project != id);
        let agents: Vec<_> = self.agents.iter().filter(|agent| agent.project == id).map(|agent| agent.id).collect();
        self.shares.retain(|share| share.agent.as_ref().is_none_or(|bound| !agents.contains(&bound.id)));
        self.agents.retain(|agent| agent.project != id);
        Ok(Change::made(format!("The project {name} ends, with its grants, agents, limits and links")))
    }

    /// Keeps evidence in another way; says each thing that differs.
    pub(crate) fn set_audit(&mut self, settings: AuditSettings) -> Vec<Change> {
        let before = std::mem::replace(&mut self.audit, settings);
        let mut changes = Vec::new();
        if before.durable != settings.durable {
            changes.push(Change::made(if settings.durable {
                "A call is sent only when its record is on the disk"
            } else {
                "A call is sent while its record is on the way to the disk: a power failure can take 100 ms of them"
            }));
        }
        if before.anchor != settings.anchor {
            changes.push(Change::made(match settings.anchor {
                Some(Anchor::Journald) => "The end of the log is noted in the journal of the system",
                Some(Anchor::Syslog) => "The end of the log is noted in the system's log",
                None => "The end of the log is noted nowhere outside the home",
            }));
        }
        if changes.is_empty() { vec![Change::none("The log is kept so already")] } else { changes }
    }

    /// Links a directory to a project, in place of the one it was linked to.
    ///
    /// # Errors
    /// `project_not_found` for no project of this document, `invalid_call` for a path that is relative or not UTF-8.
    pub(crate) fn link(&mut self, directory: &Path, project: Uuid) -> Result<Change> {
        let name = self.project(project).ok_or_else(no_project)?.name.clone();
        let directory = match directory.to_str() {
            Some(text) if directory.is_absolute() => text.to_owned(),
            _ => return Err(Error::new(ErrorCode::InvalidCall, "a linked directory has an absolute path of UTF-8")),
        };
        let link = Link { directory, project };
        if self.links.contains(&link) {
            return Ok(Change::none(format!("The directory works on {name} already")));
        }
        let says = format!("Agents in {} may use the secrets of {name}", shown(&link.directory));
        self.links.retain(|other| other.directory != link.directory);
        self.links.push(link);
        Ok(Change::made(says))
    }

    /// Trusts a certificate for upstream TLS.
    pub(crate) fn add_trust(&mut self, root: TrustRoot) -> Change {
        if self.trust.iter().any(|other| other.id == root.id) {
            return Change::none(format!("The certificate {} is trusted already", short_id(&root.id)));
        }
        let subject = shown(&root.subject);
        let says = format!("Whoever holds the key of {subject} ({}) may pass for any host", short_id(&root.id));
        self.trust.push(root);
        Change::made(says)
    }

    /// Trusts a certificate no more; `id` may be a beginning of eight digits or more.
    ///
    /// # Errors
    /// `invalid_call` where no certificate, or more than one, has an id that begins so.
    pub(crate) fn remove_trust(&mut self, id: &str) -> Result<Change> {
        let named = |root: &&TrustRoot| id.len() >= 8 && root.id.starts_with(&id.to_ascii_lowercase());
        let found: Vec<TrustRoot> = self.trust.iter().filter(named).cloned().collect();
        let [root] = &found[..] else {
            return Err(Error::new(ErrorCode::InvalidCall, "not one trusted certificate has this id")
                .with_hint("agentsecrets trust list  # the ids there are"));
        };
        self.trust.retain(|other| other.id != root.id);
        Ok(Change::made(format!("{} is trusted no more", shown(&root.subject))))
    }
}

fn short_id(id: &str) -> &str {
    id.get(..16).unwrap_or(id)
}

fn no_project() -> Error {
    Error::new(ErrorCode::ProjectNotFound, "the policy has no such project")
}
