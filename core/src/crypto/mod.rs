//! Keys and sealed records, without I/O.

mod account;
pub(crate) mod backup;
pub(crate) mod binding;
mod device;
pub(crate) mod envelope;
mod epoch;
mod fingerprint;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod invite;
mod label;
mod opaque;
pub(crate) mod owner_key;
pub(crate) mod passphrase;
mod policy_blob;
mod record;
mod recovery;
mod sigchain;
pub(crate) mod use_key;

pub(crate) use account::{AccountKeys, AccountSigning};
pub(crate) use binding::Binding;
pub(crate) use device::{DeviceKey, ReceivingKey};
pub(crate) use epoch::{EpochKey, Names, ScopeKey};
pub(crate) use fingerprint::words as fingerprint;
pub(crate) use invite::InviteCode;
pub(crate) use label::{open_label, seal_label, seal_machine_label};
pub(crate) use opaque::{Login as OpaqueLogin, Registration as OpaqueRegistration};
pub(crate) use owner_key::{OwnerKey, OwnerPublic};
pub(crate) use policy_blob::PolicyBlob;
pub(crate) use record::{NewRecord, OpenedRecord, open_record, seal_record};
pub(crate) use recovery::RecoveryCode;
pub(crate) use sigchain::Strict;
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
