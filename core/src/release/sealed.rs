//! A copy of a file in memory that nobody can change, whoever holds it.

use std::fs::File;

/// The copy, read from its beginning; none where the system gives no such memory.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn copy(file: &File) -> Option<File> {
    use std::io::{Seek, SeekFrom};
    use std::os::fd::{AsRawFd, FromRawFd};

    let name = c"agentsecrets";
    // SAFETY: a text that lives as long as the program; the flags are those of memfd_create(2).
    let made = unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if made < 0 {
        return None;
    }
    // SAFETY: a descriptor that was made just now and belongs to nobody else.
    let mut copy = unsafe { File::from_raw_fd(made) };
    std::io::copy(&mut &*file, &mut copy).ok()?;
    copy.seek(SeekFrom::Start(0)).ok()?;
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    // SAFETY: fcntl on a descriptor that is open for the length of the call.
    (unsafe { libc::fcntl(copy.as_raw_fd(), libc::F_ADD_SEALS, seals) } == 0).then_some(copy)
}

/// Elsewhere there is no memory that can be sealed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn copy(_: &File) -> Option<File> {
    None
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_copy_stays_what_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("script");
        std::fs::write(&path, "echo one\n").expect("written");
        let mut copy = copy(&File::open(&path).expect("opened")).expect("sealed memory");
        std::fs::write(&path, "echo two\n").expect("the file itself can be written");
        // As a child would, by its own way to the descriptor.
        let again = format!("/proc/self/fd/{}", copy.as_raw_fd());
        assert_eq!(std::fs::read_to_string(&again).expect("read"), "echo one\n");
        let other = std::fs::OpenOptions::new().write(true).open(&again);
        assert!(other.and_then(|mut file| file.write_all(b"x")).is_err(), "nobody writes to it");
        assert!(copy.write_all(b"x").is_err() && copy.set_len(0).is_err());
        let mut text = String::new();
        copy.read_to_string(&mut text).expect("read");
        assert_eq!(text, "echo one\n");
    }
}
