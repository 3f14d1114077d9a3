//! What the chain's rules are run with: strict Ed25519 and SHA-256.

use agentsecrets_wire::{Hash, PublicKey, Signature, Verifier};
use ed25519_dalek::{Signature as Ed25519, VerifyingKey};
use sha2::{Digest, Sha256};

/// One message has one valid signature a signer, and weak keys verify nothing (RFC 8032 with the checks of
/// `verify_strict`).
pub(crate) struct Strict;

impl Verifier for Strict {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(key.as_bytes()) else { return false };
        !key.is_weak() && key.verify_strict(message, &Ed25519::from_bytes(signature.as_bytes())).is_ok()
    }

    fn hash(&self, bytes: &[u8]) -> Hash {
        <[u8; 32]>::from(Sha256::digest(bytes)).into()
    }
}
