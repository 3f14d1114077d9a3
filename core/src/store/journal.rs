//! Which records a write in progress makes and replaces, so that what a crash leaves behind is swept.
//!
//! Written before the first record, removed after the last: where it is found, a write was cut off, and of the records it
//! names those that the index does not are garbage. Ids are random; the file tells nothing but how many there are.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::{RecordId, SecretStore, atomic, unavailable};
use crate::error::Result;

const NAME: &str = "store.journal";
/// Room for hundreds of thousands of ids.
const MAX_JOURNAL: u64 = 16 << 20;

/// Notes the records that a write is about to make or replace.
pub(super) fn begin<'a>(home: &Path, ids: impl Iterator<Item = &'a RecordId>) -> Result<()> {
    let text: String = ids.map(|id| format!("{id}\n")).collect();
    atomic::write(&home.join(NAME), text.as_bytes())
}

/// Where a write was begun, sweeps those of its records that are not current, and forgets it. The caller holds the lock;
/// `current` gives the records of the index as it is now.
pub(super) fn recover(home: &Path, store: &dyn SecretStore, current: impl FnOnce() -> HashSet<RecordId>) -> Result<()> {
    let path = home.join(NAME);
    let Some(text) = atomic::read_private(&path, MAX_JOURNAL)? else { return Ok(()) };
    let current = current();
    // A line that is no id names no record of ours; the journal itself is replaced as a whole and never half written.
    for id in String::from_utf8_lossy(&text).lines().filter_map(RecordId::parse).filter(|id| !current.contains(id)) {
        store.delete(&id)?;
    }
    atomic::sweep(home);
    fs::remove_file(&path).map_err(|error| unavailable("delete", &path, &error))
}
