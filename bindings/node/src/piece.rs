//! Bytes for JavaScript: copied where that is cheaper, handed over where it is not.

use bytes::{Bytes, BytesMut};
use napi::bindgen_prelude::{BufferSlice, ToNapiValue};
use napi::{Env, Result, sys};

/// Up to here a copy costs less than the finalizer of an external buffer. In bytes.
const COPIED: usize = 16 << 10;

/// A piece of a body.
pub struct Piece {
    bytes: Bytes,
    may_be_external: bool,
}

impl Piece {
    /// A whole body, handed over without a copy where it is long.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { bytes, may_be_external: true }
    }

    /// A piece of a stream. Always a copy: a byte stream transfers its chunks, and external memory cannot be transferred.
    pub(crate) fn part(bytes: Bytes) -> Self {
        Self { bytes, may_be_external: false }
    }
}

impl ToNapiValue for Piece {
    unsafe fn to_napi_value(env: sys::napi_env, piece: Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let slice = if piece.may_be_external && piece.bytes.len() > COPIED {
            match piece.bytes.try_into_mut() {
                Ok(owned) => external(&env, owned)?,
                Err(shared) => BufferSlice::copy_from(&env, &shared)?,
            }
        } else {
            BufferSlice::copy_from(&env, &piece.bytes)?
        };
        // SAFETY: `env` is the environment this conversion runs in.
        unsafe { ToNapiValue::to_napi_value(env.raw(), &slice) }
    }
}

fn external<'env>(env: &Env, mut bytes: BytesMut) -> Result<BufferSlice<'env>> {
    let (data, length) = (bytes.as_mut_ptr(), bytes.len());
    // SAFETY: `bytes` is the only owner of the memory (`try_into_mut` gave it), so JavaScript may write to it; it does not
    // move when `bytes` does, and lives until the finalizer drops `bytes`.
    unsafe { BufferSlice::from_external(env, data, length, bytes, |_env, bytes| drop(bytes)) }
}
