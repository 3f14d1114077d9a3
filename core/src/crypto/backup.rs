//! A backup: one sealed file under the owner's passphrase.
//!
//! `as1b`, the length of the sealed key (u32, little endian), a key of this file's own under the passphrase
//! ([`passphrase`]), and the content under that key ([`envelope`]), bound to all that stands before it.

use super::binding::Binding;
use super::use_key::SubKey;
use super::{envelope, fill_random, passphrase};
use crate::error::{Error, ErrorCode, Result};
use crate::resolve::value::{SecretBuf, SecretValue};

const MAGIC: &[u8; 4] = b"as1b";
const PURPOSE: &str = "backup";

/// Seals the content of a backup.
pub(crate) fn seal(passphrase: &SecretValue, content: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = SecretBuf::zeroed(32);
    fill_random(bytes.as_mut_slice())?;
    let key = bytes.into_value();
    let sealed_key = passphrase::seal(passphrase, PURPOSE, b"", &key)?;
    let length = u32::try_from(sealed_key.len()).map_err(|_| malformed())?.to_le_bytes();
    let content = envelope::seal(&content_key(&key)?, &binding(&sealed_key), content)?;
    Ok([&MAGIC[..], &length, &sealed_key, &content].concat())
}

/// Opens what [`seal`] made.
///
/// # Errors
/// `wrong_passphrase`; `store_corrupted` for what is no backup, or one that was altered or cut.
pub(crate) fn open(passphrase: &SecretValue, file: &[u8]) -> Result<SecretBuf> {
    let rest = file.strip_prefix(MAGIC).ok_or_else(malformed)?;
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| malformed())?;
    let (sealed_key, content) = rest.split_at_checked(length).ok_or_else(malformed)?;
    let key = passphrase::open(passphrase, PURPOSE, b"", sealed_key)?;
    envelope::open(&content_key(&key)?, &binding(sealed_key), content)
        .map_err(|_| Error::new(ErrorCode::StoreCorrupted, "the backup was altered or cut"))
}

fn content_key(key: &SecretValue) -> Result<SubKey> {
    // EXPOSE: the key that seals the content is derived from it.
    SubKey::expand(key.expose(), &Binding::new("agentsecrets/backup-key/1"))
}

fn binding(sealed_key: &[u8]) -> Binding {
    Binding::new("agentsecrets/backup/1").field(MAGIC).field(sealed_key)
}

fn malformed() -> Error {
    Error::new(ErrorCode::StoreCorrupted, "the file is no backup that this version opens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_opens_whole_with_its_passphrase_or_not_at_all() {
        let passphrase = SecretValue::copy_from(b"correct horse");
        let sealed = seal(&passphrase, b"content").expect("sealed");
        assert_eq!(open(&passphrase, &sealed).expect("opens").as_slice(), b"content");
        let wrong = open(&SecretValue::copy_from(b"correct horsf"), &sealed).err().expect("refused");
        assert_eq!(wrong.code(), ErrorCode::WrongPassphrase);
        for at in [0, 4, 100, sealed.len() - 1] {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(open(&passphrase, &altered).is_err(), "byte {at}");
        }
        for length in [0, 3, 8, 60, sealed.len() - 1] {
            assert!(open(&passphrase, &sealed[..length]).is_err(), "cut to {length}");
        }
    }
}
