//! What the owner may change in the policy, as the command line asks for it.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::allow_door::AllowDoor;
use super::allowlist_act::AllowlistChange;
use super::egress_act::EgressChange;
use super::limit_act::SetLimit;
use super::link::LinkSecret;
use super::log_settings::LogsChange;
use super::share_act::NewShare;
use super::trust::trust_roots;
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Bound, Change, Document, Grant, Rule, Slot, Terms, Token, parse_expiry, parse_method};
use crate::secret_ref::{Label, SecretName};

/// A change of the policy. Each loosens something, or makes something that loosens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyAct {
    /// A secret may go to places.
    Allow(Allow),
    /// A command or a provider is given a value.
    AllowDoor(AllowDoor),
    /// A secret's value is asked of a command.
    LinkSecret(LinkSecret),
    /// It is not any more.
    UnlinkSecret {
        /// The project.
        project: Label,
        /// The environment.
        environment: Label,
        /// The secret.
        name: SecretName,
    },
    /// Upstream TLS trusts the certificates of this PEM text.
    Trust {
        /// One certificate or more.
        pem: String,
    },
    /// Upstream TLS trusts a certificate no more.
    Untrust {
        /// The certificate's id, or the beginning of one.
        id: String,
    },
    /// The workspace allowlist is another one.
    Allowlist(AllowlistChange),
    /// Calls leave by another way.
    Egress(EgressChange),
    /// There is another project.
    CreateProject {
        /// Its name.
        name: Label,
    },
    /// What was denied here of a shared workspace's secret is lifted.
    Lift {
        /// The project.
        project: Label,
        /// The secret.
        name: SecretName,
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
    /// Evidence is kept in another way.
    Logs(LogsChange),
    /// A directory's project file is believed.
    Link {
        /// The directory.
        directory: PathBuf,
        /// The project.
        project: Label,
    },
    /// A project has one agent more.
    RegisterAgent {
        /// The project.
        project: Label,
        /// The agent's name.
        agent: Label,
    },
    /// A project has one agent less.
    DeleteAgent {
        /// The project.
        project: Label,
        /// The agent's name.
        agent: Label,
    },
    /// A socket is open to others than the home's user.
    Share(NewShare),
    /// Calls are limited.
    Limit(SetLimit),
    /// A limit is taken away.
    Unlimit {
        /// The project.
        project: Label,
        /// The limit's id.
        id: String,
    },
    /// A token that was made is an agent's.
    AddToken {
        /// The project.
        project: Label,
        /// The agent's name.
        agent: Label,
        /// What names the token.
        id: String,
        /// SHA-256 of its text, in hex.
        sha256: String,
        /// When it ends.
        expires: Timestamp,
    },
}

/// The terms of a grant, as typed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Allow {
    /// The project's name.
    pub project: Label,
    /// The secret.
    pub name: SecretName,
    /// Where it may go; each gives a grant.
    pub rules: Vec<String>,
    /// Paths, for rules that carry none.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Places in the request; none means `Authorization`.
    #[serde(default)]
    pub slots: Vec<String>,
    /// Methods; none means any.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The only environment.
    #[serde(default)]
    pub environment: Option<Label>,
    /// For how long: `30d`, `12h`, `90m`.
    #[serde(default)]
    pub expires: Option<String>,
    /// Whether private addresses may be reached.
    #[serde(default)]
    pub private: bool,
    /// Caller's headers permitted besides.
    #[serde(default)]
    pub permit_headers: Vec<String>,
    /// The only agent.
    #[serde(default)]
    pub agent: Option<Label>,
    /// Whether a human approves each call.
    #[serde(default)]
    pub approve: bool,
}

impl PolicyAct {
    /// What is said where the document cannot be read before the passphrase is given.
    pub(crate) fn announced(&self) -> String {
        match self {
            Self::Link { directory, project } => {
                format!("Agents in {} may use the secrets of {project}", directory.display())
            }
            Self::AllowDoor(allow) => {
                format!("The value of {} is given to a command or a provider of this machine", allow.secret())
            }
            Self::LinkSecret(_) => "A secret's value is asked of a command of this machine".to_owned(),
            Self::Lift { name, .. } => format!("What was denied here of {name} is lifted"),
            _ => "This home's own rules for a shared workspace become others".to_owned(),
        }
    }

    /// Applies the act to a document and says what becomes possible.
    ///
    /// # Errors
    /// `invalid_call` for a malformed rule, slot, method or expiry, `project_not_found`.
    pub(crate) fn apply(&self, document: &mut Document, now: Timestamp) -> Result<Vec<Change>> {
        match self {
            Self::Allow(allow) => {
                document.decides_alone()?;
                allow.apply(document, now)
            }
            Self::AllowDoor(allow) => Ok(vec![allow.apply(document, now)?]),
            Self::LinkSecret(link) => Ok(vec![link.apply(document, now)?]),
            Self::UnlinkSecret { project, environment, name } => {
                let project = id_of(document, project)?;
                Ok(vec![document.remove_source(project, environment, name)?])
            }
            Self::Trust { pem } => trust_roots(pem)?.into_iter().map(|root| Ok(document.add_trust(root))).collect(),
            Self::Untrust { id } => Ok(vec![document.remove_trust(id)?]),
            Self::Logs(change) => Ok(document.set_audit(change.applied(&document.audit))),
            Self::Allowlist(change) => {
                document.decides_alone()?;
                change.apply(document)
            }
            Self::Egress(change) => Ok(vec![change.apply(document)?]),
            Self::CreateProject { name } => {
                document.decides_alone()?;
                Ok(vec![document.create_project(name.clone())?.1])
            }
            Self::Lift { project, name } => {
                let id = id_of(document, project)?;
                if document.shared_with(id).is_none() {
                    return Err(Error::new(
                        ErrorCode::InvalidCall,
                        "in the home's own workspace the same rule is allowed again",
                    )
                    .with_hint(format!("agentsecrets allow {name} RULE")));
                }
                Ok(vec![document.lift(id, name)])
            }
            Self::RenameProject { name, to } => {
                document.decides_alone()?;
                Ok(vec![document.rename_project(name, to)?])
            }
            Self::DeleteProject { name } => {
                document.decides_alone()?;
                Ok(vec![document.delete_project(name)?])
            }
            Self::Link { directory, project } => {
                let id = id_of(document, project)?;
                Ok(vec![document.link(directory, id)?])
            }
            Self::RegisterAgent { project, agent } => {
                let project = id_of(document, project)?;
                Ok(vec![document.register_agent(project, agent, now)?])
            }
            Self::DeleteAgent { project, agent } => {
                let project = id_of(document, project)?;
                Ok(vec![document.delete_agent(project, agent)?])
            }
            Self::Share(share) => Ok(vec![share.apply(document, now)?]),
            Self::Limit(limit) => {
                let project = id_of(document, &limit.project)?;
                limit.apply(document, project)
            }
            Self::Unlimit { project, id } => {
                let project = id_of(document, project)?;
                Ok(vec![document.remove_limit(project, id)?])
            }
            Self::AddToken { project, agent, id, sha256, expires } => {
                let project = id_of(document, project)?;
                let token = Token { id: id.clone(), sha256: sha256.clone(), created: now, expires: *expires };
                Ok(vec![document.add_token(project, agent, &token)?])
            }
        }
    }
}

impl Allow {
    /// Reads the terms without a document, so that a mistyped rule is said before a passphrase is asked for.
    ///
    /// # Errors
    /// `invalid_call`.
    pub fn check(&self) -> Result<()> {
        self.terms(Timestamp::now()).map(|_| ())
    }

    /// The grants for a project of a shared workspace, where no agent of one home is known.
    pub(super) fn grants(&self, project: uuid::Uuid, now: Timestamp) -> Result<Vec<Grant>> {
        if self.agent.is_some() {
            return Err(Error::new(
                ErrorCode::InvalidCall,
                "an agent is registered in one home, and a shared grant is for every member",
            )
            .with_hint("leave --agent out, or grant it in a project of your own"));
        }
        self.terms(now)?.into_iter().map(|terms| Grant::new(project, self.name.clone(), terms, now)).collect()
    }

    fn apply(&self, document: &mut Document, now: Timestamp) -> Result<Vec<Change>> {
        let project = id_of(document, &self.project)?;
        let agent = self.agent.as_ref().map(|name| document.agent(project, name).map(Bound::from)).transpose()?;
        let grant = |terms: Terms| {
            let terms = Terms { agent: agent.clone(), ..terms };
            document.add_grant(Grant::new(project, self.name.clone(), terms, now)?)
        };
        self.terms(now)?.into_iter().map(grant).collect()
    }

    fn terms(&self, now: Timestamp) -> Result<Vec<Terms>> {
        if self.rules.is_empty() {
            return Err(Error::new(ErrorCode::InvalidCall, "no destination is named")
                .with_hint(format!("agentsecrets allow {} api.example.com", self.name)));
        }
        let mut terms = Vec::new();
        for text in &self.rules {
            let rule = Rule::parse(text)?;
            let rules = if self.paths.is_empty() {
                vec![rule]
            } else {
                self.paths.iter().map(|path| rule.with_path(path)).collect::<Result<Vec<_>>>()?
            };
            for rule in rules {
                terms.push(self.terms_of(rule, now)?);
            }
        }
        Ok(terms)
    }

    fn terms_of(&self, rule: Rule, now: Timestamp) -> Result<Terms> {
        let slots = self.slots.iter().map(|text| Slot::parse(text)).collect::<Result<Vec<_>>>()?;
        let terms = Terms {
            methods: self.methods.iter().map(|text| parse_method(text)).collect::<Result<_>>()?,
            environment: self.environment.clone(),
            expires: self.expires.as_deref().map(|text| parse_expiry(text, now)).transpose()?,
            private: self.private,
            approve: self.approve,
            permit_headers: self
                .permit_headers
                .iter()
                .map(|name| crate::call::parse_header_name(name))
                .collect::<Result<_>>()?,
            ..Terms::new(rule).with_slots(slots)
        };
        // Made and dropped: a grant's own rules are checked before anybody is asked for a passphrase.
        Grant::new(uuid::Uuid::nil(), self.name.clone(), terms, now).map(|grant| grant.terms)
    }
}

pub(super) fn id_of(document: &Document, project: &Label) -> Result<uuid::Uuid> {
    document.project_meant(project).map(|found| found.id)
}
