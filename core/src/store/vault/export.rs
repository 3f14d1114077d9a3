//! The sealed records of a home as a whole: taken out for a backup, and put back. None is ever written in the clear.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use uuid::Uuid;

use super::{Vault, damaged};
use crate::crypto::use_key::UseKey;
use crate::error::{Error, ErrorCode, Result};
use crate::store::index::{self, Index};
use crate::store::{HomeLock, RecordId, SecretStore, atomic, journal};

/// Sealed records by their ids.
pub(crate) type Records = HashMap<RecordId, Vec<u8>>;

impl Vault {
    /// Every current record, sealed, and the sealed index that names them. The caller holds the home's lock.
    ///
    /// # Errors
    /// `store_corrupted` where one is gone or does not open: a backup holds all of them.
    pub(crate) fn export(&self, _lock: &HomeLock) -> Result<(Vec<u8>, Records)> {
        let sealed = atomic::read_private(&index::path(&self.home), index::MAX_INDEX)?
            .ok_or_else(|| Error::new(ErrorCode::StoreCorrupted, "the index is gone"))?;
        let index = Index::parse(&sealed, self.home_id, &self.index_key)?;
        let mut records = Records::new();
        self.each(&index, |id| {
            let record = self.store.get(id)?;
            records.extend(record.clone().map(|sealed| (*id, sealed)));
            Ok(record)
        })?;
        Ok((sealed, records))
    }

    /// Opens every record that the index names, and drops it again.
    fn each(&self, index: &Index, mut get: impl FnMut(&RecordId) -> Result<Option<Vec<u8>>>) -> Result<()> {
        for place in index.places() {
            for (name, entry) in index.list(&place) {
                let sealed = get(&entry.record)?.ok_or_else(|| damaged(name, "is gone"))?;
                self.open_record(&place, name, entry, &sealed)?;
            }
        }
        Ok(())
    }
}

/// Sealed values that were taken out of a home, checked to be whole.
pub(crate) struct Checked<'a> {
    sealed_index: &'a [u8],
    records: &'a Records,
    vault: Vault,
}

impl<'a> Checked<'a> {
    /// Checks that the index opens and that every record it names is there and opens.
    ///
    /// # Errors
    /// `store_corrupted`.
    pub(crate) fn new(
        home: &Path,
        id: Uuid,
        store: Box<dyn SecretStore>,
        key: &UseKey,
        sealed_index: &'a [u8],
        records: &'a Records,
    ) -> Result<Self> {
        let vault = Vault::with_keys(home, id, store, key)?;
        let index = Index::parse(sealed_index, id, &vault.index_key)?;
        vault.each(&index, |id| Ok(records.get(id).cloned()))?;
        Ok(Self { sealed_index, records, vault })
    }

    /// Puts the values in place of those that are there. Killed at any step, the old index or the new one is whole.
    ///
    /// # Errors
    /// `store_unavailable`.
    pub(crate) fn put_back(self, _lock: &HomeLock) -> Result<()> {
        let Vault { home, home_id, store, index_key, .. } = &self.vault;
        let path = index::path(home);
        // An index that does not open names nothing that could be swept.
        let old = atomic::read_private(&path, index::MAX_INDEX)?
            .and_then(|sealed| Index::parse(&sealed, *home_id, index_key).ok())
            .map(|index| index.record_set())
            .unwrap_or_default();
        let mut missing = Vec::new();
        for (id, sealed) in self.records {
            match store.get(id)? {
                Some(there) if there == *sealed => {}
                Some(_) => {
                    store.delete(id)?;
                    missing.push((*id, sealed.clone()));
                }
                None => missing.push((*id, sealed.clone())),
            }
        }
        journal::begin(home, missing.iter().map(|(id, _)| id).chain(&old))?;
        store.put_many(&missing)?;
        atomic::write(&path, self.sealed_index)?;
        let current: HashSet<RecordId> = self.records.keys().copied().collect();
        journal::recover(home, &**store, || current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::resolve::input::SecretInput;
    use crate::secret_ref::{Label, SecretName};
    use crate::store::file::FileStore;
    use crate::store::keychain::tests::split_store;
    use crate::store::testing::{home, records_in};
    use crate::store::{Expectation, NewSecret, Place};

    #[test]
    fn values_move_sealed_from_a_keychain_to_files_or_not_at_all() {
        let (from, to, id) = (home(), home(), Uuid::from_u128(1));
        let key = UseKey::make().expect("random");
        let environment = Label::parse("development").expect("legal");
        let place = Place { workspace: Uuid::from_u128(1), project: Uuid::from_u128(2), environment };
        let name = SecretName::parse("KEY").expect("legal");
        // Longer than an item of the keychain, so that it lies there in pieces.
        let value: Vec<u8> = (b'a'..=b'z').cycle().take(2000).collect();
        let input = SecretInput::from_bytes(value.clone()).expect("legal");
        let vault = Vault::create(from.path(), id, Box::new(split_store()), &key).expect("made");
        let secret = NewSecret { name: name.clone(), input, weak: false };
        vault.set(&place, secret, &Expectation::New).expect("set");
        let (index, records) = vault.export(&HomeLock::acquire(from.path()).expect("free")).expect("whole");
        assert!(records.values().all(|sealed| !sealed.windows(26).any(|window| window == &value[..26])));

        let files = || Box::new(FileStore::open(&to.path().join("store")).expect("a store"));
        let checked = |records| Checked::new(to.path(), id, files(), &key, &index, records);
        let altered: Records = records.iter().map(|(id, sealed)| (*id, [sealed, &b"x"[..]].concat())).collect();
        let missing = Records::new();
        for wrong in [&missing, &altered] {
            assert_eq!(checked(wrong).err().expect("refused").code(), ErrorCode::StoreCorrupted);
        }
        assert!(records_in(to.path()).is_empty());
        let lock = HomeLock::acquire(to.path()).expect("free");
        checked(&records).and_then(|checked| checked.put_back(&lock)).expect("put back");
        let there = Vault::open(to.path(), id, files(), &key).expect("opens");
        // EXPOSE: the test compares what went in with what came out.
        assert_eq!(there.value(&place, &name).expect("there").expose(), value);
    }
}
