//! Who is at the other end of a socket, by the kernel's word and nobody else's.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorCode, Result, Stage};

/// The longest socket path that fits `sockaddr_un` on every platform we serve (104 bytes on macOS, 108 on Linux).
const MAX_SOCKET_PATH: usize = 100;

/// Refuses a peer that runs as another user. A process id that the peer itself names is never asked for.
///
/// # Errors
/// `broker_unavailable` where the peer is another user or the kernel does not say.
pub fn check_peer(socket: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: geteuid has no preconditions.
    let own = unsafe { libc::geteuid() };
    match peer_uid(socket) {
        Some(uid) if uid == own => Ok(()),
        Some(_) => Err(stranger("the other end of the broker's socket belongs to another user")),
        None => Err(stranger("the kernel does not say who is at the other end of the broker's socket")),
    }
}

/// The process at the other end, where the kernel says which.
#[must_use]
pub(crate) fn peer_pid(socket: BorrowedFd<'_>) -> Option<u32> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return u32::try_from(credentials(socket)?.pid).ok().filter(|pid| *pid > 0);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = socket;
        None
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn peer_uid(socket: BorrowedFd<'_>) -> Option<libc::uid_t> {
    credentials(socket).map(|credentials| credentials.uid)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn credentials(socket: BorrowedFd<'_>) -> Option<libc::ucred> {
    let mut credentials = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).ok()?;
    // SAFETY: both pointers lead to live locals of the size given.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut length,
        )
    };
    (result == 0).then_some(credentials)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn peer_uid(socket: BorrowedFd<'_>) -> Option<libc::uid_t> {
    let (mut uid, mut gid) = (libc::uid_t::MAX, libc::gid_t::MAX);
    // SAFETY: both pointers lead to live locals.
    let result = unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) };
    (result == 0).then_some(uid)
}

/// A path to bind or connect that fits `sockaddr_un`, through a descriptor of the folder where the plain one is too long.
///
/// The folder is refused unless it is this user's alone: whoever could put a socket there could pose as the broker.
///
/// # Errors
/// `broker_unavailable` where the folder is missing, another user's, or open to others.
pub fn socket_address(path: &Path) -> Result<(PathBuf, Option<File>)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(stranger("the broker's socket has no folder"));
    };
    let open = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(folder)
        .map_err(|why| {
            short_of_descriptors(&why).unwrap_or_else(|| {
                Error::new(ErrorCode::BrokerUnavailable, format!("the broker's folder cannot be opened: {why}"))
            })
        })?;
    let found = open.metadata().map_err(|_| stranger("the broker's folder cannot be read"))?;
    // SAFETY: geteuid has no preconditions.
    if found.uid() != unsafe { libc::geteuid() } || found.mode() & 0o077 != 0 {
        return Err(stranger("the broker's folder is open to other users").with_hint("agentsecrets doctor"));
    }
    if path.as_os_str().len() < MAX_SOCKET_PATH {
        return Ok((path.to_owned(), None));
    }
    let short = PathBuf::from(format!("/proc/self/fd/{}", open.as_fd().as_raw_fd())).join(name);
    Ok((short, Some(open)))
}

/// The error of a process that has as many open files as it may.
pub(super) fn short_of_descriptors(why: &std::io::Error) -> Option<Error> {
    let short = matches!(why.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
    short.then(|| {
        let why = "this process has no descriptor left for a connection to the broker";
        Error::new(ErrorCode::BrokerUnavailable, why).with_hint("ulimit -n 65536  # or fewer calls at once")
    })
}

fn stranger(why: &'static str) -> Error {
    Error::new(ErrorCode::BrokerUnavailable, why).at(Stage::Broker).with_retryable(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_long_path_is_reached_through_its_folder() {
        let root = tempfile::tempdir().expect("temp dir");
        let folder = root.path().join("x".repeat(150));
        std::fs::create_dir(&folder).expect("dir");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).expect("mode");
        let path = folder.join("broker.sock");
        let (address, _folder) = socket_address(&path).expect("usable");
        let _listener = UnixListener::bind(&address).expect("bound");
        assert!(UnixStream::connect(&address).is_ok());
        assert!(path.exists());
    }

    #[test]
    fn a_folder_open_to_others_is_refused() {
        let root = tempfile::tempdir().expect("temp dir");
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        assert!(socket_address(&root.path().join("s")).is_err());
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o700)).expect("mode");
        assert!(socket_address(&root.path().join("s")).is_ok());
    }

    #[test]
    fn ones_own_process_is_a_welcome_peer() {
        let (here, _there) = UnixStream::pair().expect("pair");
        assert!(check_peer(here.as_fd()).is_ok());
    }
}
