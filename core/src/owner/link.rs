//! The owner's acts on linked secrets: whose value is asked of which command.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::acts::id_of;
use crate::error::{Error, ErrorCode, Result};
use crate::policy::{Change, Document, Source, SourceTerms, parse_lifetime};
use crate::release;
use crate::secret_ref::{Label, SecretName};

/// A link, as typed, with the command as it is at that moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LinkSecret {
    project: Label,
    environment: Label,
    name: SecretName,
    terms: SourceTerms,
    replaces: bool,
}

/// What is asked of which command, as typed.
#[derive(Clone, Debug)]
pub struct LinkTerms {
    /// What the manager calls the value.
    pub id: String,
    /// Whether the command prints the value alone.
    pub plain: bool,
    /// The command's words.
    pub argv: Vec<String>,
    /// The names of variables it is passed.
    pub variables: Vec<String>,
    /// For how long a value is held: `15m`.
    pub lifetime: Option<String>,
}

impl LinkSecret {
    /// Pins a command as it is now. Relative names are of `directory`; the program is looked for in `search`, which the
    /// command will have as its `PATH`, as it will have `home` as its `HOME`.
    ///
    /// # Errors
    /// `invalid_call` for a program that is not there, an interpreter whose code is in no file, a variable that would
    /// choose code, and a lifetime over a day.
    pub fn new(
        place: (Label, Label),
        name: SecretName,
        typed: LinkTerms,
        directory: &Path,
        surroundings: (Option<&str>, Option<&str>),
    ) -> Result<Self> {
        let LinkTerms { id, plain, argv, mut variables, lifetime } = typed;
        variables.sort();
        variables.dedup();
        variables.retain(|name| !["HOME", "LANG", "PATH"].contains(&name.as_str()));
        if let Some(name) = variables.iter().find(|name| release::bends(name)) {
            return Err(Error::new(ErrorCode::InvalidCall, format!("the variable {name} chooses what code runs")));
        }
        let (search, home) = surroundings;
        let command = release::pin_command(argv, directory, search).map_err(named_here)?;
        let lifetime = parse_lifetime(lifetime.as_deref())?;
        let home = home.unwrap_or("/").to_owned();
        let terms = SourceTerms { id, plain, command, variables, home, lifetime };
        terms.check()?;
        let (project, environment) = place;
        Ok(Self { project, environment, name, terms, replaces: false })
    }

    /// The same, saying that a stored value is deleted for it.
    #[must_use]
    pub fn replacing(mut self, replaces: bool) -> Self {
        self.replaces = replaces;
        self
    }

    pub(super) fn apply(&self, document: &mut Document, now: Timestamp) -> Result<Change> {
        let project = id_of(document, &self.project)?;
        let source = Source {
            id: Uuid::now_v7(),
            project,
            environment: self.environment.clone(),
            secret: self.name.clone(),
            terms: self.terms.clone(),
            created: now,
        };
        document.add_source(source, self.replaces)
    }
}

/// Why a command cannot be pinned, with what to write in this command.
fn named_here(error: Error) -> Error {
    error.with_hint("name an executable file and every file of its code: -- /path/to/program ARG…")
}
