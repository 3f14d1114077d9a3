//! The audit log's first key, kept for the owner: with it every MAC of the log can be recomputed.

use crate::audit::FirstKey;
use crate::crypto::{Binding, OwnerKey, envelope};
use crate::error::{Error, ErrorCode, Result};
use crate::home::{Home, HomeConfig};
use crate::store::atomic;

const FILE: &str = "audit-key.sealed";

/// Keeps the key under a key that only the owner derives.
pub(crate) fn keep(home: &Home, config: &HomeConfig, owner: &OwnerKey, first: &FirstKey) -> Result<()> {
    let sealed = envelope::seal(&owner.derive("audit-first-key")?, &binding(config), first.as_bytes())?;
    atomic::write(&home.file(FILE), &sealed)
}

/// Opens what [`keep`] kept.
///
/// # Errors
/// `store_corrupted` where it is missing or was altered.
pub(crate) fn open(home: &Home, config: &HomeConfig, owner: &OwnerKey) -> Result<FirstKey> {
    let missing = || Error::new(ErrorCode::StoreCorrupted, "the audit log's first key is missing or damaged");
    let sealed = atomic::read_private(&home.file(FILE), 4096)?.ok_or_else(missing)?;
    let opened = envelope::open(&owner.derive("audit-first-key")?, &binding(config), &sealed)?;
    let bytes: [u8; 32] = opened.as_slice().try_into().map_err(|_| missing())?;
    Ok(FirstKey::from_bytes(bytes))
}

fn binding(config: &HomeConfig) -> Binding {
    Binding::new("agentsecrets/audit-first-key/1").field(config.id.as_bytes())
}
