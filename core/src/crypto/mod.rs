//! Keys and sealed records, without I/O.

pub(crate) mod backup;
pub(crate) mod binding;
pub(crate) mod envelope;
pub(crate) mod owner_key;
pub(crate) mod passphrase;
pub(crate) mod use_key;

pub(crate) use binding::Binding;
pub(crate) use owner_key::{OwnerKey, OwnerPublic};
pub(crate) use use_key::{Purpose, UseKey};

#[cfg(test)]
mod vectors;

use crate::error::{Error, ErrorCode, Result};

/// Random bytes from the system.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|_| Error::new(ErrorCode::Internal, "the system gives no random bytes"))
}

/// A fresh array of random bytes, for what is no secret: salts, nonces, ids.
pub(crate) fn make_random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    fill_random(&mut bytes)?;
    Ok(bytes)
}
