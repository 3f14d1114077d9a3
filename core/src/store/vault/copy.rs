//! Values copied from one place to another: opened and sealed here, and seen by nobody.

use super::{Change, Entry, Place, Vault, binding, not_found};
use crate::crypto::envelope;
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::SecretName;
use crate::store::{HomeLock, RecordId};

/// A value to copy, as the owner has agreed to it.
pub(crate) struct Copied {
    /// The name, in both places.
    pub(crate) name: SecretName,
    /// The record that holds the value.
    pub(crate) record: RecordId,
    /// The record it takes the place of.
    pub(crate) replaces: Option<RecordId>,
    /// The name that it moves to, where it is another.
    pub(crate) moves_to: Option<SecretName>,
}

impl Vault {
    /// Copies all of the values or none.
    ///
    /// # Errors
    /// `owner_required` where a record is another one than the owner agreed to, `secret_not_found`, `invalid_call` for a
    /// name that is there twice, `store_corrupted`, `store_unavailable`.
    pub(crate) fn copy(&self, from: &Place, to: &Place, copied: &[Copied]) -> Result<()> {
        let lock = HomeLock::acquire(&self.home)?;
        let mut index = self.index_to_write()?;
        let mut change = Change::default();
        for (at, Copied { name, record, replaces, moves_to }) in copied.iter().enumerate() {
            let target = moves_to.as_ref().unwrap_or(name);
            if moves_to.is_some() && (from, name) == (to, target) {
                return Err(Error::new(ErrorCode::InvalidCall, format!("{name} is moved to itself")));
            }
            if copied[..at].iter().any(|other| other.moves_to.as_ref().unwrap_or(&other.name) == target) {
                return Err(Error::new(ErrorCode::InvalidCall, format!("{target} is there twice")));
            }
            let source = index.get(from, name).cloned().ok_or_else(|| not_found(&index, from, name))?;
            let before = index.get(to, target);
            if source.record != *record || before.map(|entry| entry.record) != *replaces {
                return Err(changed(name));
            }
            let sealed = self.store.get(record)?.ok_or_else(|| super::damaged(name, "is gone"))?;
            let value = self.open_record(from, name, &source, &sealed)?;
            let entry = Entry::after(before, RecordId::make()?, source.weak);
            // EXPOSE: the value is sealed again, for the place it is copied to.
            let sealed = envelope::seal(&self.records, &binding(to, target, &entry), value.expose())?;
            change.new.push((entry.record, sealed));
            change.old.extend(index.put(to, target.clone(), entry).map(|entry| entry.record));
            if moves_to.is_some() {
                change.old.extend(index.delete(from, name).map(|entry| entry.record));
            }
        }
        self.commit(index, &change, &lock)
    }
}

fn changed(name: &SecretName) -> Error {
    Error::new(ErrorCode::OwnerRequired, format!("{name} was changed since the owner signed"))
        .with_hint("run the command again")
}
