//! The owner's act that opens a door: a command or a provider is given a value.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::acts::id_of;
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Change, Document, Door, Opening, parse_expiry};
use crate::release;
use crate::secret_ref::{Label, SecretName};

/// A door, as typed, with the command as it is at that moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AllowDoor {
    project: Label,
    name: SecretName,
    opening: Opening,
    environment: Option<Label>,
    expires: Option<String>,
    #[serde(default)]
    approve: bool,
}

impl AllowDoor {
    /// The secret.
    pub(super) fn secret(&self) -> &SecretName {
        &self.name
    }

    /// A door for a command: every word of it, its program and the files it names, by their content now. Relative
    /// names are of `directory`, and the program is looked for in `search`, which the command will have as its `PATH`.
    ///
    /// # Errors
    /// `invalid_call` for a program that is not there, an interpreter whose code is in no file, and a name that as a
    /// variable would choose code.
    pub fn command(
        project: Label,
        name: SecretName,
        argv: Vec<String>,
        directory: &Path,
        search: Option<&str>,
    ) -> Result<Self> {
        if release::bends(name.as_str()) {
            return Err(Error::new(ErrorCode::InvalidCall, format!("as a variable {name} chooses what code runs"))
                .with_hint("store the value under another name"));
        }
        let command = release::pin_command(argv, directory, search)?;
        Ok(Self { project, name, opening: Opening::Command(command), environment: None, expires: None, approve: false })
    }

    /// A door for an exec provider.
    #[must_use]
    pub fn provider(project: Label, name: SecretName, provider: Label) -> Self {
        Self { project, name, opening: Opening::Provider(provider), environment: None, expires: None, approve: false }
    }

    /// The same in one environment only.
    #[must_use]
    pub fn in_environment(mut self, environment: Option<Label>) -> Self {
        self.environment = environment;
        self
    }

    /// The same for a time: `30d`, `12h`, `90m`.
    ///
    /// # Errors
    /// `invalid_call` for anything else.
    pub fn for_a_time(mut self, expires: Option<String>) -> Result<Self> {
        expires.as_deref().map(|text| parse_expiry(text, Timestamp::now())).transpose()?;
        self.expires = expires;
        Ok(self)
    }

    /// The same where a human approves each use.
    #[must_use]
    pub fn with_approval(mut self, approve: bool) -> Self {
        self.approve = approve;
        self
    }

    pub(super) fn apply(&self, document: &mut Document, now: Timestamp) -> Result<Change> {
        let project = id_of(document, &self.project)?;
        document.add_door(Door {
            id: Uuid::now_v7(),
            project,
            secret: self.name.clone(),
            opening: self.opening.clone(),
            environment: self.environment.clone(),
            expires: self.expires.as_deref().map(|text| parse_expiry(text, now)).transpose()?,
            approve: self.approve,
            created: now,
            serial: 0,
        })
    }
}
