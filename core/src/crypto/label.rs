//! What a member is called, for the other members' eyes.
//!
//! The epoch (u64, little endian), whether a scope follows (one byte), the scope (32 bytes), and the sealed text.

use agentsecrets_wire::{Blob, Hash};
use uuid::Uuid;

use super::binding::Binding;
use super::envelope;
use super::epoch::{EpochKey, ScopeKey};
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};

/// Which key a label is sealed under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Under {
    /// The epoch.
    pub(crate) epoch: u64,
    /// Of a machine, its first scope.
    pub(crate) scope: Option<Hash>,
}

impl Under {
    /// What a label says of its key.
    ///
    /// # Errors
    /// `chain_invalid` for what is no label.
    pub(crate) fn of(label: &Blob) -> Result<Self> {
        split(label.as_bytes()).map(|(under, _)| under).ok_or_else(unread)
    }

    fn bytes(self) -> Vec<u8> {
        let mut bytes = self.epoch.to_le_bytes().to_vec();
        bytes.push(u8::from(self.scope.is_some()));
        bytes.extend_from_slice(self.scope.as_ref().map_or(&[], |scope| &scope.as_bytes()[..]));
        bytes
    }
}

/// Seals a member's label.
pub(crate) fn seal(key: &EpochKey, epoch: u64, workspace: &Uuid, account: &Uuid, text: &str) -> Result<Blob> {
    seal_under(&key.label(workspace)?, Under { epoch, scope: None }, workspace, account, text)
}

/// Seals a machine's label.
pub(crate) fn seal_machine(
    keys: &ScopeKey,
    (epoch, scope): (u64, Hash),
    workspace: &Uuid,
    account: &Uuid,
    text: &str,
) -> Result<Blob> {
    seal_under(&keys.label()?, Under { epoch, scope: Some(scope) }, workspace, account, text)
}

/// Opens a member's label, with the key of the epoch that [`Under::of`] says.
///
/// # Errors
/// `chain_invalid` where it does not open, or is somebody else's.
pub(crate) fn open(key: &EpochKey, workspace: &Uuid, account: &Uuid, label: &Blob) -> Result<String> {
    open_under(&key.label(workspace)?, workspace, account, label)
}

/// Opens a machine's label, with the keys of the scope that [`Under::of`] says.
///
/// # Errors
/// `chain_invalid` where it does not open, or is somebody else's.
pub(crate) fn open_machine(keys: &ScopeKey, workspace: &Uuid, account: &Uuid, label: &Blob) -> Result<String> {
    open_under(&keys.label()?, workspace, account, label)
}

fn seal_under(key: &SubKey, under: Under, workspace: &Uuid, account: &Uuid, text: &str) -> Result<Blob> {
    let mut label = under.bytes();
    let binding = binding(&label, workspace, account);
    label.extend_from_slice(&envelope::seal(key, &binding, text.as_bytes())?);
    Ok(Blob(label))
}

fn open_under(key: &SubKey, workspace: &Uuid, account: &Uuid, label: &Blob) -> Result<String> {
    let (under, sealed) = split(label.as_bytes()).ok_or_else(unread)?;
    let text = envelope::open(key, &binding(&under.bytes(), workspace, account), sealed).map_err(|_| unread())?;
    std::str::from_utf8(text.as_slice()).map(str::to_owned).map_err(|_| unread())
}

fn split(label: &[u8]) -> Option<(Under, &[u8])> {
    let (epoch, rest) = label.split_first_chunk::<8>()?;
    let (scoped, rest) = rest.split_first()?;
    let epoch = u64::from_le_bytes(*epoch);
    match scoped {
        0 => Some((Under { epoch, scope: None }, rest)),
        1 => {
            let (scope, rest) = rest.split_first_chunk::<32>()?;
            Some((Under { epoch, scope: Some(Hash::from(*scope)) }, rest))
        }
        _ => None,
    }
}

fn binding(under: &[u8], workspace: &Uuid, account: &Uuid) -> Binding {
    Binding::new("agentsecrets/label/1").field(under).field(workspace.as_bytes()).field(account.as_bytes())
}

fn unread() -> Error {
    Error::new(ErrorCode::ChainInvalid, "what a member is called does not open")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_members_in_one_workspace() {
        let (here, ours) = (Uuid::from_u128(7), Uuid::from_u128(1));
        let key = EpochKey::make().expect("random");
        let label = seal(&key, 3, &here, &ours, "Anna").expect("sealed");
        assert_eq!(Under::of(&label).expect("a label"), Under { epoch: 3, scope: None });
        assert_eq!(open(&key, &here, &ours, &label).expect("opens"), "Anna");
        assert!(open(&key, &here, &Uuid::from_u128(2), &label).is_err());
        assert!(open(&key, &Uuid::from_u128(8), &ours, &label).is_err());
        assert!(open(&EpochKey::make().expect("random"), &here, &ours, &label).is_err());
        for bit in 0..label.as_bytes().len() * 8 {
            let mut altered = label.clone();
            altered.0[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, &here, &ours, &altered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_machines_label_says_its_scope() {
        let (here, ours) = (Uuid::from_u128(7), Uuid::from_u128(1));
        let key = EpochKey::make().expect("random");
        let names = key.names(&here).expect("derived");
        let scope = names.scope(&Uuid::from_u128(3), "production");
        let keys = key.scope(&here, &names, &scope).expect("derived");
        let label = seal_machine(&keys, (2, scope), &here, &ours, "runner").expect("sealed");
        assert_eq!(Under::of(&label).expect("a label"), Under { epoch: 2, scope: Some(scope) });
        assert_eq!(open_machine(&keys, &here, &ours, &label).expect("opens"), "runner");
        assert!(open(&key, &here, &ours, &label).is_err());
    }
}
