//! Where sealed values rest.
//!
//! A [`SecretStore`] keeps sealed records under random ids and knows neither names nor keys; the sealed [`index`] says
//! which record is current for which name; a [`vault::Vault`] joins the two under the use key.

pub(crate) mod atomic;
mod base;
pub(crate) mod file;
pub(crate) mod index;
pub(crate) mod journal;
pub(crate) mod keychain;
pub(crate) mod lock;
pub(crate) mod marker;
#[cfg(test)]
pub(crate) mod memory;
mod source;
pub(crate) mod vault;
mod watch;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod full_disk;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::crypto;
use crate::error::{Error, ErrorCode, Result};
use crate::home::StoreKind;

pub(crate) use base::Base;
pub(crate) use index::Place;
pub(crate) use lock::HomeLock;
pub(crate) use source::{Pending, Sources};
pub(crate) use vault::{Arrival, Arrived, Checked, Copied, Expectation, Listed, NewSecret, Records, Shared, Vault};

/// Keeps sealed records. Ids are random and never used twice, so a record is written once and never altered.
///
/// The methods block; an asynchronous caller calls them where blocking is allowed.
pub(crate) trait SecretStore: Send + Sync {
    /// Keeps records; when it returns they outlive a loss of power. On an error any part of them may have been kept.
    fn put_many(&self, records: &[(RecordId, Vec<u8>)]) -> Result<()>;

    /// A record, or `None` where there is none of that id.
    fn get(&self, id: &RecordId) -> Result<Option<Vec<u8>>>;

    /// Forgets a record. One that is not there is no error.
    fn delete(&self, id: &RecordId) -> Result<()>;

    /// Whether records can be written and read now; the error says what to do.
    fn health(&self) -> Result<()>;

    /// Keeps one record.
    #[cfg(test)]
    fn put(&self, id: RecordId, sealed: Vec<u8>) -> Result<()> {
        self.put_many(&[(id, sealed)])
    }
}

/// Opens the store of a home. `home_id` keeps the homes of one user apart in the keychain they share.
pub(crate) fn open(kind: StoreKind, home: &Path, home_id: Uuid) -> Result<Box<dyn SecretStore>> {
    Ok(match kind {
        StoreKind::Keychain => Box::new(keychain::KeychainStore::open(home_id)?),
        StoreKind::File => Box::new(file::FileStore::open(&home.join("store"))?),
    })
}

/// The random id of a record. It says nothing about the name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RecordId([u8; 16]);

impl RecordId {
    /// A new random id.
    pub(crate) fn make() -> Result<Self> {
        crypto::make_random().map(Self)
    }

    /// The id that its 32 hexadecimal digits write.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(id))
    }

    /// The id's bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no record id"))
    }
}

/// The error of a home that cannot be read or written, with what the system said and what to do.
pub(crate) fn unavailable(doing: &str, path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    let (why, hint) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            ("the disk is full", "free some space and try again; nothing was lost")
        }
        ErrorKind::ReadOnlyFilesystem => {
            ("the disk is read-only", "choose a writable home with AGENTSECRETS_HOME; nothing was lost")
        }
        ErrorKind::PermissionDenied => {
            ("permission denied", "agentsecrets doctor  # the home belongs to its user alone: 0700, files 0600")
        }
        ErrorKind::NotFound => ("it is not there", "agentsecrets doctor"),
        _ => ("the system refused", "agentsecrets doctor"),
    };
    let code = error.raw_os_error().map_or_else(String::new, |code| format!(" (system error {code})"));
    Error::new(ErrorCode::StoreUnavailable, format!("cannot {doing} {}: {why}{code}", path.display())).with_hint(hint)
}

#[cfg(test)]
mod testing {
    use super::*;

    /// A private, empty home that is removed when dropped.
    pub(super) fn home() -> tempfile::TempDir {
        let home = tempfile::tempdir().expect("a temporary directory");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).expect("ours");
        }
        home
    }

    /// The records that rest in a file store, sorted.
    pub(super) fn records_in(home: &Path) -> Vec<String> {
        let shelves = std::fs::read_dir(home.join("store")).expect("a store").flatten();
        let mut records: Vec<String> = shelves
            .filter_map(|shelf| std::fs::read_dir(shelf.path()).ok())
            .flat_map(|shelf| shelf.flatten().map(|record| record.file_name().to_string_lossy().into_owned()))
            .collect();
        records.sort_unstable();
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_id_reads_as_it_prints() {
        let id = RecordId::make().expect("random");
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
        assert_ne!(RecordId::make().expect("random"), id);
        for wrong in ["", "00", &"g".repeat(32), &"A".repeat(32), &"0".repeat(33), "../../../../../../etc/passwd0000"] {
            assert_eq!(RecordId::parse(wrong), None);
        }
    }
}
