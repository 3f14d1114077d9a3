//! A page of a file, shared with other processes: mapped where that is possible, read and written elsewhere.

use std::fs::File;
use std::io;

#[cfg(unix)]
pub(super) use mapped::Page;
#[cfg(not(unix))]
pub(super) use plain::Page;

#[cfg(unix)]
mod mapped {
    use super::{File, io};
    use std::os::fd::AsRawFd;
    use std::ptr::{self, NonNull};

    pub(in super::super) struct Page {
        file: File,
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: the mapping belongs to this value alone and lives as long as it does; access goes through `&`/`&mut self`.
    unsafe impl Send for Page {}

    impl Page {
        /// Maps the first `len` bytes; the caller has checked that the file has them.
        pub(in super::super) fn map(file: File, len: usize) -> io::Result<Self> {
            // SAFETY: a fresh shared mapping of an open descriptor; the kernel chooses the place.
            let start = unsafe {
                libc::mmap(
                    ptr::null_mut(),
                    len,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_SHARED,
                    file.as_raw_fd(),
                    0,
                )
            };
            match NonNull::new(start.cast()) {
                Some(start) if start.as_ptr() != libc::MAP_FAILED.cast() => Ok(Self { file, start, len }),
                _ => Err(io::Error::last_os_error()),
            }
        }

        pub(in super::super) fn file(&self) -> &File {
            &self.file
        }

        pub(in super::super) fn read(&self, at: usize, bytes: &mut [u8]) {
            assert!(at + bytes.len() <= self.len, "outside the page");
            // SAFETY: in bounds by the check above; writers of other processes are kept out by the file's lock.
            unsafe { ptr::copy_nonoverlapping(self.start.as_ptr().add(at), bytes.as_mut_ptr(), bytes.len()) }
        }

        pub(in super::super) fn write(&mut self, at: usize, bytes: &[u8]) {
            assert!(at + bytes.len() <= self.len, "outside the page");
            // SAFETY: in bounds by the check above; readers of other processes are kept out by the file's lock.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.as_ptr().add(at), bytes.len()) }
        }
    }

    impl Drop for Page {
        fn drop(&mut self) {
            // SAFETY: the mapping made in `map`, given back once.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        }
    }
}

#[cfg(not(unix))]
mod plain {
    use super::super::files;
    use super::{File, io};

    pub(in super::super) struct Page {
        file: File,
    }

    impl Page {
        pub(in super::super) fn map(file: File, _len: usize) -> io::Result<Self> {
            Ok(Self { file })
        }

        pub(in super::super) fn file(&self) -> &File {
            &self.file
        }

        /// What cannot be read reads as nothing, which no slot's checksum accepts.
        pub(in super::super) fn read(&self, at: usize, bytes: &mut [u8]) {
            if files::read_at(&self.file, bytes, at as u64).is_err() {
                bytes.fill(0);
            }
        }

        /// What cannot be written leaves the state behind the log, which the next opening mends.
        pub(in super::super) fn write(&mut self, at: usize, bytes: &[u8]) {
            let _ = files::write_at(&self.file, bytes, at as u64);
        }
    }
}
