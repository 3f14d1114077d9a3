//! What the rules of a workspace's chain are checked with, and what breaking one of them is called.

use agentsecrets_wire::chain::{Entry, Head, Refusal, State};
use agentsecrets_wire::{Hash, PublicKey, Signature, Signed, Verifier};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorCode, Result};

/// Ed25519 (RFC 8032, strict) and SHA-256.
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

/// Applies entries in their order, all of them or none.
///
/// # Errors
/// `chain_forked` where an entry names another past than the state has; `chain_invalid` for every other rule.
pub(crate) fn apply(state: &mut State, entries: &[Signed<Entry>]) -> Result<Option<Head>> {
    let mut next = state.clone();
    for entry in entries {
        next.apply(entry, &Strict).map_err(refused)?;
    }
    *state = next;
    Ok(state.head())
}

/// A broken rule as an error.
pub(crate) fn refused(refusal: Refusal) -> Error {
    let code = if refusal == Refusal::OtherPast { ErrorCode::ChainForked } else { ErrorCode::ChainInvalid };
    Error::new(code, refusal.to_string())
}
