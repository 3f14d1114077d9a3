//! The keychain of the operating system: macOS Keychain, Windows Credential Manager, Secret Service.
//!
//! Service `agentsecrets`, account `HOME/RECORD`; the names of secrets never stand there. What the platform does not take
//! in one piece is split over `HOME/RECORD/1` and on, written before the first piece, which tells their number.

use keyring::v1::{Entry, Error as KeyringError};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{RecordId, SecretStore};
use crate::crypto::use_key::UseKey;
use crate::error::{Error, ErrorCode, Result};

const SERVICE: &str = "agentsecrets";
/// The longest item. Windows: `CRED_MAX_CREDENTIAL_BLOB_SIZE`; the others state no limit near a record's length.
const MAX_ITEM: usize = if cfg!(windows) { 2560 } else { 1 << 20 };
/// The number of pieces, in front of the first (u16, little endian).
const COUNT: usize = 2;

/// Keeps sealed records in the keychain.
pub(crate) struct KeychainStore<I: Items = OsItems> {
    items: I,
    home: Uuid,
    max_item: usize,
}

impl KeychainStore {
    /// Opens the keychain for one home.
    ///
    /// # Errors
    /// `store_unavailable` where there is no keychain.
    pub(crate) fn open(home: Uuid) -> Result<Self> {
        Entry::store_status().as_ref().map_err(explain)?;
        Ok(Self { items: OsItems, home, max_item: MAX_ITEM })
    }
}

/// The use key of a home, where its owner chose the keychain for it, or `None` where the keychain holds none.
///
/// # Errors
/// `store_unavailable` without a keychain, `store_locked` where the keychain is locked.
pub(crate) fn use_key(home: Uuid) -> Result<Option<UseKey>> {
    OsItems.get(&use_key_account(home))?.map(|bytes| UseKey::from_bytes(&bytes)).transpose()
}

/// Puts the use key of a home into the keychain.
///
/// # Errors
/// As [`use_key`].
pub(crate) fn put_use_key(home: Uuid, key: &UseKey) -> Result<()> {
    OsItems.set(&use_key_account(home), key.bytes())
}

/// Takes the use key of a home out of the keychain.
///
/// # Errors
/// As [`use_key`].
#[cfg(test)]
pub(crate) fn delete_use_key(home: Uuid) -> Result<()> {
    OsItems.delete(&use_key_account(home)).map(|_| ())
}

fn use_key_account(home: Uuid) -> String {
    format!("use-key:{home}")
}

/// Named items of bytes.
pub(crate) trait Items: Send + Sync {
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>>;
    fn set(&self, account: &str, bytes: &[u8]) -> Result<()>;
    /// Whether there was one.
    fn delete(&self, account: &str) -> Result<bool>;
}

/// The items of the operating system.
pub(crate) struct OsItems;

impl Items for OsItems {
    fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match entry(account)?.get_secret() {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(KeyringError::NoEntry) => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    fn set(&self, account: &str, bytes: &[u8]) -> Result<()> {
        entry(account)?.set_secret(bytes).map_err(|error| explain(&error))
    }

    fn delete(&self, account: &str) -> Result<bool> {
        match entry(account)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(KeyringError::NoEntry) => Ok(false),
            Err(error) => Err(explain(&error)),
        }
    }
}

fn entry(account: &str) -> Result<Entry> {
    Entry::new(SERVICE, account).map_err(|error| explain(&error))
}

/// The keychain's own text is left out: some of its errors carry the bytes they are about.
fn explain(error: &KeyringError) -> Error {
    match error {
        KeyringError::NoStorageAccess(_) => {
            Error::new(ErrorCode::StoreLocked, "the keychain of this session is locked")
                .with_hint("unlock the login keychain (log in at the desktop), and try again")
        }
        KeyringError::Ambiguous(_) | KeyringError::BadDataFormat(..) | KeyringError::BadEncoding(_) => {
            Error::new(ErrorCode::StoreCorrupted, "an item of the keychain is there twice or cannot be decoded")
        }
        KeyringError::TooLong(..) => {
            Error::new(ErrorCode::StoreUnavailable, "the keychain does not take so long a record")
                .with_hint("agentsecrets init --store file")
        }
        _ => Error::new(ErrorCode::StoreUnavailable, "this session has no keychain, or it does not answer")
            .with_hint("agentsecrets init --store file"),
    }
}

impl<I: Items> KeychainStore<I> {
    fn account(&self, id: &RecordId, piece: usize) -> String {
        match piece {
            0 => format!("{}/{id}", self.home),
            _ => format!("{}/{id}/{piece}", self.home),
        }
    }

    fn put_one(&self, id: &RecordId, sealed: &[u8]) -> Result<()> {
        let (first, rest) = sealed.split_at(sealed.len().min(self.max_item - COUNT));
        let rest: Vec<&[u8]> = rest.chunks(self.max_item).collect();
        let count = u16::try_from(rest.len())
            .map_err(|_| Error::new(ErrorCode::StoreUnavailable, "the record is too long for the keychain"))?;
        for (number, piece) in rest.iter().enumerate() {
            self.items.set(&self.account(id, number + 1), piece)?;
        }
        self.items.set(&self.account(id, 0), &[&count.to_le_bytes()[..], first].concat())
    }
}

impl<I: Items> SecretStore for KeychainStore<I> {
    fn put_many(&self, records: &[(RecordId, Vec<u8>)]) -> Result<()> {
        records.iter().try_for_each(|(id, sealed)| self.put_one(id, sealed))
    }

    fn get(&self, id: &RecordId) -> Result<Option<Vec<u8>>> {
        let Some(head) = self.items.get(&self.account(id, 0))? else { return Ok(None) };
        let damaged = || Error::new(ErrorCode::StoreCorrupted, "a record in the keychain lacks a piece");
        let (count, first) = head.split_first_chunk::<COUNT>().ok_or_else(damaged)?;
        let mut sealed = first.to_vec();
        for piece in 1..=usize::from(u16::from_le_bytes(*count)) {
            sealed.extend_from_slice(&self.items.get(&self.account(id, piece))?.ok_or_else(damaged)?);
        }
        Ok(Some(sealed))
    }

    fn delete(&self, id: &RecordId) -> Result<()> {
        let head = self.items.get(&self.account(id, 0))?;
        let told =
            head.as_ref().and_then(|head| head.first_chunk::<COUNT>()).map_or(0, |count| u16::from_le_bytes(*count));
        // A write that was cut off left pieces without the first; a deletion, the first without some pieces.
        let mut piece = 1;
        while self.items.delete(&self.account(id, piece))? || piece < usize::from(told) {
            piece += 1;
        }
        self.items.delete(&self.account(id, 0)).map(|_| ())
    }

    fn health(&self) -> Result<()> {
        let probe = RecordId::make()?;
        self.put_one(&probe, b"probe")?;
        let read = self.get(&probe);
        self.delete(&probe)?;
        match read? {
            Some(bytes) if bytes == b"probe" => Ok(()),
            _ => Err(Error::new(ErrorCode::StoreUnavailable, "the keychain does not give back what was put into it")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;

    /// Items in memory, no longer than a limit: the splitting runs on every machine.
    #[derive(Default)]
    pub(in crate::store) struct ShortItems {
        held: Mutex<BTreeMap<String, Vec<u8>>>,
    }

    const LIMIT: usize = 100;

    impl Items for ShortItems {
        fn get(&self, account: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
            Ok(self.held.lock().expect("no panic").get(account).cloned().map(Zeroizing::new))
        }

        fn set(&self, account: &str, bytes: &[u8]) -> Result<()> {
            assert!(bytes.len() <= LIMIT, "an item of {} bytes", bytes.len());
            self.held.lock().expect("no panic").insert(account.to_owned(), bytes.to_vec());
            Ok(())
        }

        fn delete(&self, account: &str) -> Result<bool> {
            Ok(self.held.lock().expect("no panic").remove(account).is_some())
        }
    }

    pub(in crate::store) fn split_store() -> KeychainStore<ShortItems> {
        KeychainStore { items: ShortItems::default(), home: Uuid::from_u128(1), max_item: LIMIT }
    }

    /// The real keychain with items as short as on Windows, so that splitting runs against it too.
    pub(in crate::store) fn split_keychain(home: Uuid) -> KeychainStore {
        KeychainStore { max_item: 2560, ..KeychainStore::open(home).expect("a keychain") }
    }

    #[test]
    fn a_long_record_is_split_and_leaves_nothing_behind() {
        let store = split_store();
        for len in [0, 1, LIMIT - COUNT, LIMIT - COUNT + 1, 2 * LIMIT - COUNT, 2 * LIMIT - COUNT + 1, 65_600] {
            let id = RecordId::make().expect("random");
            let sealed: Vec<u8> = (0..=255).cycle().take(len).collect();
            store.put(id, sealed.clone()).expect("kept");
            assert_eq!(store.get(&id).expect("readable"), Some(sealed));
            store.delete(&id).expect("deleted");
            assert!(store.items.held.lock().expect("no panic").is_empty(), "{len}");
        }
    }

    #[test]
    fn what_a_crash_left_of_a_split_record_is_found_and_swept() {
        let store = split_store();
        let id = RecordId::make().expect("random");
        store.put(id, vec![1; 950]).expect("kept");
        store.items.delete(&store.account(&id, 3)).expect("there");
        assert_eq!(store.get(&id).expect_err("a piece is gone").code(), ErrorCode::StoreCorrupted);
        store.delete(&id).expect("deleted");
        assert!(store.items.held.lock().expect("no panic").is_empty());
        store.put(id, vec![1; 950]).expect("kept");
        store.items.delete(&store.account(&id, 0)).expect("there");
        assert_eq!(store.get(&id).expect("readable"), None, "without the first piece there is no record");
        store.delete(&id).expect("deleted");
        assert!(store.items.held.lock().expect("no panic").is_empty());
    }
}
