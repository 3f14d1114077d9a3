//! The lasting keys of an account: one signs the chain, the other opens what is sealed to the account.

use agentsecrets_wire::{Blob, PublicKey, Signature};
use uuid::Uuid;

use super::binding::Binding;
use super::device::{DeviceKey, ReceivingKey};
use super::envelope;
use super::recovery::RecoveryCode;
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const KEY: usize = 32;

/// Both keys, while they are on their way from where the server holds them to where the home does.
pub(crate) struct AccountKeys {
    signing: DeviceKey,
    receiving: ReceivingKey,
}

/// The key that signs the chain; it is opened in the owner's child alone.
pub(crate) struct AccountSigning(DeviceKey);

impl AccountKeys {
    /// New random keys.
    pub(crate) fn make() -> Result<Self> {
        Ok(Self { signing: DeviceKey::make()?, receiving: ReceivingKey::make()? })
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn of(signing: DeviceKey, receiving: ReceivingKey) -> Self {
        Self { signing, receiving }
    }

    /// Ed25519.
    pub(crate) fn signing_public(&self) -> PublicKey {
        self.signing.public()
    }

    /// X25519.
    pub(crate) fn receiving_public(&self) -> PublicKey {
        self.receiving.public()
    }

    /// The key that opens what is sealed to the account.
    pub(crate) fn receiving(&self) -> &ReceivingKey {
        &self.receiving
    }

    /// Seals both under the export key of OPAQUE (RFC 9807, section 6.4), for the server to hold.
    pub(crate) fn seal_under_export(&self, export: &SecretValue, account: Uuid) -> Result<Blob> {
        self.seal(&from_export(export)?, "export", account)
    }

    /// Opens what [`seal_under_export`](Self::seal_under_export) made.
    ///
    /// # Errors
    /// `sync_refused` where the server gives what this password does not open.
    pub(crate) fn open_under_export(export: &SecretValue, account: Uuid, sealed: &[u8]) -> Result<Self> {
        Self::open(&from_export(export)?, "export", account, sealed)
    }

    /// Seals both under the recovery code.
    pub(crate) fn seal_under_recovery(&self, code: &RecoveryCode, account: Uuid) -> Result<Blob> {
        self.seal(&code.sealing()?, "recovery", account)
    }

    /// Opens what [`seal_under_recovery`](Self::seal_under_recovery) made.
    ///
    /// # Errors
    /// `sync_refused`.
    pub(crate) fn open_under_recovery(code: &RecoveryCode, account: Uuid, sealed: &[u8]) -> Result<Self> {
        Self::open(&code.sealing()?, "recovery", account, sealed)
    }

    /// Seals the signing key for a home, under a key that the owner derives.
    pub(crate) fn seal_signing(&self, key: &SubKey, account: Uuid) -> Result<Vec<u8>> {
        envelope::seal(key, &binding("home", account), self.signing.bytes())
    }

    fn seal(&self, key: &SubKey, place: &'static str, account: Uuid) -> Result<Blob> {
        let mut both = SecretBuf::with_capacity(2 * KEY);
        both.extend(self.signing.bytes());
        both.extend(self.receiving.bytes());
        envelope::seal(key, &binding(place, account), both.as_slice()).map(Blob)
    }

    fn open(key: &SubKey, place: &'static str, account: Uuid, sealed: &[u8]) -> Result<Self> {
        let refused =
            || Error::new(ErrorCode::SyncRefused, "the server gives account keys that do not open: they were altered");
        let both = envelope::open(key, &binding(place, account), sealed).map_err(|_| refused())?;
        let (signing, receiving) = both.as_slice().split_at_checked(KEY).ok_or_else(refused)?;
        Ok(Self { signing: DeviceKey::from_bytes(signing)?, receiving: ReceivingKey::from_bytes(receiving)? })
    }
}

impl AccountSigning {
    /// Opens what [`AccountKeys::seal_signing`] made.
    ///
    /// # Errors
    /// `store_corrupted`.
    pub(crate) fn open(key: &SubKey, account: Uuid, sealed: &[u8]) -> Result<Self> {
        let seed = envelope::open(key, &binding("home", account), sealed)?;
        DeviceKey::from_bytes(seed.as_slice()).map(Self)
    }

    /// Signs a message; its domain is part of it.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.0.sign(message)
    }
}

fn from_export(export: &SecretValue) -> Result<SubKey> {
    // EXPOSE: a key is derived from it.
    SubKey::expand(export.expose(), &Binding::new("agentsecrets/export-key/1"))
}

fn binding(place: &'static str, account: Uuid) -> Binding {
    Binding::new("agentsecrets/account-keys/1").field(place.as_bytes()).field(account.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_copy_opens_by_the_password_or_the_code_and_for_that_account_alone() {
        let (keys, code) = (AccountKeys::make().expect("random"), RecoveryCode::make().expect("random"));
        let (export, other) = (SecretValue::copy_from(&[1; 64]), SecretValue::copy_from(&[2; 64]));
        let (ann, ben) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = keys.seal_under_export(&export, ann).expect("sealed");
        let opened = AccountKeys::open_under_export(&export, ann, sealed.as_bytes()).expect("opens");
        assert_eq!(
            (opened.signing_public(), opened.receiving_public()),
            (keys.signing_public(), keys.receiving_public())
        );
        assert!(AccountKeys::open_under_export(&other, ann, sealed.as_bytes()).is_err());
        assert!(AccountKeys::open_under_export(&export, ben, sealed.as_bytes()).is_err());
        let recovery = keys.seal_under_recovery(&code, ann).expect("sealed");
        assert!(AccountKeys::open_under_recovery(&code, ann, recovery.as_bytes()).is_ok());
        assert!(AccountKeys::open_under_recovery(&code, ann, sealed.as_bytes()).is_err());
        let another = RecoveryCode::make().expect("random");
        assert!(AccountKeys::open_under_recovery(&another, ann, recovery.as_bytes()).is_err());
    }
}
