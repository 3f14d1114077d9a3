//! What an agent chose last: unsigned, as it only chooses among what the owner linked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;
use crate::secret_ref::Label;
use crate::store::{HomeLock, atomic};

pub(super) const FILE: &str = "state.json";
const MAX_STATE: u64 = 1 << 20;

/// The environment in use, by project, the project in use, by directory, and the workspace in use.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct State {
    #[serde(default)]
    environments: BTreeMap<Uuid, Label>,
    #[serde(default)]
    projects: BTreeMap<PathBuf, Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workspace: Option<Uuid>,
}

impl State {
    /// What was chosen; nothing where the file is missing or damaged, as nothing else depends on it.
    pub(crate) fn read(home: &Home) -> Self {
        let read = atomic::read_private(&home.file(FILE), MAX_STATE).ok().flatten();
        read.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    pub(crate) fn environment(&self, project: Uuid) -> Option<Label> {
        self.environments.get(&project).cloned()
    }

    pub(crate) fn project(&self, directory: &Path) -> Option<Uuid> {
        self.projects.get(directory).copied()
    }

    pub(crate) fn workspace(&self) -> Option<Uuid> {
        self.workspace
    }

    /// Remembers the workspace in use.
    pub(crate) fn choose_workspace(home: &Home, workspace: Uuid) -> Result<()> {
        Self::remember(home, |state| state.workspace = Some(workspace))
    }

    /// Remembers an environment.
    pub(crate) fn choose(home: &Home, project: Uuid, environment: Label) -> Result<()> {
        Self::remember(home, |state| {
            state.environments.insert(project, environment);
        })
    }

    /// Remembers a directory's project.
    pub(crate) fn choose_project(home: &Home, directory: &Path, project: Uuid) -> Result<()> {
        Self::remember(home, |state| {
            state.projects.insert(directory.to_owned(), project);
        })
    }

    fn remember(home: &Home, choice: impl FnOnce(&mut Self)) -> Result<()> {
        let _lock = HomeLock::acquire(home.root())?;
        let mut state = Self::read(home);
        choice(&mut state);
        let text =
            serde_json::to_vec(&state).map_err(|_| Error::new(ErrorCode::Internal, "state.json cannot be written"))?;
        atomic::write(&home.file(FILE), &text)
    }
}
