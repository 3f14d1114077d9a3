//! The policy document: what the owner signs, and the acts that change it.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::change::{Change, no_longer};
use super::grant::Grant;
use super::rule::Rule;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

/// The form of the document this version writes, and the newest it reads.
const FORMAT: u32 = 1;

/// Everything the owner has decided about a home. Reading does not verify: the owner's side has, before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    /// The form of the document.
    pub(crate) format: u32,
    /// The home it belongs to.
    pub(crate) home: Uuid,
    /// Grows by one with each signature.
    pub(crate) serial: u64,
    /// When it was signed last.
    pub(crate) signed_at: Timestamp,
    /// The workspace.
    pub(crate) workspace: Workspace,
    /// The projects.
    pub(crate) projects: Vec<Project>,
    /// Which directory works on which project.
    pub(crate) links: Vec<Link>,
    /// Which secret may go where.
    pub(crate) grants: Vec<Grant>,
    /// The coarser gate: once made, it binds.
    pub(crate) allowlist: Option<Vec<Rule>>,
    /// Extra roots for upstream TLS.
    pub(crate) trust: Vec<TrustRoot>,
    /// How evidence is kept.
    pub(crate) audit: AuditSettings,
    /// The project where nothing else chooses one.
    pub(crate) default_project: Uuid,
}

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workspace {
    /// Its identity, which a new name does not change.
    pub(crate) id: Uuid,
    /// Its name.
    pub(crate) name: Label,
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Project {
    /// Its identity, which a new name does not change.
    pub(crate) id: Uuid,
    /// Its name, once in the workspace.
    pub(crate) name: Label,
}

/// A directory and the project that a human chose for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    /// The absolute path, as the file system resolves it.
    pub(crate) directory: String,
    /// The project.
    pub(crate) project: Uuid,
}

/// A certificate that upstream TLS trusts beside the platform's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustRoot {
    /// SHA-256 of the certificate's DER, in hex.
    pub(crate) id: String,
    /// The certificate.
    pub(crate) pem: String,
    /// Whom it names.
    pub(crate) subject: String,
}

/// How evidence is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditSettings {
    /// Whether a record is on the disk before the call is sent.
    pub(crate) durable: bool,
    /// Where the chain's head is noted outside the home, beside the running broker.
    pub(crate) anchor: Option<Anchor>,
}

/// A place outside the home for the chain's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Anchor {
    /// The systemd journal.
    Journald,
    /// The system log.
    Syslog,
    /// A descriptor given at the start.
    Fd,
}

impl Document {
    /// The document of a new home with one project.
    pub(crate) fn new(home: Uuid, workspace: Label, project: Label, now: Timestamp) -> Self {
        let project = Project { id: Uuid::now_v7(), name: project };
        Self {
            format: FORMAT,
            home,
            serial: 1,
            signed_at: now,
            workspace: Workspace { id: Uuid::now_v7(), name: workspace },
            default_project: project.id,
            projects: vec![project],
            links: Vec::new(),
            grants: Vec::new(),
            allowlist: None,
            trust: Vec::new(),
            audit: AuditSettings::default(),
        }
    }

    /// Reads a document whose signature has been verified.
    ///
    /// # Errors
    /// `policy_invalid` for a newer form, a field this version does not know, or a reference to nothing.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let broken = |why: serde_json::Error| invalid(format!("the policy does not parse: {why}"));
        let form: Form = serde_json::from_slice(bytes).map_err(broken)?;
        if form.format != FORMAT {
            return Err(invalid(format!("the policy has form {}, and this version reads form {FORMAT}", form.format))
                .with_hint("install the newest agentsecrets"));
        }
        let document: Self = serde_json::from_slice(bytes).map_err(broken)?;
        document.check()?;
        Ok(document)
    }

    /// The bytes that are signed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and lists are always JSON")
    }

    /// Takes the next serial, for the next signature.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.serial += 1;
        self.signed_at = now;
    }

    /// The project of this name.
    pub(crate) fn project_named(&self, name: &Label) -> Option<&Project> {
        self.projects.iter().find(|project| project.name == *name)
    }

    /// The project of this identity.
    pub(crate) fn project(&self, id: Uuid) -> Option<&Project> {
        self.projects.iter().find(|project| project.id == id)
    }

    /// The project that a human chose for the directory or the nearest one above it.
    pub(crate) fn linked(&self, directory: &Path) -> Option<&Project> {
        let link = |above: &Path| self.links.iter().find(|link| Path::new(&link.directory) == above);
        self.project(directory.ancestors().find_map(link)?.project)
    }

    /// Whether the project is the default one or linked to any directory, so that it may be chosen without asking.
    pub(crate) fn is_linked(&self, project: Uuid) -> bool {
        self.default_project == project || self.links.iter().any(|link| link.project == project)
    }

    /// Every reference leads somewhere, every name is there once.
    fn check(&self) -> Result<()> {
        let known = |id: Uuid| self.project(id).is_some();
        let unique = |(at, project): (usize, &Project)| {
            self.projects[..at].iter().all(|other| other.id != project.id && other.name != project.name)
        };
        if !self.projects.iter().enumerate().all(unique) {
            return Err(invalid("the policy has a project twice"));
        }
        if !known(self.default_project) || !self.links.iter().all(|link| known(link.project)) {
            return Err(invalid("the policy links a project it does not have"));
        }
        if !self.grants.iter().all(|grant| known(grant.project) && grant.is_sound()) {
            return Err(invalid("the policy has a grant of no project, or one that opens what no grant may"));
        }
        Ok(())
    }
}

/// The owner's acts. Each changes the document and says what becomes possible.
impl Document {
    /// Adds a grant. One that opens the same thing is replaced, so that a new expiry takes the place of the old.
    ///
    /// # Errors
    /// `project_not_found` where the grant's project is none of this document.
    pub(crate) fn add_grant(&mut self, grant: Grant) -> Result<Change> {
        if self.project(grant.project).is_none() {
            return Err(no_project());
        }
        let says = grant.sentence();
        let before = self.grants.len();
        self.grants.retain(|other| !other.same_opening(&grant));
        let says = if self.grants.len() < before { format!("{says} (as before)") } else { says };
        self.grants.push(grant);
        Ok(Change::made(says))
    }

    /// Takes back the grants of a secret for one rule, or all of them.
    pub(crate) fn remove_grants(&mut self, project: Uuid, secret: &SecretName, rule: Option<&Rule>) -> Change {
        let taken = |grant: &Grant| {
            grant.project == project && grant.secret == *secret && rule.is_none_or(|rule| grant.terms.rule == *rule)
        };
        self.take(secret, taken)
    }

    /// Takes back one grant.
    pub(crate) fn remove_grant(&mut self, id: Uuid) -> Change {
        match self.grants.iter().find(|grant| grant.id == id).map(|grant| grant.secret.clone()) {
            Some(secret) => self.take(&secret, |grant| grant.id == id),
            None => Change::none("There is no such grant"),
        }
    }

    fn take(&mut self, secret: &SecretName, taken: impl Fn(&Grant) -> bool) -> Change {
        let (gone, kept): (Vec<Grant>, _) = self.grants.drain(..).partition(taken);
        self.grants = kept;
        match &gone[..] {
            [] => Change::none(format!("{secret} has no such grant")),
            gone => Change::made(no_longer(secret, gone)),
        }
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
        let says = format!("Agents in {} may use the secrets of {name}", super::change::shown(&link.directory));
        self.links.retain(|other| other.directory != link.directory);
        self.links.push(link);
        Ok(Change::made(says))
    }

    /// Trusts a certificate for upstream TLS.
    pub(crate) fn add_trust(&mut self, root: TrustRoot) -> Change {
        if self.trust.iter().any(|other| other.id == root.id) {
            return Change::none(format!("The certificate {} is trusted already", short_id(&root.id)));
        }
        let subject = super::change::shown(&root.subject);
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
        Ok(Change::made(format!("{} is trusted no more", super::change::shown(&root.subject))))
    }
}

fn short_id(id: &str) -> &str {
    id.get(..16).unwrap_or(id)
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::PolicyInvalid, message)
}

fn no_project() -> Error {
    Error::new(ErrorCode::ProjectNotFound, "the policy has no such project")
}
