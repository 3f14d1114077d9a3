//! Keys at rest under a passphrase: Argon2id (RFC 9106) into XChaCha20-Poly1305.
//!
//! `as1p`, memory in KiB, passes, lanes (u32 each, little endian), salt (16), nonce (24), ciphertext, tag (16). All that
//! stands before the nonce is authenticated, with the purpose and the home.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use super::binding::Binding;
use super::{envelope, make_random};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const MAGIC: &[u8; 4] = b"as1p";
const SALT: usize = 16;
const NONCE: usize = 24;
const TAG: usize = 16;
const HEADER: usize = MAGIC.len() + 3 * 4 + SALT;

/// What new keys are sealed with: 64 MiB, three passes, one lane.
const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 1 };
/// The least and the most that is opened: a file must neither be weak nor take a machine's memory for itself.
const LEAST: Cost = Cost { memory_kib: 19 << 10, passes: 1, lanes: 1 };
const MOST: Cost = Cost { memory_kib: 512 << 10, passes: 16, lanes: 4 };

/// Seals a key under a passphrase, for one purpose in one home. Each sealing has a salt of its own, so that one
/// passphrase over two files gives two unrelated keys.
pub(super) fn seal(passphrase: &SecretValue, purpose: &'static str, home: &[u8], key: &SecretValue) -> Result<Vec<u8>> {
    seal_with(passphrase, purpose, home, key, COST, &make_random()?, &make_random()?)
}

/// Opens what [`seal`] made.
///
/// # Errors
/// `wrong_passphrase` where it does not open; `store_corrupted` for what is no sealed key or asks for too little or too
/// much work.
pub(super) fn open(passphrase: &SecretValue, purpose: &'static str, home: &[u8], sealed: &[u8]) -> Result<SecretValue> {
    let (header, rest) = sealed.split_first_chunk::<HEADER>().ok_or_else(malformed)?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>().ok_or_else(malformed)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or_else(malformed)?;
    let (cost, salt) = Cost::parse(header)?;
    let derived = derive(passphrase, cost, salt)?;
    let associated = associated(header, purpose, home);
    envelope::open_body(as_key(&derived), nonce, associated.as_bytes(), ciphertext, tag)
        .map(SecretBuf::into_value)
        .ok_or_else(|| Error::new(ErrorCode::WrongPassphrase, "the passphrase does not open the key"))
}

#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
}

impl Cost {
    fn parse(header: &[u8; HEADER]) -> Result<(Self, &[u8; SALT])> {
        let rest = header.strip_prefix(MAGIC).ok_or_else(malformed)?;
        let (numbers, salt) = rest.split_last_chunk::<SALT>().ok_or_else(malformed)?;
        let number = |at: usize| u32::from_le_bytes(numbers[at..at + 4].try_into().expect("four bytes"));
        let cost = Self { memory_kib: number(0), passes: number(4), lanes: number(8) };
        let within = (LEAST.memory_kib..=MOST.memory_kib).contains(&cost.memory_kib)
            && (LEAST.passes..=MOST.passes).contains(&cost.passes)
            && (LEAST.lanes..=MOST.lanes).contains(&cost.lanes);
        if within { Ok((cost, salt)) } else { Err(malformed()) }
    }

    fn header(self, salt: &[u8; SALT]) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(MAGIC);
        header[4..8].copy_from_slice(&self.memory_kib.to_le_bytes());
        header[8..12].copy_from_slice(&self.passes.to_le_bytes());
        header[12..16].copy_from_slice(&self.lanes.to_le_bytes());
        header[16..].copy_from_slice(salt);
        header
    }
}

pub(super) fn seal_with(
    passphrase: &SecretValue,
    purpose: &'static str,
    home: &[u8],
    key: &SecretValue,
    cost: Cost,
    salt: &[u8; SALT],
    nonce: &[u8; NONCE],
) -> Result<Vec<u8>> {
    let header = cost.header(salt);
    let derived = derive(passphrase, cost, salt)?;
    let mut sealed = Vec::with_capacity(HEADER + NONCE + key.len() + TAG);
    sealed.extend_from_slice(&header);
    sealed.extend_from_slice(nonce);
    let associated = associated(&header, purpose, home);
    // EXPOSE: the key is what is sealed.
    envelope::seal_body(as_key(&derived), nonce, associated.as_bytes(), key.expose(), &mut sealed)?;
    Ok(sealed)
}

fn derive(passphrase: &SecretValue, cost: Cost, salt: &[u8; SALT]) -> Result<SecretBuf> {
    let defect = |_| Error::new(ErrorCode::Internal, "a key cannot be derived from the passphrase");
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(defect)?;
    // Our own blocks, because the crate does not wipe those it allocates.
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(params.block_count()).map_err(|_| {
        Error::new(ErrorCode::StoreUnavailable, format!("opening a key needs {} MiB of memory", cost.memory_kib >> 10))
            .with_hint("give the process more memory, and try again")
    })?;
    blocks.resize(params.block_count(), Block::default());
    let mut derived = SecretBuf::zeroed(32);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    // EXPOSE: the key is derived from the passphrase.
    let outcome = argon2.hash_password_into_with_memory(passphrase.expose(), salt, derived.as_mut_slice(), &mut blocks);
    blocks.iter_mut().for_each(Zeroize::zeroize);
    outcome.map_err(defect)?;
    Ok(derived)
}

fn as_key(derived: &SecretBuf) -> &[u8; 32] {
    derived.as_slice().try_into().expect("32 bytes were derived")
}

fn associated(header: &[u8; HEADER], purpose: &'static str, home: &[u8]) -> Binding {
    Binding::new("agentsecrets/passphrase/1").field(header).field(purpose.as_bytes()).field(home)
}

fn malformed() -> Error {
    Error::new(ErrorCode::StoreCorrupted, "the file holds no key under a passphrase that this version opens")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(bytes: &[u8]) -> SecretValue {
        SecretValue::copy_from(bytes)
    }

    fn cheap(passphrase: &SecretValue, key: &SecretValue) -> Vec<u8> {
        seal_with(passphrase, "test", b"home", key, LEAST, &[1; SALT], &[2; NONCE]).expect("sealed")
    }

    #[test]
    fn a_key_opens_with_its_passphrase_only() {
        let (passphrase, key) = (secret(b"correct horse"), secret(&[7; 32]));
        let sealed = seal(&passphrase, "test", b"home", &key).expect("sealed");
        assert_eq!(&sealed[4..16], [0, 0, 1, 0, 3, 0, 0, 0, 1, 0, 0, 0], "64 MiB, three passes, one lane");
        // EXPOSE: the test compares what went in with what came out.
        assert_eq!(open(&passphrase, "test", b"home", &sealed).expect("opens").expose(), key.expose());
        let wrong = open(&secret(b"correct horsf"), "test", b"home", &sealed).err().expect("refused");
        assert_eq!(wrong.code(), ErrorCode::WrongPassphrase);
        assert_ne!(sealed[16..], seal(&passphrase, "test", b"home", &key).expect("sealed")[16..], "salted");
    }

    #[test]
    fn purpose_home_cost_and_salt_are_bound() {
        let (passphrase, key) = (secret(b"correct horse"), secret(&[7; 32]));
        let sealed = cheap(&passphrase, &key);
        assert!(open(&passphrase, "test", b"home", &sealed).is_ok());
        assert!(open(&passphrase, "other", b"home", &sealed).is_err());
        assert!(open(&passphrase, "test", b"other", &sealed).is_err());
        for byte in [4, 8, 12, 16, 32, HEADER + NONCE, sealed.len() - 1] {
            let mut altered = sealed.clone();
            altered[byte] ^= 2;
            assert!(open(&passphrase, "test", b"home", &altered).is_err(), "byte {byte}");
        }
        for len in 0..sealed.len().min(HEADER + NONCE + TAG) {
            let cut = open(&passphrase, "test", b"home", &sealed[..len]).err().expect("refused");
            assert_eq!(cut.code(), ErrorCode::StoreCorrupted);
        }
    }

    #[test]
    fn a_hostile_file_asks_for_neither_too_much_nor_too_little() {
        let passphrase = secret(b"correct horse");
        let sealed = cheap(&passphrase, &secret(&[7; 32]));
        let costs = [
            (1 << 30, 1, 1),
            (u32::MAX, 1, 1),
            (8, 1, 1),
            (19 << 10, u32::MAX, 1),
            (19 << 10, 1, 1 << 20),
            (19 << 10, 0, 1),
            (19 << 10, 1, 0),
        ];
        for (memory_kib, passes, lanes) in costs {
            let mut hostile = sealed.clone();
            hostile[..HEADER].copy_from_slice(&Cost { memory_kib, passes, lanes }.header(&[1; SALT]));
            let error = open(&passphrase, "test", b"home", &hostile).err().expect("refused");
            assert_eq!(error.code(), ErrorCode::StoreCorrupted);
        }
    }
}
