//! A sealed record: XChaCha20-Poly1305 under a key of one purpose, bound to where it belongs.
//!
//! `as1r`, nonce (24 bytes), ciphertext, tag (16 bytes). The first four bytes and the binding are authenticated.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, Tag, XChaCha20Poly1305, XNonce};

use super::binding::Binding;
use super::make_random;
use super::use_key::SubKey;
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::SecretBuf;

const MAGIC: &[u8; 4] = b"as1r";
const NONCE: usize = 24;
const TAG: usize = 16;
/// How many bytes a sealed record is longer than what it holds.
pub(crate) const OVERHEAD: usize = MAGIC.len() + NONCE + TAG;

/// Seals bytes so that they open only with the same key and binding.
pub(crate) fn seal(key: &SubKey, binding: &Binding, plaintext: &[u8]) -> Result<Vec<u8>> {
    seal_with(key, binding, plaintext, &make_random()?)
}

/// Opens what [`seal`] made.
///
/// # Errors
/// `store_corrupted` where one bit of it, the key or the binding is another.
pub(crate) fn open(key: &SubKey, binding: &Binding, sealed: &[u8]) -> Result<SecretBuf> {
    let rest = sealed.strip_prefix(MAGIC).ok_or_else(corrupted)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or_else(corrupted)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or_else(corrupted)?;
    open_body(key.bytes(), nonce, associated(binding).as_bytes(), ciphertext, tag).ok_or_else(corrupted)
}

pub(super) fn seal_with(key: &SubKey, binding: &Binding, plaintext: &[u8], nonce: &[u8; NONCE]) -> Result<Vec<u8>> {
    let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
    sealed.extend_from_slice(MAGIC);
    sealed.extend_from_slice(nonce);
    seal_body(key.bytes(), nonce, associated(binding).as_bytes(), plaintext, &mut sealed)?;
    Ok(sealed)
}

/// Appends ciphertext and tag to `sealed`. The plaintext is encrypted where it was copied to, and leaves no other copy
/// as long as `sealed` has room for it.
pub(super) fn seal_body(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    associated: &[u8],
    plaintext: &[u8],
    sealed: &mut Vec<u8>,
) -> Result<()> {
    sealed.reserve_exact(plaintext.len() + TAG);
    let start = sealed.len();
    sealed.extend_from_slice(plaintext);
    let tag = XChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&XNonce::from(*nonce), associated, (&mut sealed[start..]).into())
        .map_err(|_| Error::new(ErrorCode::Internal, "the record is too long to seal"))?;
    sealed.extend_from_slice(&tag);
    Ok(())
}

/// Decrypts in guarded memory, or `None` where the tag does not fit.
pub(super) fn open_body(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    associated: &[u8],
    ciphertext: &[u8],
    tag: &[u8; TAG],
) -> Option<SecretBuf> {
    let mut buffer = SecretBuf::with_capacity(ciphertext.len());
    buffer.extend(ciphertext);
    XChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(&XNonce::from(*nonce), associated, buffer.as_mut_slice().into(), &Tag::from(*tag))
        .ok()?;
    Some(buffer)
}

fn associated(binding: &Binding) -> Binding {
    Binding::new("agentsecrets/sealed/1").field(MAGIC).field(binding.as_bytes())
}

fn corrupted() -> Error {
    Error::new(
        ErrorCode::StoreCorrupted,
        "a sealed record does not open: it was altered, cut, moved or made under another key",
    )
}

#[cfg(test)]
mod tests {
    use super::super::use_key::{Purpose, UseKey};
    use super::*;

    fn key() -> SubKey {
        UseKey::make().and_then(|key| key.derive(Purpose::Records, b"home")).expect("random")
    }

    fn binding(place: &str) -> Binding {
        Binding::new("test").field(place.as_bytes())
    }

    #[test]
    fn what_was_sealed_opens_with_the_same_key_and_binding_only() {
        let (ours, other) = (key(), key());
        for len in [0, 1, 63, 64, 65, 65_536] {
            let plaintext: Vec<u8> = (0..=255).cycle().take(len).collect();
            let sealed = seal(&ours, &binding("a"), &plaintext).expect("sealed");
            assert_eq!(sealed.len(), len + OVERHEAD);
            assert_eq!(open(&ours, &binding("a"), &sealed).expect("opens").as_slice(), plaintext);
            for refused in [open(&ours, &binding("b"), &sealed), open(&other, &binding("a"), &sealed)] {
                assert_eq!(refused.err().expect("refused").code(), ErrorCode::StoreCorrupted);
            }
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_found() {
        let key = key();
        let sealed = seal(&key, &binding("a"), b"some bytes").expect("sealed");
        for len in 0..sealed.len() {
            assert!(open(&key, &binding("a"), &sealed[..len]).is_err(), "cut to {len}");
        }
        for bit in 0..sealed.len() * 8 {
            let mut altered = sealed.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, &binding("a"), &altered).is_err(), "bit {bit}");
        }
        assert!(open(&key, &binding("a"), &[&sealed[..], b"x"].concat()).is_err());
    }

    #[test]
    fn one_plaintext_never_seals_alike_twice() {
        let key = key();
        let sealed = || seal(&key, &binding("a"), b"some bytes").expect("sealed");
        assert_ne!(sealed(), sealed());
    }
}
