//! The chain and the ratchet: how each record is bound to the one before it, and to a key that is gone.
//!
//! With `body` the bytes of a line before `,"mac":`, and `line` all its bytes without the line feed:
//!
//! - `mac` of record i is HMAC-SHA-256(k_i, SHA-256(body)), in hex;
//! - `prev` of record i + 1 is SHA-256(line i), in hex; of the first record, 64 zeros;
//! - k_(i+1) is SHA-256("agentsecrets/audit/next" ‖ k_i), and k_i is overwritten at once.
//!
//! So whoever takes the home later holds no key under which an earlier record could be rewritten.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, ErrorCode, Result};

/// 23 bytes: with a key of 32 they fill exactly one block of SHA-256.
const NEXT: &[u8; 23] = b"agentsecrets/audit/next";
const MAC_FIELD: &[u8; 8] = b",\"mac\":\"";
const MAC_LEN: usize = MAC_FIELD.len() + 64 + 2;

/// The key of the first record. Its owner seals it elsewhere; the log forgets it at once.
#[derive(Clone)]
pub(crate) struct FirstKey(Key);

impl FirstKey {
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Key(Zeroizing::new(bytes)))
    }

    /// A random key.
    pub(crate) fn make() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())
            .map_err(|_| Error::new(ErrorCode::AuditUnavailable, "the system gives no randomness"))?;
        Ok(Self(Key(bytes)))
    }

    /// The bytes, for the owner to seal.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }

    pub(super) fn key(&self) -> Key {
        self.0.clone()
    }
}

impl fmt::Debug for FirstKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirstKey")
    }
}

/// The key of one record.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(pub(super) Zeroizing<[u8; 32]>);

impl Key {
    pub(super) fn next(&self) -> Self {
        Self(Zeroizing::new(Sha256::new().chain_update(NEXT).chain_update(self.0.as_slice()).finalize().into()))
    }

    fn mac(&self, body: &Digest) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("HMAC takes a key of any length");
        mac.chain_update(body.0)
    }
}

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Digest(pub(super) [u8; 32]);

impl Digest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub(super) fn hex(&self) -> [u8; 64] {
        to_hex(&self.0)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let pairs = text.as_bytes().chunks_exact(2);
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digit = |text: u8| match text {
                b'0'..=b'9' => Some(text - b'0'),
                b'a'..=b'f' => Some(text - b'a' + 10),
                _ => None,
            };
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

fn to_hex(bytes: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    text
}

/// Ends the body in `line` with its MAC and a line feed, and returns the digest of the line. One pass over the body.
pub(super) fn seal(line: &mut Vec<u8>, key: &Key) -> Digest {
    let hash = Sha256::new().chain_update(&*line);
    let mac: [u8; 32] = key.mac(&Digest(hash.clone().finalize().into())).finalize().into_bytes().into();
    let body_len = line.len();
    line.extend_from_slice(MAC_FIELD);
    line.extend_from_slice(&to_hex(&mac));
    line.extend_from_slice(b"\"}");
    let digest = Digest(hash.chain_update(&line[body_len..]).finalize().into());
    line.push(b'\n');
    digest
}

/// Whether a line (without its line feed) carries the MAC of its body under `key`. Compares in constant time.
pub(super) fn is_sealed(line: &[u8], key: &Key) -> bool {
    let Some((body, end)) = line.len().checked_sub(MAC_LEN).map(|at| line.split_at(at)) else { return false };
    let mac = end.strip_prefix(MAC_FIELD).and_then(|rest| rest.strip_suffix(b"\"}"));
    let Some(mac) = mac.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(Digest::parse) else { return false };
    key.mac(&Digest::of(body)).verify_slice(&mac.0).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_verifies_under_its_own_key_alone() {
        let key = FirstKey::make().expect("random").key();
        let mut line = br#"{"id":"x""#.to_vec();
        let digest = seal(&mut line, &key);
        line.pop();
        assert!(digest == Digest::of(&line));
        assert!(is_sealed(&line, &key) && !is_sealed(&line, &key.next()));
        for at in 0..line.len() {
            let mut altered = line.clone();
            altered[at] ^= 1;
            assert!(!is_sealed(&altered, &key), "byte {at} is not covered");
        }
        assert!(!is_sealed(b"", &key));
    }

    #[test]
    fn digests_read_back() {
        let digest = Digest::of(b"x");
        let hex = digest.hex();
        let text = std::str::from_utf8(&hex).expect("hex");
        assert!(Digest::parse(text) == Some(digest));
        assert!(Digest::parse(&text.to_uppercase()).is_none() && Digest::parse("").is_none());
    }
}
