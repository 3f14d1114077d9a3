//! The keys of one device: one signs records, requests and signs of life, the other opens what is sealed to its account.

use agentsecrets_wire::{PublicKey, Signature};
use ed25519_dalek::{Signer, SigningKey};
use hpke::kem::X25519HkdfSha256 as Kem;
use hpke::{Deserializable, Kem as _, Serializable};
use std::sync::Arc;

use super::fill_random;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

/// Ed25519 (RFC 8032): a seed in guarded memory, expanded only while it signs.
#[derive(Clone)]
pub(crate) struct DeviceKey(Arc<SecretValue>);

impl DeviceKey {
    /// A new random key.
    pub(crate) fn make() -> Result<Self> {
        Ok(Self(Arc::new(random()?)))
    }

    /// The key of 32 bytes, which the caller wipes.
    ///
    /// # Errors
    /// `store_corrupted` where they are not 32.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() == 32 { Ok(Self(Arc::new(SecretValue::copy_from(bytes)))) } else { Err(damaged()) }
    }

    /// The seed, to be sealed.
    pub(crate) fn bytes(&self) -> &[u8] {
        // EXPOSE: the type guards the key further; it is sealed where it rests.
        self.0.expose()
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        self.signing().verifying_key().to_bytes().into()
    }

    /// Signs a message; its domain is part of it.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        self.signing().sign(message).to_bytes().into()
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(self.bytes().try_into().expect("a seed is 32 bytes long"))
    }
}

/// X25519 (RFC 7748): opens what was sealed with HPKE.
#[derive(Clone)]
pub(crate) struct ReceivingKey(Arc<SecretValue>);

impl ReceivingKey {
    /// A new random key.
    pub(crate) fn make() -> Result<Self> {
        Ok(Self(Arc::new(random()?)))
    }

    /// The key of 32 bytes, which the caller wipes.
    ///
    /// # Errors
    /// `store_corrupted` where they are none.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let key = Self(Arc::new(SecretValue::copy_from(bytes)));
        key.private().map(|_| key)
    }

    /// The key's bytes, to be sealed.
    pub(crate) fn bytes(&self) -> &[u8] {
        // EXPOSE: the type guards the key further; it is sealed where it rests.
        self.0.expose()
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        let private = self.private().expect("the key was read as one");
        let public: [u8; 32] = Kem::sk_to_pk(&private).to_bytes().into();
        public.into()
    }

    pub(super) fn private(&self) -> Result<<Kem as hpke::Kem>::PrivateKey> {
        <Kem as hpke::Kem>::PrivateKey::from_bytes(self.bytes()).map_err(|_| damaged())
    }
}

fn random() -> Result<SecretValue> {
    let mut bytes = SecretBuf::zeroed(32);
    fill_random(bytes.as_mut_slice())?;
    Ok(bytes.into_value())
}

fn damaged() -> Error {
    Error::new(ErrorCode::StoreCorrupted, "a key of this device is not what it should be")
        .with_hint("agentsecrets login")
}
