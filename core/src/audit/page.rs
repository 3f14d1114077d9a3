//! A page of a file, shared with other processes: mapped where that is possible, read and written elsewhere.

use std::fs::File;
use std::io;

#[cfg(unix)]
pub(super) use mapped::{Number, Page};
#[cfg(not(unix))]
pub(super) use plain::{Number, Page};

#[cfg(unix)]
mod mapped {
    use super::{File, io};
    use std::os::fd::AsRawFd;
    use std::ptr::{self, NonNull};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    pub(in super::super) struct Page {
        file: File,
        mapping: Arc<Mapping>,
    }

    struct Mapping {
        start: NonNull<u8>,
        len: usize,
    }

    // SAFETY: the mapping lives as long as this value. Of what it holds, the bytes are reached through the one `Page`
    // alone, by `&`/`&mut self`, and the numbers as atomics.
    unsafe impl Send for Mapping {}
    // SAFETY: as above.
    unsafe impl Sync for Mapping {}

    /// One number of the page, changed without the file's lock.
    #[derive(Clone)]
    pub(in super::super) struct Number {
        mapping: Arc<Mapping>,
        at: usize,
    }

    impl Number {
        pub(in super::super) fn get(&self) -> u64 {
            self.atomic().load(Ordering::SeqCst)
        }

        pub(in super::super) fn set(&self, number: u64) {
            self.atomic().store(number, Ordering::SeqCst);
        }

        pub(in super::super) fn raise(&self, number: u64) {
            self.atomic().fetch_max(number, Ordering::SeqCst);
        }

        fn atomic(&self) -> &AtomicU64 {
            // SAFETY: in bounds and aligned, as `Page::number` checked; nobody reads or writes it as plain bytes.
            unsafe { AtomicU64::from_ptr(self.mapping.start.as_ptr().add(self.at).cast()) }
        }
    }

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
                Some(start) if start.as_ptr() != libc::MAP_FAILED.cast() => {
                    Ok(Self { file, mapping: Arc::new(Mapping { start, len }) })
                }
                _ => Err(io::Error::last_os_error()),
            }
        }

        pub(in super::super) fn file(&self) -> &File {
            &self.file
        }

        /// The eight bytes from `at` on, as a number of their own.
        pub(in super::super) fn number(&self, at: usize) -> Number {
            assert!(at.is_multiple_of(8) && at + 8 <= self.mapping.len, "outside the page");
            Number { mapping: Arc::clone(&self.mapping), at }
        }

        pub(in super::super) fn read(&self, at: usize, bytes: &mut [u8]) {
            assert!(at + bytes.len() <= self.mapping.len, "outside the page");
            // SAFETY: in bounds by the check above; writers of other processes are kept out by the file's lock.
            unsafe { ptr::copy_nonoverlapping(self.mapping.start.as_ptr().add(at), bytes.as_mut_ptr(), bytes.len()) }
        }

        pub(in super::super) fn write(&mut self, at: usize, bytes: &[u8]) {
            assert!(at + bytes.len() <= self.mapping.len, "outside the page");
            // SAFETY: in bounds by the check above; readers of other processes are kept out by the file's lock.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.mapping.start.as_ptr().add(at), bytes.len()) }
        }
    }

    impl Drop for Mapping {
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

    use std::sync::Arc;

    pub(in super::super) struct Page {
        file: Arc<File>,
    }

    /// One number of the page.
    #[derive(Clone)]
    pub(in super::super) struct Number {
        file: Arc<File>,
        at: u64,
    }

    impl Number {
        pub(in super::super) fn get(&self) -> u64 {
            let mut bytes = [0; 8];
            files::read_at(&self.file, &mut bytes, self.at).map_or(0, |()| u64::from_le_bytes(bytes))
        }

        pub(in super::super) fn set(&self, number: u64) {
            let _ = files::write_at(&self.file, &number.to_le_bytes(), self.at); // Only the lock of the file counts here.
        }

        /// Two that raise it at once may leave the lower number, which is as true.
        pub(in super::super) fn raise(&self, number: u64) {
            if self.get() < number {
                let _ = files::write_at(&self.file, &number.to_le_bytes(), self.at);
            }
        }
    }

    impl Page {
        pub(in super::super) fn map(file: File, _len: usize) -> io::Result<Self> {
            Ok(Self { file: Arc::new(file) })
        }

        pub(in super::super) fn file(&self) -> &File {
            &self.file
        }

        /// The eight bytes from `at` on, as a number of their own.
        pub(in super::super) fn number(&self, at: usize) -> Number {
            Number { file: Arc::clone(&self.file), at: at as u64 }
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
