//! The encrypted file store: one sealed file a record, in 256 directories, under the home.
//!
//! A record's file is new and its name is in no index yet while it is written, so it needs no rename: what a crash leaves
//! half written is never looked at, and swept.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{RecordId, SecretStore, atomic, unavailable};
use crate::error::Result;

/// The longest file that can be a record: the longest value, sealed, with room for formats to come.
const MAX_RECORD: u64 = 256 << 10;
/// From this many records on, one sync of the whole file system costs less than one a file.
const MANY: usize = 32;

/// Keeps sealed records as files.
pub(crate) struct FileStore {
    directory: PathBuf,
}

impl FileStore {
    /// Opens the store in `directory`, and makes it where it is not there.
    ///
    /// # Errors
    /// `store_unavailable` where it cannot be made or is not private.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        // A read-only home can still be read, so a store that is there is checked and not touched.
        match fs::symlink_metadata(directory) {
            Ok(_) => atomic::check_directory(directory)?,
            Err(_) => atomic::make_directory(directory)?,
        }
        Ok(Self { directory: directory.to_owned() })
    }

    fn path(&self, id: &RecordId) -> PathBuf {
        let name = id.to_string();
        self.directory.join(&name[..2]).join(name)
    }

    fn shelf(&self, id: &RecordId) -> PathBuf {
        self.directory.join(&id.to_string()[..2])
    }
}

impl SecretStore for FileStore {
    fn put_many(&self, records: &[(RecordId, Vec<u8>)]) -> Result<()> {
        let shelves: BTreeSet<PathBuf> = records.iter().map(|(id, _)| self.shelf(id)).collect();
        shelves.iter().try_for_each(|shelf| atomic::make_directory(shelf))?;
        let all_at_once = records.len() >= MANY;
        for (id, sealed) in records {
            let path = self.path(id);
            let written = if all_at_once {
                atomic::create_new(&path).and_then(|mut file| file.write_all(sealed))
            } else {
                atomic::write_new(&path, sealed)
            };
            written.map_err(|error| unavailable("write", &path, &error))?;
        }
        let synced = if all_at_once {
            sync_file_system(&self.directory)
        } else {
            shelves.iter().try_for_each(|shelf| atomic::sync_directory(shelf))
        };
        synced.map_err(|error| unavailable("write", &self.directory, &error))
    }

    fn get(&self, id: &RecordId) -> Result<Option<Vec<u8>>> {
        atomic::read_private(&self.path(id), MAX_RECORD)
    }

    fn delete(&self, id: &RecordId) -> Result<()> {
        let path = self.path(id);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unavailable("delete", &path, &error)),
            _ => Ok(()),
        }
    }

    fn health(&self) -> Result<()> {
        atomic::check_directory(&self.directory)?;
        let probe = self.directory.join("probe");
        atomic::write(&probe, b"probe")?;
        fs::remove_file(&probe).map_err(|error| unavailable("delete", &probe, &error))
    }
}

#[cfg(target_os = "linux")]
fn sync_file_system(directory: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let directory = fs::File::open(directory)?;
    // SAFETY: the descriptor is open for as long as the call lasts.
    match unsafe { libc::syncfs(directory.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(directory: &Path) -> io::Result<()> {
    for shelf in fs::read_dir(directory)?.flatten().filter(|entry| entry.path().is_dir()) {
        for record in fs::read_dir(shelf.path())?.flatten() {
            fs::File::open(record.path())?.sync_all()?;
        }
        atomic::sync_directory(&shelf.path())?;
    }
    atomic::sync_directory(directory)
}
