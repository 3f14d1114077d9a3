//! Keys and sealed records, without I/O.

#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod account;
pub(crate) mod backup;
pub(crate) mod binding;
pub(crate) mod envelope;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod epoch;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod fingerprint;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod invite;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod label;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod opaque;
pub(crate) mod owner_key;
pub(crate) mod passphrase;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod policy_blob;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod record;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod recovery;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod sharing;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod sigchain;
#[allow(dead_code, reason = "what logs in and shares comes after what it stands on")]
pub(crate) mod signing;
pub(crate) mod use_key;

pub(crate) use binding::Binding;
pub(crate) use owner_key::{OwnerKey, OwnerPublic};
pub(crate) use use_key::{Purpose, UseKey};

#[cfg(test)]
mod vectors;

use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

/// Random bytes from the system.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|_| Error::new(ErrorCode::Internal, "the system gives no random bytes"))
}

/// A fresh random secret of 32 bytes, in guarded memory from the first.
pub(crate) fn make_secret() -> Result<SecretValue> {
    let mut bytes = SecretBuf::zeroed(32);
    fill_random(bytes.as_mut_slice())?;
    Ok(bytes.into_value())
}

/// A fresh array of random bytes, for what is no secret: salts, nonces, ids.
pub(crate) fn make_random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}
