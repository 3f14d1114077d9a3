//! Who writes: a lock file per process, by which the others know whether its open calls can still end.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use super::files;

const FOLDER: &str = "writers";

/// A place in the log: a segment and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u64,
}

/// This process, as a writer. Its file stays locked as long as it lives, however it ends.
pub(super) struct Writer {
    tag: u64,
    file: File,
    path: PathBuf,
}

impl Writer {
    /// Registers under a random 48-bit tag. To be called under the lock of the log, so that nobody takes the fresh file
    /// for one left by the dead.
    pub(super) fn register(dir: &Path, place: Place) -> io::Result<Self> {
        let folder = dir.join(FOLDER);
        files::make_folder(&folder)?;
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes[..6]).map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
        let tag = u64::from_le_bytes(bytes);
        let path = folder.join(tag_text(tag));
        let file = files::options().write(true).create_new(true).open(&path)?;
        file.try_lock()?;
        let writer = Self { tag, file, path };
        writer.note(place)?;
        Ok(writer)
    }

    pub(super) fn tag(&self) -> u64 {
        self.tag
    }

    /// Notes that no call begun before this place is open any more.
    pub(super) fn note(&self, place: Place) -> io::Result<()> {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&u64::from(place.segment).to_le_bytes());
        bytes[8..].copy_from_slice(&place.offset.to_le_bytes());
        files::write_at(&self.file, &bytes, 0)
    }

    /// Leaves in good order, with no call open.
    pub(super) fn leave(&self) {
        let _ = fs::remove_file(&self.path); // What stays is read once more by the next opening, and then removed.
    }
}

/// Whether the writer of this tag lives.
pub(super) fn lives(dir: &Path, tag: u64) -> bool {
    is_locked(&dir.join(FOLDER).join(tag_text(tag)))
}

/// Whether no writer lives but the one of this tag. To be called under the lock of the log, where none can register.
pub(super) fn is_alone(dir: &Path, tag: u64) -> io::Result<bool> {
    for entry in fs::read_dir(dir.join(FOLDER))? {
        let entry = entry?;
        if entry.file_name().to_str() != Some(&tag_text(tag)) && is_locked(&entry.path()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_locked(path: &Path) -> bool {
    files::options().open(path).is_ok_and(|file| file.try_lock().is_err())
}

/// A writer that died. Holding it keeps others from closing its calls too.
pub(super) struct DeadWriter {
    pub(super) tag: u64,
    /// Where its open calls were begun at the earliest; `None` where it died before any.
    pub(super) place: Option<Place>,
    path: PathBuf,
    _lock: File,
}

impl DeadWriter {
    /// Every writer whose lock is free.
    pub(super) fn all(dir: &Path) -> io::Result<Vec<Self>> {
        let mut dead = Vec::new();
        let entries = match fs::read_dir(dir.join(FOLDER)) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(dead),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let tag = path.file_name().and_then(|name| u64::from_str_radix(name.to_str()?, 16).ok());
            let (Some(tag), Ok(file)) = (tag, files::options().write(true).open(&path)) else { continue };
            if file.try_lock().is_ok() {
                dead.push(Self { tag, place: place_in(&file), path, _lock: file });
            }
        }
        Ok(dead)
    }

    /// Forgets it, its calls being closed.
    pub(super) fn bury(self) {
        let _ = fs::remove_file(&self.path); // What stays is looked at once more, and closes nothing twice.
    }
}

fn place_in(file: &File) -> Option<Place> {
    let mut bytes = [0; 16];
    files::read_at(file, &mut bytes, 0).ok()?;
    let number = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
    Some(Place { segment: u32::try_from(number(0)).ok()?, offset: number(8) })
}

/// A writer's tag as it stands in the ids of its calls.
pub(super) fn tag_text(tag: u64) -> String {
    format!("{tag:012x}")
}

static FORKS: AtomicU64 = AtomicU64::new(0);

/// A number that changes in a forked child, which must not write through what it shares with its parent.
pub(super) fn generation() -> u64 {
    static WATCH: Once = Once::new();
    WATCH.call_once(watch_forks);
    FORKS.load(Ordering::Relaxed)
}

#[cfg(unix)]
fn watch_forks() {
    extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler touches one atomic, which is allowed after a fork; without memory it is not registered, and
    // a child is then no worse off than before.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

#[cfg(not(unix))]
fn watch_forks() {}
