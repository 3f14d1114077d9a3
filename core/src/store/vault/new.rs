//! Values to set, and what setting them may do to the names.

use std::collections::HashMap;

use super::{Entry, exists};
#[cfg(test)]
use super::{Place, Vault};
use crate::error::Result;
use crate::resolve::input::SecretInput;
use crate::secret_ref::SecretName;
use crate::store::RecordId;

/// A value to set.
pub(crate) struct NewSecret {
    /// Its name.
    pub(crate) name: SecretName,
    /// The value.
    pub(crate) input: SecretInput,
    /// Whether a value under 8 bytes is taken.
    pub(crate) weak: bool,
}

/// What a set may do to names that have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// Nothing: every name must be new.
    #[cfg(test)]
    New,
    /// Give them a new version, whatever they have now.
    #[cfg(test)]
    Overwrite,
    /// Give these a new version where they still have this record, as the owner has agreed; every other name must be new.
    Replace(HashMap<SecretName, RecordId>),
}

impl Expectation {
    pub(super) fn check(&self, name: &SecretName, before: Option<&Entry>) -> Result<()> {
        match (self, before) {
            #[cfg(test)]
            (Self::New, Some(_)) => Err(exists(name)),
            (Self::Replace(records), before) if records.get(name).copied() != before.map(|entry| entry.record) => {
                Err(exists(name))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
impl Vault {
    /// Sets one value, and gives its version.
    ///
    /// # Errors
    /// `owner_required` where the name has a value and must be new; `invalid_value`; `store_unavailable`. The old
    /// value stays on any error.
    pub(crate) fn set(&self, place: &Place, secret: NewSecret, expectation: &Expectation) -> Result<u64> {
        let versions = self.set_many(place, vec![secret], expectation)?;
        Ok(versions[0])
    }
}
