//! The keys of a workspace: one for each epoch, and all that is derived from it.
//!
//! An epoch's key opens the one before. Names are hashed under a key that comes from the first epoch and outlives all others.

use agentsecrets_wire::{Blob, Hash};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::binding::Binding;
use super::use_key::SubKey;
use super::{envelope, make_secret};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const KEY: usize = 32;

/// The key of one epoch: 32 random bytes in guarded memory.
pub(crate) struct EpochKey(SecretValue);

impl EpochKey {
    /// A new random key.
    pub(crate) fn make() -> Result<Self> {
        make_secret().map(Self)
    }

    /// A key from its bytes, which the caller wipes.
    ///
    /// # Errors
    /// `chain_invalid` where they are not 32.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() == KEY {
            return Ok(Self(SecretValue::copy_from(bytes)));
        }
        Err(Error::new(ErrorCode::ChainInvalid, "the key of an epoch is not 32 bytes long"))
    }

    /// The bytes, to be sealed.
    pub(crate) fn bytes(&self) -> &[u8; KEY] {
        // EXPOSE: the type guards the key further; it is sealed, or others are derived from it.
        self.0.expose().try_into().expect("an epoch's key is 32 bytes long")
    }

    /// What the chain says of the key, so that all who are sealed it hold the same one.
    pub(crate) fn commitment(&self, workspace: &Uuid, number: u64) -> Hash {
        let mut digest = Sha256::new();
        let number = number.to_le_bytes();
        // Field by field, as `Binding` would encode them, so that the key is in no memory but its own.
        for field in [&b"agentsecrets/epoch/1"[..], workspace.as_bytes(), &number, self.bytes()] {
            digest.update(u32::try_from(field.len()).expect("a short field").to_le_bytes());
            digest.update(field);
        }
        Hash::from(<[u8; 32]>::from(digest.finalize()))
    }

    /// Seals the key of the epoch before `number`, which is this one's.
    pub(crate) fn seal_previous(&self, workspace: &Uuid, number: u64, previous: &Self) -> Result<Blob> {
        let key = self.derive("previous", workspace, &[])?;
        envelope::seal(&key, &ladder(workspace, number), previous.bytes()).map(Blob)
    }

    /// Opens what [`seal_previous`](Self::seal_previous) made.
    ///
    /// # Errors
    /// `chain_invalid` where it does not open, or is not the key that the chain promised.
    pub(crate) fn open_previous(&self, workspace: &Uuid, number: u64, sealed: &[u8], promised: &Hash) -> Result<Self> {
        let key = self.derive("previous", workspace, &[])?;
        let opened = envelope::open(&key, &ladder(workspace, number), sealed).map_err(|_| broken_ladder())?;
        let previous = Self::from_bytes(opened.as_slice())?;
        previous.check(workspace, number.saturating_sub(1), promised)?;
        Ok(previous)
    }

    /// Whether the chain promised this key.
    ///
    /// # Errors
    /// `chain_invalid` where it promised another.
    pub(crate) fn check(&self, workspace: &Uuid, number: u64, promised: &Hash) -> Result<()> {
        if self.commitment(workspace, number) == *promised { Ok(()) } else { Err(broken_ladder()) }
    }

    /// The key of names. Of the first epoch alone.
    pub(crate) fn names(&self, workspace: &Uuid) -> Result<NameKey> {
        self.derive("names", workspace, &[]).map(NameKey)
    }

    /// What one scope is read with in this epoch.
    pub(crate) fn scope(&self, workspace: &Uuid, names: &NameKey, scope: &Hash) -> Result<ScopeKey> {
        let key = self.derive("scope", workspace, scope.as_bytes())?;
        Ok(ScopeKey { key, names: names.scope_names(scope)? })
    }

    /// Seals the whole policy.
    pub(super) fn policy(&self, workspace: &Uuid) -> Result<SubKey> {
        self.derive("policy", workspace, &[])
    }

    /// Seals what members are called.
    pub(super) fn label(&self, workspace: &Uuid) -> Result<SubKey> {
        self.derive("label", workspace, &[])
    }

    fn derive(&self, purpose: &str, workspace: &Uuid, scope: &[u8]) -> Result<SubKey> {
        let info = Binding::new("agentsecrets/epoch-key/1");
        SubKey::expand(self.bytes(), &info.field(purpose.as_bytes()).field(workspace.as_bytes()).field(scope))
    }
}

/// The key that scopes are hashed under, for the life of a workspace.
pub(crate) struct NameKey(SubKey);

impl NameKey {
    /// The keyed hash of a project and one of its environments.
    pub(crate) fn scope(&self, project: &Uuid, environment: &str) -> Hash {
        let place = Binding::new("agentsecrets/scope/1").field(project.as_bytes()).field(environment.as_bytes());
        Hash::from(self.0.mac("agentsecrets/scope/1", place.as_bytes()))
    }

    fn scope_names(&self, scope: &Hash) -> Result<SubKey> {
        SubKey::expand(self.0.bytes(), &Binding::new("agentsecrets/scope-names/1").field(scope.as_bytes()))
    }
}

/// What one scope is read with in one epoch: its key, and the key that its names are hashed under.
pub(crate) struct ScopeKey {
    key: SubKey,
    names: SubKey,
}

impl ScopeKey {
    /// Both keys from their 64 bytes, which the caller wipes.
    ///
    /// # Errors
    /// `chain_invalid` where they are not 64.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (key, names) = bytes.split_first_chunk::<KEY>().ok_or_else(short_scope)?;
        let names: &[u8; KEY] = names.try_into().map_err(|_| short_scope())?;
        Ok(Self { key: SubKey::copy_from(key), names: SubKey::copy_from(names) })
    }

    /// Both keys, to be sealed.
    pub(crate) fn to_bytes(&self) -> SecretBuf {
        let mut bytes = SecretBuf::with_capacity(2 * KEY);
        bytes.extend(self.key.bytes());
        bytes.extend(self.names.bytes());
        bytes
    }

    /// The keyed hash of a secret's name in this scope.
    pub(crate) fn record(&self, name: &str) -> Hash {
        Hash::from(self.names.mac("agentsecrets/name/1", name.as_bytes()))
    }

    /// Seals the records of the scope.
    pub(super) fn records(&self) -> Result<SubKey> {
        self.derive("record")
    }

    /// Seals the part of the policy that a machine of the scope is held to.
    pub(super) fn policy(&self) -> Result<SubKey> {
        self.derive("policy")
    }

    /// Seals what the machine is called.
    pub(super) fn label(&self) -> Result<SubKey> {
        self.derive("label")
    }

    fn derive(&self, purpose: &str) -> Result<SubKey> {
        SubKey::expand(self.key.bytes(), &Binding::new("agentsecrets/scope-key/1").field(purpose.as_bytes()))
    }
}

fn ladder(workspace: &Uuid, number: u64) -> Binding {
    Binding::new("agentsecrets/previous/1").field(workspace.as_bytes()).field(&number.to_le_bytes())
}

fn broken_ladder() -> Error {
    Error::new(ErrorCode::ChainInvalid, "the key of an epoch is not the one that the chain promised")
}

fn short_scope() -> Error {
    Error::new(ErrorCode::ChainInvalid, "the keys of a scope are not 64 bytes long")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Uuid = Uuid::from_u128(7);
    const ELSEWHERE: Uuid = Uuid::from_u128(8);

    #[test]
    fn an_epoch_opens_the_one_before_and_nothing_else() {
        let [first, second, other] = [(); 3].map(|()| EpochKey::make().expect("random"));
        let (promised, sealed) = (first.commitment(&HERE, 1), second.seal_previous(&HERE, 2, &first).expect("sealed"));
        let opened = second.open_previous(&HERE, 2, sealed.as_bytes(), &promised).expect("opens");
        assert_eq!(opened.bytes(), first.bytes());
        let refused = [
            other.open_previous(&HERE, 2, sealed.as_bytes(), &promised),
            second.open_previous(&ELSEWHERE, 2, sealed.as_bytes(), &promised),
            second.open_previous(&HERE, 3, sealed.as_bytes(), &promised),
            second.open_previous(&HERE, 2, sealed.as_bytes(), &other.commitment(&HERE, 1)),
        ];
        for refused in refused {
            assert_eq!(refused.err().expect("refused").code(), ErrorCode::ChainInvalid);
        }
        for bit in 0..sealed.as_bytes().len() * 8 {
            let mut altered = sealed.as_bytes().to_vec();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(second.open_previous(&HERE, 2, &altered, &promised).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_commitment_is_the_digest_of_the_fields_and_of_no_others() {
        let key = EpochKey::make().expect("random");
        let whole = Binding::new("agentsecrets/epoch/1").field(HERE.as_bytes()).field(&3_u64.to_le_bytes());
        let whole = whole.field(key.bytes());
        assert_eq!(key.commitment(&HERE, 3).as_bytes()[..], Sha256::digest(whole.as_bytes())[..]);
        assert_ne!(key.commitment(&HERE, 4), key.commitment(&HERE, 3));
        assert_ne!(key.commitment(&ELSEWHERE, 3), key.commitment(&HERE, 3));
    }

    #[test]
    fn names_outlive_epochs_and_keys_do_not() {
        let (first, second) = (EpochKey::make().expect("random"), EpochKey::make().expect("random"));
        let names = first.names(&HERE).expect("derived");
        let (ours, theirs) = (names.scope(&HERE, "production"), names.scope(&HERE, "staging"));
        assert_ne!(ours, theirs);
        assert_ne!(ours, names.scope(&ELSEWHERE, "production"));
        let scope = |key: &EpochKey, scope| key.scope(&HERE, &names, scope).expect("derived");
        let (then, now, beside) = (scope(&first, &ours), scope(&second, &ours), scope(&first, &theirs));
        assert_eq!(then.record("KEY"), now.record("KEY"));
        assert_ne!(then.record("KEY"), beside.record("KEY"));
        assert_ne!(then.record("KEY"), then.record("KEYS"));
        let bytes = |key: Result<SubKey>| *key.expect("derived").bytes();
        let all = [then.records(), then.policy(), then.label(), now.records(), beside.records()].map(bytes);
        for (number, one) in all.iter().enumerate() {
            assert!(!all[number + 1..].contains(one));
        }
        let again = ScopeKey::from_bytes(then.to_bytes().as_slice()).expect("64 bytes");
        assert_eq!(again.record("KEY"), then.record("KEY"));
        assert_eq!(bytes(again.records()), all[0]);
        assert!(ScopeKey::from_bytes(&[1; 63]).is_err() && ScopeKey::from_bytes(&[1; 65]).is_err());
    }
}
