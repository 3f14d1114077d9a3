//! A store that forgets: for tests, and as the measure of the others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{RecordId, SecretStore};
use crate::error::Result;

/// Keeps sealed records in memory.
#[derive(Default)]
pub(crate) struct MemoryStore {
    records: Mutex<HashMap<RecordId, Vec<u8>>>,
}

impl MemoryStore {
    fn records(&self) -> MutexGuard<'_, HashMap<RecordId, Vec<u8>>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SecretStore for MemoryStore {
    fn put_many(&self, records: &[(RecordId, Vec<u8>)]) -> Result<()> {
        self.records().extend(records.iter().cloned());
        Ok(())
    }

    fn get(&self, id: &RecordId) -> Result<Option<Vec<u8>>> {
        Ok(self.records().get(id).cloned())
    }

    fn delete(&self, id: &RecordId) -> Result<()> {
        self.records().remove(id);
        Ok(())
    }

    fn health(&self) -> Result<()> {
        Ok(())
    }
}
