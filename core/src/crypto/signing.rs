//! A key that signs statements of the sync protocol: an account's, a device's, an invitation's (Ed25519, RFC 8032).

use agentsecrets_wire::{PublicKey, Signature};
use ed25519_dalek::{Signer, SigningKey as Expanded};

use super::make_secret;
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::SecretValue;

/// The secret half: a seed in guarded memory, expanded only while it signs.
pub(crate) struct SigningKey(SecretValue);

impl SigningKey {
    /// A new random key.
    pub(crate) fn make() -> Result<Self> {
        make_secret().map(Self)
    }

    /// A key from its seed, which the caller wipes.
    ///
    /// # Errors
    /// `store_corrupted` where it is not 32 bytes long.
    pub(crate) fn from_bytes(seed: &[u8]) -> Result<Self> {
        if seed.len() == 32 {
            return Ok(Self(SecretValue::copy_from(seed)));
        }
        Err(Error::new(ErrorCode::StoreCorrupted, "a signing key is not 32 bytes long"))
    }

    /// A key whose seed was derived.
    pub(super) fn from_derived(seed: &SubKey) -> Self {
        Self(SecretValue::copy_from(seed.bytes()))
    }

    /// The seed, to be sealed.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        // EXPOSE: the type guards the seed further; it is sealed, or expanded to sign.
        self.0.expose().try_into().expect("a seed is 32 bytes long")
    }

    /// The seed, where a value is what is sealed.
    pub(super) fn value(&self) -> &SecretValue {
        &self.0
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::from(Expanded::from_bytes(self.bytes()).verifying_key().to_bytes())
    }

    /// Signs exact bytes; those of the protocol begin with their domain.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature::from(Expanded::from_bytes(self.bytes()).sign(message).to_bytes())
    }
}
