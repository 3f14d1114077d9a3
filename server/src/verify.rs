//! Signatures and digests, by the same rules as clients.

use agentsecrets_wire::{Code, Hash, PublicKey, Signature, Verifier, limits, open_proof};
use ed25519_dalek::VerifyingKey;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::error::Answer;

/// Ed25519 (RFC 8032), strict.
pub(crate) struct Strict;

impl Verifier for Strict {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        VerifyingKey::from_bytes(key.as_bytes())
            .is_ok_and(|key| !key.is_weak() && key.verify_strict(message, &signature).is_ok())
    }

    fn hash(&self, bytes: &[u8]) -> Hash {
        Hash::from(<[u8; 32]>::from(Sha256::digest(bytes)))
    }
}

/// Whether a time that a client names is close enough to the server's.
pub(crate) fn is_timely(seconds: i64) -> bool {
    now().abs_diff(seconds) <= limits::SKEW.unsigned_abs()
}

/// Refuses a time that is not.
pub(crate) fn check_timely(seconds: i64) -> Answer<()> {
    if is_timely(seconds) { Ok(()) } else { Err(Code::ClockSkew.into()) }
}

/// The server's time, in seconds.
pub(crate) fn now() -> i64 {
    Timestamp::now().as_second()
}

/// Whether a key's owner asks for a path outside of any session.
pub(crate) fn is_asked_by(key: &PublicKey, path: &str, seconds: i64, signature: &Signature) -> bool {
    Strict.verify(key, &open_proof(path, seconds), signature)
}
