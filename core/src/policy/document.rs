//! The policy document: what the owner signs, and the acts that change it.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::agent::Agent;
use super::beside::{Beside, Lift};
use super::door::Door;
use super::egress::Egress;
use super::grant::Grant;
use super::limit::Limit;
use super::rule::Rule;
use super::share::Share;
use super::source::Source;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::Label;

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
    /// Which value is given to which command or provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) doors: Vec<Door>,
    /// The coarser gate: once made, it binds.
    pub(crate) allowlist: Option<Vec<Rule>>,
    /// Extra roots for upstream TLS.
    pub(crate) trust: Vec<TrustRoot>,
    /// The proxy that public calls leave by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) egress: Option<Egress>,
    /// How evidence is kept.
    pub(crate) audit: AuditSettings,
    /// The project where nothing else chooses one.
    pub(crate) default_project: Uuid,
    /// Who may call, in the projects where that is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) agents: Vec<Agent>,
    /// How many calls may be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) limits: Vec<Limit>,
    /// Which secret's value is asked of which command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sources: Vec<Source>,
    /// Of which secrets of shared workspaces the owner has lifted this home's denials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lifts: Vec<Lift>,
    /// At which sockets others than the home's user may ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shares: Vec<Share>,
    /// The shared workspaces whose projects and grants are among these; never signed with them.
    #[serde(skip)]
    pub(crate) shared: Vec<Beside>,
    /// The shared workspace whose projects an act names; the home's own where none is said.
    #[serde(skip)]
    pub(crate) acting_in: Option<Uuid>,
    /// Whether the home has no owner, who could link anything.
    #[serde(skip)]
    pub(crate) ownerless: bool,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
            doors: Vec::new(),
            allowlist: None,
            trust: Vec::new(),
            egress: None,
            audit: AuditSettings::default(),
            agents: Vec::new(),
            limits: Vec::new(),
            sources: Vec::new(),
            lifts: Vec::new(),
            shares: Vec::new(),
            shared: Vec::new(),
            acting_in: None,
            ownerless: false,
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
    #[cfg(test)]
    pub(crate) fn linked(&self, directory: &Path) -> Option<&Project> {
        let link = |above: &Path| self.links.iter().find(|link| Path::new(&link.directory) == above);
        self.project(directory.ancestors().find_map(link)?.project)
    }

    /// Whether the project is the default one, linked to any directory, or of a workspace that a human joined, so that it
    /// may be chosen without asking.
    pub(crate) fn is_linked(&self, project: Uuid) -> bool {
        self.default_project == project
            || self.links.iter().any(|link| link.project == project)
            || self.shared_with(project).is_some()
    }

    /// Every name is there once, and what opens something leads somewhere. A link, an agent, a limit, a door or a source may be
    /// of a shared workspace, whose projects are not among these, and one that was left leads nowhere.
    pub(crate) fn check(&self) -> Result<()> {
        let known = |id: Uuid| self.project(id).is_some();
        let unique = |(at, project): (usize, &Project)| {
            self.projects[..at].iter().all(|other| other.id != project.id && other.name != project.name)
        };
        if !self.projects.iter().enumerate().all(unique) {
            return Err(invalid("the policy has a project twice"));
        }
        if !known(self.default_project) {
            return Err(invalid("the policy begins with a project it does not have"));
        }
        if !self.grants.iter().all(|grant| known(grant.project) && grant.is_sound()) {
            return Err(invalid("the policy has a grant of no project, or one that opens what no grant may"));
        }
        if !self.agents_are_sound() {
            return Err(invalid("the policy has an agent twice, or grants something to one it does not have"));
        }
        if !self.limits_are_sound() {
            return Err(invalid("the policy limits what it does not have"));
        }
        if !self.egress_is_sound() {
            return Err(invalid("the policy opens its proxy with a secret of no project"));
        }
        if !self.shares_are_sound() {
            return Err(invalid("the policy shares a socket twice, or with no agent it has"));
        }
        if !self.sources_are_sound() {
            return Err(invalid("the policy links a secret twice, or to what cannot be asked"));
        }
        Ok(())
    }
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::PolicyInvalid, message)
}
