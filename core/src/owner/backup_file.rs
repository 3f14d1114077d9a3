//! What a backup holds, and the file it lies in.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, ErrorCode, Result};

/// The largest backup that is read: far more than a hundred thousand values.
const MAX_BACKUP: u64 = 4 << 30;
const RECORD: &str = "record/";

/// The files of a home and its sealed records, by name. No value and no key is in the clear here.
pub(super) struct Parts(Vec<(String, Vec<u8>)>);

impl Parts {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn add(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.0.push((name.into(), bytes));
    }

    pub(super) fn add_record(&mut self, id: &crate::store::RecordId, sealed: Vec<u8>) {
        self.add(format!("{RECORD}{id}"), sealed);
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, bytes)| &**bytes)
    }

    /// The parts whose name begins so, by the rest of it.
    pub(super) fn under<'p>(&'p self, prefix: &str) -> Vec<(&'p str, &'p [u8])> {
        self.0.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(prefix)?, &**bytes))).collect()
    }

    /// A part that every backup has.
    pub(super) fn need(&self, name: &str) -> Result<&[u8]> {
        self.get(name).ok_or_else(incomplete)
    }

    pub(super) fn records(&self) -> Result<crate::store::Records> {
        let records = self.0.iter().filter_map(|(name, sealed)| Some((name.strip_prefix(RECORD)?, sealed)));
        records
            .map(|(id, sealed)| Ok((crate::store::RecordId::parse(id).ok_or_else(incomplete)?, sealed.clone())))
            .collect()
    }

    /// The parts one behind the other: length of the name (u16, little endian), name, length (u64), bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        let length = self.0.iter().map(|(name, bytes)| name.len() + bytes.len() + 10).sum();
        let mut out = Vec::with_capacity(length);
        for (name, bytes) in &self.0 {
            let length = u16::try_from(name.len()).map_err(|_| incomplete())?;
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            out.extend_from_slice(bytes);
        }
        Ok(out)
    }

    pub(super) fn decode(mut rest: &[u8]) -> Result<Self> {
        let mut parts = Self::new();
        while !rest.is_empty() {
            let name = take(&mut rest, 2).map(|length| u16::from_le_bytes([length[0], length[1]]))?;
            let name = String::from_utf8(take(&mut rest, usize::from(name))?.to_vec()).map_err(|_| incomplete())?;
            let length = u64::from_le_bytes(take(&mut rest, 8)?.try_into().map_err(|_| incomplete())?);
            let bytes = take(&mut rest, usize::try_from(length).map_err(|_| incomplete())?)?.to_vec();
            parts.add(name, bytes);
        }
        Ok(parts)
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length).ok_or_else(incomplete)?;
    *rest = left;
    Ok(taken)
}

fn incomplete() -> Error {
    Error::new(ErrorCode::StoreCorrupted, "the backup lacks a part, or was made by a later version")
}

/// Refuses a place that a backup would overwrite unasked.
pub(super) fn check_free(path: &Path, force: bool) -> Result<()> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => Err(cannot("written", "it is a folder, a link or no file")),
        Ok(_) if !force => Err(cannot("written", "there is a file of this name already")
            .with_hint("choose another name, or overwrite it with --force")),
        _ => Ok(()),
    }
}

/// Writes a backup for this user alone, whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8], force: bool) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    check_free(path, force)?;
    let name = path.file_name().ok_or_else(|| cannot("written", "it has no name"))?;
    let staged = path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    let written = options.open(&staged).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    let placed = written.and_then(|()| place(&staged, path, force));
    if placed.is_err() || !force {
        let _ = fs::remove_file(&staged); // Linked under its name, or of no use.
    }
    placed.map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => cannot("written", "there is a file of this name already"),
        kind => cannot("written", &kind.to_string()),
    })?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|why| cannot("written", &why.kind().to_string()))
}

/// Gives the staged file its name; a link takes no name that is taken meanwhile.
fn place(staged: &Path, path: &Path, force: bool) -> io::Result<()> {
    if force {
        return fs::rename(staged, path);
    }
    match fs::hard_link(staged, path) {
        // A file system without links: nothing was there a moment ago.
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => fs::rename(staged, path),
        linked => linked,
    }
}

/// Reads a backup.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let found = fs::metadata(path).map_err(|why| cannot("read", &why.kind().to_string()))?;
    if !found.is_file() || found.len() > MAX_BACKUP {
        return Err(cannot("read", "it is no file, or too long for a backup"));
    }
    fs::read(path).map_err(|why| cannot("read", &why.kind().to_string()))
}

fn cannot(what: &str, why: &str) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("the backup cannot be {what}: {why}"))
}
