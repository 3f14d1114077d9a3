//! The index: which record is the current version of which name. One sealed file, replaced as a whole.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::base::Base;
use super::{RecordId, atomic};
use crate::crypto::binding::Binding;
use crate::crypto::envelope;
use crate::crypto::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{Label, SecretName};

const NAME: &str = "index.sealed";
/// Room for more than a hundred thousand names.
pub(super) const MAX_INDEX: u64 = 64 << 20;

/// A project and an environment in it: where a name is unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The workspace's id, which sealed records are bound to.
    pub(crate) workspace: Uuid,
    /// The project's id.
    pub(crate) project: Uuid,
    /// The environment's name.
    pub(crate) environment: Label,
}

/// What the index says of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The record that holds the current value.
    #[serde(rename = "r")]
    pub(crate) record: RecordId,
    /// Counts up from 1 with every value the name gets.
    #[serde(rename = "v")]
    pub(crate) version: u64,
    /// When the name got its first value, in seconds.
    #[serde(rename = "c")]
    created: i64,
    /// When it got its current one.
    #[serde(rename = "u")]
    updated: i64,
    /// Whether the value is shorter than is safe, on the owner's word.
    #[serde(rename = "w", default, skip_serializing_if = "is_false")]
    pub(crate) weak: bool,
    /// What the members of a shared workspace have of it, as far as that was seen.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<Base>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_false(weak: &bool) -> bool {
    !weak
}

impl Entry {
    /// The entry of a new value, after `before` where the name had one.
    pub(super) fn after(before: Option<&Self>, record: RecordId, weak: bool) -> Self {
        let now = Timestamp::now().as_second();
        Self {
            record,
            version: before.map_or(1, |entry| entry.version + 1),
            created: before.map_or(now, |entry| entry.created),
            updated: now,
            weak,
            base: before.and_then(|entry| entry.base).map(Base::changed),
        }
    }

    /// The same value, with what the members of its workspace have.
    pub(super) fn beside(self, base: Base) -> Self {
        Self { base: Some(base), ..self }
    }

    /// When the name got its first value.
    pub(crate) fn created(&self) -> Timestamp {
        Timestamp::from_second(self.created).unwrap_or_default()
    }

    /// When it got its current one.
    pub(crate) fn updated(&self) -> Timestamp {
        Timestamp::from_second(self.updated).unwrap_or_default()
    }
}

type Names = BTreeMap<SecretName, Entry>;
/// Workspace, project, environment.
type Places<T> = BTreeMap<Uuid, BTreeMap<Uuid, BTreeMap<Label, T>>>;

/// The index as it was read.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    /// Counts up with every replacement.
    generation: u64,
    names: Places<Names>,
    /// Names that have no value any more and that the members of a shared workspace had, or have yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    gone: Places<BTreeMap<SecretName, Base>>,
}

impl Index {
    /// Reads and opens the index of a home.
    ///
    /// # Errors
    /// `store_corrupted` where it is gone or does not open; nothing is put in its place.
    pub(super) fn load(home: &Path, home_id: Uuid, key: &SubKey) -> Result<Self> {
        let path = path(home);
        let gone = || {
            Error::new(ErrorCode::StoreCorrupted, format!("the index {} is gone", path.display()))
                .with_hint("agentsecrets restore FILE  # a backup of yours")
        };
        let sealed = atomic::read_private(&path, MAX_INDEX)?.ok_or_else(gone)?;
        Self::parse(&sealed, home_id, key)
    }

    /// Opens a sealed index.
    ///
    /// # Errors
    /// `store_corrupted`.
    pub(super) fn parse(sealed: &[u8], home_id: Uuid, key: &SubKey) -> Result<Self> {
        let damaged = |_| {
            let message = "the home's index does not open: it was altered, or the use key is another's";
            Error::new(ErrorCode::StoreCorrupted, message)
                .with_hint("agentsecrets restore FILE  # a backup of yours; nothing was overwritten")
        };
        let opened = envelope::open(key, &binding(home_id), sealed).map_err(damaged)?;
        serde_json::from_slice(opened.as_slice())
            .map_err(|_| Error::new(ErrorCode::StoreCorrupted, "the index was written by a later version"))
    }

    /// Seals the index and replaces the file.
    pub(super) fn save(&mut self, home: &Path, home_id: Uuid, key: &SubKey) -> Result<()> {
        self.generation += 1;
        let text = serde_json::to_vec(self)
            .map_err(|_| Error::new(ErrorCode::Internal, "the index cannot be written down"))?;
        atomic::write(&path(home), &envelope::seal(key, &binding(home_id), &text)?)
    }

    /// How often the index was replaced.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// What it says of a name.
    pub(crate) fn get(&self, place: &Place, name: &SecretName) -> Option<&Entry> {
        self.names_of(place)?.get(name)
    }

    /// The names of a place, in their order.
    pub(crate) fn list(&self, place: &Place) -> impl Iterator<Item = (&SecretName, &Entry)> {
        self.names_of(place).into_iter().flatten()
    }

    /// The places that hold names.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        self.names.iter().flat_map(|(workspace, projects)| {
            projects.iter().flat_map(|(project, environments)| {
                environments.keys().map(|environment| Place {
                    workspace: *workspace,
                    project: *project,
                    environment: environment.clone(),
                })
            })
        })
    }

    /// Every record that is current.
    pub(super) fn record_set(&self) -> HashSet<RecordId> {
        let names = self.names.values().flat_map(BTreeMap::values).flat_map(BTreeMap::values);
        names.flat_map(BTreeMap::values).map(|entry| entry.record).collect()
    }

    /// Sets what it says of a name, and gives what it said before.
    pub(super) fn put(&mut self, place: &Place, name: SecretName, mut entry: Entry) -> Option<Entry> {
        if let Some(base) = self.gone_in(place).and_then(|names| names.remove(&name)) {
            entry.base.get_or_insert(base.changed());
        }
        let projects = self.names.entry(place.workspace).or_default();
        let environments = projects.entry(place.project).or_default();
        environments.entry(place.environment.clone()).or_default().insert(name, entry)
    }

    /// Forgets a name, and gives what was said of it.
    pub(super) fn delete(&mut self, place: &Place, name: &SecretName) -> Option<Entry> {
        let environments = self.names.get_mut(&place.workspace)?.get_mut(&place.project)?;
        let names = environments.get_mut(&place.environment)?;
        let entry = names.remove(name);
        if names.is_empty() {
            environments.remove(&place.environment);
        }
        if let Some(base) = entry.as_ref().and_then(|entry| entry.base) {
            self.lay_away(place, name.clone(), base.changed());
        }
        entry
    }

    /// Remembers of a name without value what the members of its workspace have of it.
    pub(super) fn lay_away(&mut self, place: &Place, name: SecretName, base: Base) {
        let projects = self.gone.entry(place.workspace).or_default();
        projects.entry(place.project).or_default().entry(place.environment.clone()).or_default().insert(name, base);
    }

    /// The names of a workspace that have no value here any more.
    pub(super) fn gone(&self, workspace: Uuid) -> impl Iterator<Item = (Place, &SecretName, Base)> {
        self.gone.get(&workspace).into_iter().flatten().flat_map(move |(project, environments)| {
            environments.iter().flat_map(move |(environment, names)| {
                let place = Place { workspace, project: *project, environment: environment.clone() };
                names.iter().map(move |(name, base)| (place.clone(), name, *base))
            })
        })
    }

    fn gone_in(&mut self, place: &Place) -> Option<&mut BTreeMap<SecretName, Base>> {
        self.gone.get_mut(&place.workspace)?.get_mut(&place.project)?.get_mut(&place.environment)
    }

    fn names_of(&self, place: &Place) -> Option<&Names> {
        self.names.get(&place.workspace)?.get(&place.project)?.get(&place.environment)
    }
}

/// What tells one state of the index file from another. Each state is a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    #[cfg(unix)]
    identity: (u64, u64, i64, i64),
    modified: Option<std::time::SystemTime>,
    len: u64,
}

impl Stamp {
    /// The state the file is in, or `None` where it cannot be seen.
    pub(super) fn of(home: &Path) -> Option<Self> {
        let meta = std::fs::symlink_metadata(path(home)).ok()?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec())
        };
        Some(Self {
            #[cfg(unix)]
            identity,
            modified: meta.modified().ok(),
            len: meta.len(),
        })
    }

    /// Whether a later state is sure to look different. The clock of a file system ticks every few milliseconds, and an
    /// inode is used again, so a state younger than some ticks may share its stamp with the next but one.
    pub(super) fn is_settled(&self) -> bool {
        self.modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > Duration::from_millis(50))
    }
}

/// Where the index of a home lies.
pub(super) fn path(home: &Path) -> PathBuf {
    home.join(NAME)
}

fn binding(home_id: Uuid) -> Binding {
    Binding::new("agentsecrets/index/1").field(home_id.as_bytes())
}
