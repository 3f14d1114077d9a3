//! Values under names: a store, the index, and the use key.
//!
//! A write happens under the home's lock, on the index as it is then: journal, new records, index, sweep. Killed at any
//! step it leaves the old values or the new ones, and the next write sweeps the rest.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use super::index::{Entry, Index, Place};
use super::lock::HomeLock;
use super::watch::{self, Watch};
use super::{RecordId, SecretStore, index, journal};
use crate::crypto::binding::Binding;
use crate::crypto::envelope;
use crate::crypto::use_key::{Purpose, SubKey, UseKey};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::SecretValue;
use crate::secret_ref::SecretName;
use seen::Seen;

pub(crate) use copy::Copied;
pub(crate) use export::{Checked, Records};
pub(crate) use new::{Expectation, NewSecret};
pub(crate) use shared::{Arrival, Arrived, Shared};

/// The values of a home, opened with its use key. It may be shared by threads, and beside others by processes.
pub(crate) struct Vault {
    home: PathBuf,
    home_id: Uuid,
    store: Box<dyn SecretStore>,
    records: SubKey,
    index_key: SubKey,
    watch: Option<Watch>,
    seen: Mutex<Option<Seen>>,
    values: Mutex<HashMap<RecordId, Arc<SecretValue>>>,
}

/// A name and what may be told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: SecretName,
    pub(crate) version: u64,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) weak: bool,
    /// The sealed record that holds the value now.
    pub(crate) record: RecordId,
}

impl Vault {
    /// Makes the empty index of a new home, and opens it.
    ///
    /// # Errors
    /// `already_initialized` where the home has an index.
    pub(crate) fn create(home: &Path, home_id: Uuid, store: Box<dyn SecretStore>, key: &UseKey) -> Result<Self> {
        let vault = Self::with_keys(home, home_id, store, key)?;
        let lock = HomeLock::acquire(home)?;
        if index::path(home).symlink_metadata().is_ok() {
            return Err(Error::new(ErrorCode::AlreadyInitialized, "this home has an index of secrets already"));
        }
        Index::default().save(home, home_id, &vault.index_key)?;
        drop(lock);
        Ok(vault)
    }

    /// Opens the values of a home.
    ///
    /// # Errors
    /// `store_corrupted` where the index is gone or does not open with this key.
    pub(crate) fn open(home: &Path, home_id: Uuid, store: Box<dyn SecretStore>, key: &UseKey) -> Result<Self> {
        let vault = Self::with_keys(home, home_id, store, key)?;
        vault.index()?;
        Ok(vault)
    }

    fn with_keys(home: &Path, home_id: Uuid, store: Box<dyn SecretStore>, key: &UseKey) -> Result<Self> {
        Ok(Self {
            home: home.to_owned(),
            home_id,
            store,
            records: key.derive(Purpose::Records, home_id.as_bytes())?,
            index_key: key.derive(Purpose::Index, home_id.as_bytes())?,
            watch: watch::of_home(home),
            seen: Mutex::new(None),
            values: Mutex::new(HashMap::new()),
        })
    }

    /// Sets all of the values or none, and gives their versions in the same order.
    ///
    /// # Errors
    /// As [`set`](Self::set), and `invalid_call` for a name that is there twice.
    pub(crate) fn set_many(&self, place: &Place, secrets: Vec<NewSecret>, expect: &Expectation) -> Result<Vec<u64>> {
        let lock = HomeLock::acquire(&self.home)?;
        let mut index = self.index_to_write()?;
        let mut change = Change::default();
        let mut names = HashSet::new();
        let mut versions = Vec::with_capacity(secrets.len());
        for secret in secrets {
            if !names.insert(secret.name.clone()) {
                return Err(Error::new(ErrorCode::InvalidCall, format!("{} is there twice", secret.name)));
            }
            let before = index.get(place, &secret.name);
            expect.check(&secret.name, before)?;
            let weak = secret.weak;
            let entry = Entry::after(before, RecordId::make()?, weak);
            let value = secret.input.into_value(weak)?;
            // EXPOSE: the value is sealed here, and goes to the store as ciphertext.
            let sealed = envelope::seal(&self.records, &binding(place, &secret.name, &entry), value.expose())?;
            versions.push(entry.version);
            change.new.push((entry.record, sealed));
            change.old.extend(index.put(place, secret.name, entry).map(|entry| entry.record));
        }
        self.commit(index, &change, &lock)?;
        Ok(versions)
    }

    /// Deletes a name and its value. The caller has asked the owner.
    ///
    /// # Errors
    /// `secret_not_found`, `store_unavailable`.
    pub(crate) fn delete(&self, place: &Place, name: &SecretName) -> Result<()> {
        let lock = HomeLock::acquire(&self.home)?;
        let mut index = self.index_to_write()?;
        let entry = index.delete(place, name).ok_or_else(|| not_found(&index, place, name))?;
        self.commit(index, &Change { new: Vec::new(), old: vec![entry.record] }, &lock)
    }

    /// The value of a name. It stays in guarded memory until it is replaced, deleted or [forgotten](Self::forget).
    ///
    /// # Errors
    /// `secret_not_found`; `store_corrupted` where its record is gone or does not open; `store_unavailable`.
    pub(crate) fn value(&self, place: &Place, name: &SecretName) -> Result<Arc<SecretValue>> {
        let mut index = self.index()?;
        loop {
            let entry = index.get(place, name).ok_or_else(|| not_found(&index, place, name))?;
            if let Some(value) = self.values().get(&entry.record) {
                return Ok(Arc::clone(value));
            }
            if let Some(sealed) = self.store.get(&entry.record)? {
                let value = Arc::new(self.open_record(place, name, entry, &sealed)?);
                self.values().insert(entry.record, Arc::clone(&value));
                return Ok(value);
            }
            // Another process may have replaced the value between the two readings; the index tells.
            let now = self.index()?;
            if now.generation() == index.generation() {
                return Err(damaged(name, "is gone"));
            }
            index = now;
        }
    }

    /// The value of a name where it is in memory already; asks no disk but for the index's stamp.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub(crate) fn in_memory(&self, place: &Place, name: &SecretName) -> Result<Option<Arc<SecretValue>>> {
        let index = self.index()?;
        let entry = index.get(place, name).ok_or_else(|| not_found(&index, place, name))?;
        Ok(self.values().get(&entry.record).cloned())
    }

    /// The error for the first name that the place does not hold, `None` where it holds all of them.
    pub(crate) fn missing(&self, place: &Place, names: &[SecretName]) -> Option<Error> {
        let index = self.index().ok()?;
        let name = names.iter().find(|name| index.get(place, name).is_none())?;
        Some(not_found(&index, place, name))
    }

    /// How often the index was replaced.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub(crate) fn generation(&self) -> Result<u64> {
        Ok(self.index()?.generation())
    }

    /// The names of a place, in their order.
    ///
    /// # Errors
    /// `store_corrupted`, `store_unavailable`.
    pub(crate) fn list(&self, place: &Place) -> Result<Vec<Listed>> {
        let listed = |(name, entry): (&SecretName, &Entry)| Listed {
            name: name.clone(),
            version: entry.version,
            created: entry.created(),
            updated: entry.updated(),
            weak: entry.weak,
            record: entry.record,
        };
        Ok(self.index()?.list(place).map(listed).collect())
    }

    /// Which of the names have a value.
    #[cfg(test)]
    pub(crate) fn check(&self, place: &Place, names: &[SecretName]) -> Result<Vec<bool>> {
        let index = self.index()?;
        Ok(names.iter().map(|name| index.get(place, name).is_some()).collect())
    }

    /// The places that hold names.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub(crate) fn places(&self) -> Result<Vec<Place>> {
        Ok(self.index()?.places().collect())
    }

    /// Whether the store can be written and read now.
    #[cfg(test)]
    pub(crate) fn health(&self) -> Result<()> {
        self.index()?;
        self.store.health()
    }

    /// Wipes the values kept in memory, apart from those in use.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.values().clear();
    }

    fn open_record(&self, place: &Place, name: &SecretName, entry: &Entry, sealed: &[u8]) -> Result<SecretValue> {
        envelope::open(&self.records, &binding(place, name, entry), sealed)
            .map(|bytes| bytes.into_value())
            .map_err(|_| damaged(name, "was altered, cut or moved"))
    }

    /// The index to be changed, after the garbage of a write that was cut off is swept. The caller holds the lock.
    fn index_to_write(&self) -> Result<Index> {
        let index = self.index()?;
        journal::recover(&self.home, &*self.store, || index.record_set())?;
        Ok(Index::clone(&index))
    }

    /// The steps of a write. Where one fails the new records are swept, and the old values are as they were.
    fn commit(&self, mut index: Index, change: &Change, _lock: &HomeLock) -> Result<()> {
        let ids = change.new.iter().map(|(id, _)| id).chain(&change.old);
        journal::begin(&self.home, ids)?;
        let written =
            self.store.put_many(&change.new).and_then(|()| index.save(&self.home, self.home_id, &self.index_key));
        // A failed write may still have replaced the index (its last step is a sync), so the file is asked which records
        // are garbage. What cannot be swept now stays in the journal for the next write, and is no failure of this one.
        let current = match &written {
            Ok(()) => Ok(change.new.iter().map(|(id, _)| *id).collect()),
            Err(_) => Index::load(&self.home, self.home_id, &self.index_key).map(|index| index.record_set()),
        };
        let _ = current.and_then(|current: HashSet<RecordId>| journal::recover(&self.home, &*self.store, || current));
        written
    }

    fn values(&self) -> MutexGuard<'_, HashMap<RecordId, Arc<SecretValue>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records a write makes and replaces.
#[derive(Default)]
struct Change {
    new: Vec<(RecordId, Vec<u8>)>,
    old: Vec<RecordId>,
}

/// What a record is bound to: moved to another name, place or version, or put back in place of a later one, it does not
/// open.
fn binding(place: &Place, name: &SecretName, entry: &Entry) -> Binding {
    Binding::new("agentsecrets/record/1")
        .field(place.workspace.as_bytes())
        .field(place.project.as_bytes())
        .field(place.environment.as_str().as_bytes())
        .field(name.as_str().as_bytes())
        .field(&entry.version.to_le_bytes())
        .field(entry.record.as_bytes())
}

fn exists(name: &SecretName) -> Error {
    Error::new(ErrorCode::OwnerRequired, format!("{name} has a value already; replacing it is the owner's act"))
        .with_hint(format!("agentsecrets secrets set {name}  # at a terminal, with the owner's passphrase"))
}

fn damaged(name: &SecretName, how: &str) -> Error {
    Error::new(ErrorCode::StoreCorrupted, format!("the record of {name} {how}"))
        .with_hint(format!("agentsecrets secrets set {name}  # or restore a backup"))
}

fn not_found(index: &Index, place: &Place, name: &SecretName) -> Error {
    let message = format!("{name} has no value in environment {}", place.environment);
    let error = Error::new(ErrorCode::SecretNotFound, message);
    let near: Vec<&str> = nearest(index.list(place).map(|(name, _)| name.as_str()), name.as_str());
    if near.is_empty() {
        return error.with_hint(format!("agentsecrets secrets set {name}"));
    }
    error.with_hint(format!("did you mean {}? Else: agentsecrets secrets set {name}", near.join(" or ")))
}

/// At most three names that differ little from `wanted`, the nearest first.
fn nearest<'a>(names: impl Iterator<Item = &'a str>, wanted: &str) -> Vec<&'a str> {
    let most = (wanted.len() / 3).max(2);
    let mut near: Vec<(usize, &str)> = names
        .filter(|name| name.len().abs_diff(wanted.len()) <= most)
        .map(|name| (distance(name.as_bytes(), wanted.as_bytes()), name))
        .filter(|(distance, _)| *distance <= most)
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The number of bytes to insert, delete or replace to make one text of the other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in other.iter().enumerate() {
            let cheapest = (diagonal + usize::from(a != b)).min(row[column] + 1).min(row[column + 1] + 1);
            diagonal = std::mem::replace(&mut row[column + 1], cheapest);
        }
    }
    row[other.len()]
}

mod copy;
mod export;
mod new;
mod seen;
mod shared;
#[cfg(test)]
mod tests;
