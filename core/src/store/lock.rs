//! One writer at a time, across threads and processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{atomic, unavailable};
use crate::error::{Error, ErrorCode, Result};

/// How long a writer waits for another: far longer than any write takes.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(2);

/// The right to write in a home, held until dropped. The system takes it back from a process that dies.
pub(crate) struct HomeLock {
    _file: File,
}

impl HomeLock {
    /// Waits for the right to write in a home.
    ///
    /// # Errors
    /// `store_unavailable` where the home cannot be written, or another process keeps the right too long.
    pub(crate) fn acquire(home: &Path) -> Result<Self> {
        Self::acquire_within(home, PATIENCE)
    }

    /// The right to write in a home, where nobody has it.
    ///
    /// # Errors
    /// `store_unavailable` where the home cannot be written.
    pub(crate) fn acquire_now(home: &Path) -> Result<Option<Self>> {
        let (path, file) = Self::open(home)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(unavailable("lock", &path, &error)),
        }
    }

    fn open(home: &Path) -> Result<(PathBuf, File)> {
        atomic::check_directory(home)?;
        let path = home.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        }
        let file = options.open(&path).map_err(|error| unavailable("lock", &path, &error))?;
        Ok((path, file))
    }

    fn acquire_within(home: &Path, patience: Duration) -> Result<Self> {
        let (path, file) = Self::open(home)?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(busy()),
                Err(TryLockError::Error(error)) => return Err(unavailable("lock", &path, &error)),
            }
        }
    }
}

fn busy() -> Error {
    Error::new(ErrorCode::StoreUnavailable, "another process is writing to this home and does not finish")
        .with_hint("agentsecrets status  # shows the broker that holds the home")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_waits_for_the_first() {
        let home = crate::store::testing::home();
        let first = HomeLock::acquire(home.path()).expect("free");
        let second = HomeLock::acquire_within(home.path(), Duration::from_millis(20));
        assert_eq!(second.err().expect("busy").code(), ErrorCode::StoreUnavailable);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| HomeLock::acquire(home.path()).is_ok());
            std::thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished());
            drop(first);
            assert!(waiting.join().expect("no panic"));
        });
    }
}
