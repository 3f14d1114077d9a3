//! What an agent chose last: unsigned, as it only chooses among what the owner linked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;
use crate::secret_ref::Label;
use crate::store::{HomeLock, atomic};

const FILE: &str = "state.json";
const MAX_STATE: u64 = 1 << 20;

/// The environment in use, by project.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct State {
    #[serde(default)]
    environments: BTreeMap<Uuid, Label>,
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

    /// Remembers a choice.
    pub(crate) fn choose(home: &Home, project: Uuid, environment: Label) -> Result<()> {
        let _lock = HomeLock::acquire(home.root())?;
        let mut state = Self::read(home);
        state.environments.insert(project, environment);
        let text =
            serde_json::to_vec(&state).map_err(|_| Error::new(ErrorCode::Internal, "state.json cannot be written"))?;
        atomic::write(&home.file(FILE), &text)
    }
}
