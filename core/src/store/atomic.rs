//! Files of the home: private, replaced as a whole, never reached through a symlink.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{RecordId, unavailable};
use crate::error::{Error, ErrorCode, Result};

/// How old a left-over temporary file is when it can only come from a process that was killed.
const STALE: Duration = Duration::from_secs(60);

/// Replaces a file so that a crash leaves the old bytes or the new ones: a temporary file beside it, synced, renamed,
/// and the directory synced. The directory is private already; the file becomes so.
///
/// # Errors
/// `store_unavailable`; the old file is as it was.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = parent(path)?;
    check_directory(directory)?;
    if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(refused(path, "is a symlink or no file"));
    }
    let temporary = temporary(path)?;
    let written = write_new(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_directory(directory));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        unavailable("write", path, &error)
    })
}

/// Makes a private file that must not exist yet, and syncs it, but not its directory.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a private file that must not exist yet. `O_EXCL` follows no symlink (open(2)).
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the renames and new files in a directory outlive a loss of power.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

/// Reads a private file of at most `limit` bytes, or `None` where there is none.
///
/// # Errors
/// `store_unavailable` where it is a symlink, belongs to another user, or others may read or write it;
/// `store_corrupted` where it is longer.
pub(crate) fn read_private(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        // Not blocking, because a pipe in the file's place must not hang the reader.
        libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK,
    );
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        #[cfg(unix)]
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Err(refused(path, "is a symlink")),
        Err(error) => return Err(unavailable("read", path, &error)),
    };
    let meta = file.metadata().map_err(|error| unavailable("read", path, &error))?;
    if !meta.is_file() {
        return Err(refused(path, "is no file"));
    }
    check_private(path, &meta)?;
    let too_long = || Error::new(ErrorCode::StoreCorrupted, format!("{} is longer than it can be", path.display()));
    if meta.len() > limit {
        return Err(too_long());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).map_err(|_| too_long())?);
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unavailable("read", path, &error))?;
    if bytes.len() as u64 > limit { Err(too_long()) } else { Ok(Some(bytes)) }
}

/// Makes a directory of mode 0700 where there is none, and checks one that is there.
///
/// # Errors
/// `store_unavailable` where it cannot be made, is a symlink, belongs to another user, or is open to others.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Ok(()) => {
            let synced = path.parent().map_or(Ok(()), sync_directory);
            synced.map_err(|error| unavailable("make", path, &error))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_directory(path),
        Err(error) => Err(unavailable("make", path, &error)),
    }
}

/// Checks that a directory is the user's own and closed to others.
///
/// # Errors
/// `store_unavailable` where it is not.
pub(crate) fn check_directory(path: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(path).map_err(|error| unavailable("use", path, &error))?;
    if !meta.is_dir() {
        return Err(refused(path, "is a symlink or no directory"));
    }
    check_private(path, &meta)
}

/// Removes the temporary files that killed processes left in a directory. They hold sealed bytes only.
pub(super) fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".tmp"));
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if ours && age.is_some_and(|age| age > STALE) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(unix)]
fn check_private(path: &Path, meta: &fs::Metadata) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: `geteuid` only reads, and cannot fail.
    if meta.uid() != unsafe { libc::geteuid() } {
        return Err(refused(path, "belongs to another user"));
    }
    if meta.mode() & 0o077 != 0 {
        let wanted = if meta.is_dir() { "700" } else { "600" };
        return Err(refused(path, "is open to other users").with_hint(format!("chmod {wanted} {}", path.display())));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_path: &Path, _meta: &fs::Metadata) -> Result<()> {
    // A home under the user's profile is private by the lists it inherits.
    Ok(())
}

fn parent(path: &Path) -> Result<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).ok_or_else(|| refused(path, "stands in no directory"))
}

fn temporary(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| refused(path, "is no file name"))?;
    Ok(path.with_file_name(format!(".{}.{}.tmp", name.to_string_lossy(), RecordId::make()?)))
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(ErrorCode::StoreUnavailable, format!("{} {why}, and is not used", path.display())).with_retryable(false)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::testing::home;
    use super::*;

    fn code<T>(outcome: Result<T>) -> ErrorCode {
        outcome.err().expect("refused").code()
    }

    #[test]
    fn a_file_is_private_and_replaced_as_a_whole() {
        let home = home();
        let path = home.path().join("file");
        assert_eq!(read_private(&path, 100).expect("readable"), None);
        for bytes in [&b"first"[..], b"", b"second, and longer"] {
            write(&path, bytes).expect("written");
            assert_eq!(read_private(&path, 100).expect("readable").as_deref(), Some(bytes));
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(home.path()).expect("readable").count(), 1, "no temporary file stays");
        assert_eq!(code(read_private(&path, 4)), ErrorCode::StoreCorrupted);
    }

    #[test]
    fn symlinks_pipes_and_directories_are_refused() {
        let home = home();
        let target = home.path().join("target");
        fs::write(&target, b"theirs").expect("written");
        let link = home.path().join("link");
        symlink(&target, &link).expect("linked");
        assert_eq!(code(write(&link, b"ours")), ErrorCode::StoreUnavailable);
        assert_eq!(code(read_private(&link, 100)), ErrorCode::StoreUnavailable);
        assert_eq!(fs::read(&target).expect("there"), b"theirs");
        let pipe = std::ffi::CString::new(home.path().join("pipe").to_str().expect("text")).expect("no NUL");
        // SAFETY: the path is a C string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        assert_eq!(code(read_private(&home.path().join("pipe"), 100)), ErrorCode::StoreUnavailable);
        let inside = home.path().join("dir");
        fs::create_dir(&inside).expect("made");
        assert_eq!(code(write(&inside, b"ours")), ErrorCode::StoreUnavailable);
        let linked_dir = home.path().join("linked");
        symlink(&inside, &linked_dir).expect("linked");
        assert_eq!(code(write(&linked_dir.join("file"), b"ours")), ErrorCode::StoreUnavailable);
        assert_eq!(code(make_directory(&linked_dir)), ErrorCode::StoreUnavailable);
    }

    #[test]
    fn what_others_may_touch_is_refused_with_the_command_that_mends_it() {
        let home = home();
        let path = home.path().join("file");
        write(&path, b"bytes").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        let error = read_private(&path, 100).expect_err("refused");
        assert_eq!(
            (error.code(), error.hint().map(|hint| hint.starts_with("chmod 600 "))),
            (ErrorCode::StoreUnavailable, Some(true))
        );
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o750)).expect("ours");
        assert_eq!(code(write(&path, b"new")), ErrorCode::StoreUnavailable);
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).expect("ours");
        assert_eq!(fs::read(&path).expect("there"), b"bytes");
    }

    #[test]
    fn left_over_temporary_files_are_swept_once_they_are_old() {
        let home = home();
        let (old, new, other) = (home.path().join(".a.1.tmp"), home.path().join(".b.2.tmp"), home.path().join("c.tmp"));
        for path in [&old, &new, &other] {
            fs::write(path, b"sealed").expect("written");
        }
        let hour_ago = std::time::SystemTime::now() - Duration::from_secs(3600);
        for path in [&old, &other] {
            File::options().write(true).open(path).and_then(|file| file.set_modified(hour_ago)).expect("ours");
        }
        sweep(home.path());
        assert_eq!([old.exists(), new.exists(), other.exists()], [false, true, true]);
    }
}
