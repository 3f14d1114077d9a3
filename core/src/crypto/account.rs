//! The keys of an account: made on its first device, and sealed wherever they rest.
//!
//! Sealed together (64 bytes) they are the signing key's seed, then the receiving key.

use agentsecrets_wire::{Blob, PublicKey};
use uuid::Uuid;

use super::binding::Binding;
use super::recovery::RecoveryCode;
use super::sharing::ReceivingKey;
use super::signing::SigningKey;
use super::use_key::{SubKey, UseKey};
use super::{Purpose, envelope, passphrase};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

/// What the signing key at home is sealed for.
const HOME: &str = "account-key";

/// Both lasting keys.
pub(crate) struct AccountKeys {
    /// Signs the chain.
    pub(crate) signing: SigningKey,
    /// Opens what was sealed to the account.
    pub(crate) receiving: ReceivingKey,
}

impl AccountKeys {
    /// New random keys.
    pub(crate) fn make() -> Result<Self> {
        Ok(Self { signing: SigningKey::make()?, receiving: ReceivingKey::make()? })
    }

    /// Seals both under the export key of OPAQUE, for the server to keep.
    pub(crate) fn seal_for_password(&self, export: &SecretValue, account: &Uuid) -> Result<Blob> {
        self.seal(&password_key(export, account)?, "password", account)
    }

    /// Opens what [`seal_for_password`](Self::seal_for_password) made.
    ///
    /// # Errors
    /// `wrong_credentials` where it does not open: the server altered it, or it is another account's.
    pub(crate) fn open_for_password(export: &SecretValue, account: &Uuid, sealed: &Blob) -> Result<Self> {
        Self::open(&password_key(export, account)?, "password", account, sealed)
    }

    /// Seals both under the recovery code, for the server to keep.
    pub(crate) fn seal_for_recovery(&self, code: &RecoveryCode, account: &Uuid) -> Result<Blob> {
        self.seal(&code.sealing(account)?, "recovery", account)
    }

    /// Opens what [`seal_for_recovery`](Self::seal_for_recovery) made.
    ///
    /// # Errors
    /// `wrong_credentials` where it does not open: the code is another, or the server altered it.
    pub(crate) fn open_for_recovery(code: &RecoveryCode, account: &Uuid, sealed: &Blob) -> Result<Self> {
        Self::open(&code.sealing(account)?, "recovery", account, sealed)
    }

    /// Whether these are the secret halves of what the server or a chain shows.
    ///
    /// # Errors
    /// `wrong_credentials` where one is not.
    pub(crate) fn check(&self, signing: &PublicKey, receiving: &PublicKey) -> Result<()> {
        let same = self.signing.public() == *signing && self.receiving.public()? == *receiving;
        if same { Ok(()) } else { Err(unopened()) }
    }

    fn seal(&self, key: &SubKey, way: &str, account: &Uuid) -> Result<Blob> {
        let mut both = SecretBuf::with_capacity(64);
        both.extend(self.signing.bytes());
        both.extend(self.receiving.bytes());
        envelope::seal(key, &binding(way, account), both.as_slice()).map(Blob)
    }

    fn open(key: &SubKey, way: &str, account: &Uuid, sealed: &Blob) -> Result<Self> {
        let both = envelope::open(key, &binding(way, account), sealed.as_bytes()).map_err(|_| unopened())?;
        let (signing, receiving) = both.as_slice().split_at_checked(32).ok_or_else(unopened)?;
        Ok(Self { signing: SigningKey::from_bytes(signing)?, receiving: ReceivingKey::from_bytes(receiving)? })
    }
}

/// Seals an account's signing key under the owner's passphrase: what signs the chain asks the human.
pub(crate) fn seal_signing(key: &SigningKey, passphrase: &SecretValue, home: &[u8]) -> Result<Vec<u8>> {
    passphrase::seal(passphrase, HOME, home, key.value())
}

/// Opens what [`seal_signing`] made.
///
/// # Errors
/// `wrong_passphrase`, or `store_corrupted` for what is no sealed key.
pub(crate) fn open_signing(passphrase: &SecretValue, home: &[u8], sealed: &[u8]) -> Result<SigningKey> {
    let seed = passphrase::open(passphrase, HOME, home, sealed)?;
    // EXPOSE: copied into the type that guards it further.
    SigningKey::from_bytes(seed.expose())
}

/// Seals under the use key what a device needs without its human: its own key, the receiving key, epochs, the session.
/// `what` says which.
pub(crate) fn seal_at_home(use_key: &UseKey, home: &[u8], what: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    envelope::seal(&use_key.derive(Purpose::Account, home)?, &at_home(home, what), bytes)
}

/// Opens what [`seal_at_home`] made.
///
/// # Errors
/// `store_corrupted` where it was altered, or is something else of this home or anything of another.
pub(crate) fn open_at_home(use_key: &UseKey, home: &[u8], what: &str, sealed: &[u8]) -> Result<SecretBuf> {
    envelope::open(&use_key.derive(Purpose::Account, home)?, &at_home(home, what), sealed)
}

fn password_key(export: &SecretValue, account: &Uuid) -> Result<SubKey> {
    // EXPOSE: the key that seals the account's keys is derived from it.
    SubKey::expand(export.expose(), &Binding::new("agentsecrets/export-key/1").field(account.as_bytes()))
}

fn binding(way: &str, account: &Uuid) -> Binding {
    Binding::new("agentsecrets/account-keys/1").field(way.as_bytes()).field(account.as_bytes())
}

fn at_home(home: &[u8], what: &str) -> Binding {
    Binding::new("agentsecrets/account-home/1").field(home).field(what.as_bytes())
}

fn unopened() -> Error {
    Error::new(ErrorCode::WrongCredentials, "the keys of the account do not open, or are not the account's")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    #[test]
    fn keys_open_by_the_way_they_were_sealed_for_their_account_alone() {
        let keys = AccountKeys::make().expect("random");
        let (export, code) = (super::super::make_secret().expect("random"), RecoveryCode::make().expect("random"));
        let (signing, receiving) = (keys.signing.public(), keys.receiving.public().expect("a key"));
        let by_password = keys.seal_for_password(&export, &OURS).expect("sealed");
        let by_code = keys.seal_for_recovery(&code, &OURS).expect("sealed");
        let opened = AccountKeys::open_for_password(&export, &OURS, &by_password).expect("opens");
        opened.check(&signing, &receiving).expect("the same");
        assert!(opened.check(&receiving, &signing).is_err());
        let opened = AccountKeys::open_for_recovery(&code, &OURS, &by_code).expect("opens");
        opened.check(&signing, &receiving).expect("the same");
        let refused = [
            AccountKeys::open_for_password(&export, &OTHER, &by_password),
            AccountKeys::open_for_password(&export, &OURS, &by_code),
            AccountKeys::open_for_recovery(&code, &OURS, &by_password),
            AccountKeys::open_for_recovery(&RecoveryCode::make().expect("random"), &OURS, &by_code),
        ];
        for refused in refused {
            assert_eq!(refused.err().expect("refused").code(), ErrorCode::WrongCredentials);
        }
        for bit in 0..by_password.as_bytes().len() * 8 {
            let mut altered = by_password.clone();
            altered.0[bit / 8] ^= 1 << (bit % 8);
            assert!(AccountKeys::open_for_password(&export, &OURS, &altered).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_signing_key_at_home_opens_by_the_passphrase_there() {
        let (key, passphrase) = (SigningKey::make().expect("random"), SecretValue::copy_from(b"correct horse"));
        let sealed = seal_signing(&key, &passphrase, b"home").expect("sealed");
        assert_eq!(open_signing(&passphrase, b"home", &sealed).expect("opens").public(), key.public());
        assert!(open_signing(&passphrase, b"other", &sealed).is_err());
        assert!(open_signing(&SecretValue::copy_from(b"correct horsf"), b"home", &sealed).is_err());
        assert!(super::super::OwnerKey::open(&passphrase, b"home", &sealed).is_err(), "it is no owner key");
    }

    #[test]
    fn what_rests_at_home_is_one_thing_in_one_home() {
        let use_key = UseKey::make().expect("random");
        let sealed = seal_at_home(&use_key, b"home", "device", b"bytes").expect("sealed");
        assert_eq!(open_at_home(&use_key, b"home", "device", &sealed).expect("opens").as_slice(), b"bytes");
        assert!(open_at_home(&use_key, b"home", "session", &sealed).is_err());
        assert!(open_at_home(&use_key, b"other", "device", &sealed).is_err());
        assert!(open_at_home(&UseKey::make().expect("random"), b"home", "device", &sealed).is_err());
    }
}
