//! A broker's socket beyond its home's user: where it may lie, and whom a client believes there.
//!
//! Neither side can ask the kernel for its own user at the other end. What is left is the path, which is the operator's
//! word, and that nobody else can put another socket there: every folder of the path belongs to root or to the broker's
//! user, and no other may write in it.

use std::fs::Metadata;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixStream;

use super::connection::{Unopened, dial};
use super::peer::peer_uid;
use crate::error::{Error, ErrorCode, Result, Stage};

/// The variable that names a shared socket in place of a home.
const VARIABLE: &str = "AGENTSECRETS_BROKER";
const SCHEME: &str = "unix:";
const STICKY: u32 = 0o1000;

/// A broker's socket that was named outright.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharedSocket {
    path: PathBuf,
}

impl SharedSocket {
    /// Parses `unix:/absolute/path`.
    ///
    /// # Errors
    /// `invalid_call` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        match text.strip_prefix(SCHEME).map(Path::new) {
            Some(path) if path.is_absolute() && path.file_name().is_some() => Ok(Self { path: path.to_owned() }),
            _ => Err(Error::new(ErrorCode::InvalidCall, "a broker's socket is named as unix:/absolute/path")
                .at(Stage::Context)
                .with_hint("export AGENTSECRETS_BROKER=unix:/run/agentsecrets/bot.sock")),
        }
    }

    /// The socket of this process: `AGENTSECRETS_BROKER`, where it is set.
    ///
    /// # Errors
    /// `invalid_call` for a variable that names no socket.
    pub fn from_process() -> Result<Option<Self>> {
        match std::env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => Self::parse(&text).map(Some),
            _ => Ok(None),
        }
    }

    /// The socket's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Connects, and believes whoever listens only where nobody else could.
    pub(super) async fn connect(&self) -> Result<UnixStream> {
        let owner = self.owner()?;
        let stream = dial(&self.path).await.map_err(|why| match why {
            Unopened::Absent(_) => self.silent(&std::io::ErrorKind::ConnectionRefused.into()),
            Unopened::Failed(why) => why.with_hint("where the broker runs: agentsecrets broker share --list"),
        })?;
        match peer_uid(stream.as_fd()) {
            Some(uid) if uid == owner => Ok(stream),
            _ => Err(refused("another user than the socket's listens at the broker's socket".into())),
        }
    }

    /// The user whose socket it is.
    fn owner(&self) -> Result<u32> {
        let found = self.path.symlink_metadata().map_err(|why| self.silent(&why))?;
        if !found.file_type().is_socket() {
            return Err(refused(format!("{} is no socket", self.path.display())));
        }
        let trusted = |uid: u32| uid == 0 || uid == found.uid() || is_unmapped(uid);
        check_folders(&self.path, trusted)?;
        Ok(found.uid())
    }

    fn silent(&self, why: &std::io::Error) -> Error {
        let message = format!("no broker answers at {}: {}", self.path.display(), why.kind());
        Error::new(ErrorCode::BrokerUnavailable, message)
            .with_hint("where the broker runs: agentsecrets broker share --list")
    }
}

/// Refuses a place for a socket where another user could put one of its own.
///
/// # Errors
/// `invalid_call` where the folder is missing, or it or one above it is another user's or open to others.
pub fn check_shared_folder(socket: &Path) -> Result<()> {
    // SAFETY: geteuid has no preconditions.
    let own = unsafe { libc::geteuid() };
    check_folders(socket, |uid| uid == 0 || uid == own).map_err(|why| {
        Error::new(ErrorCode::InvalidCall, why.message().to_owned())
            .with_hint("choose a folder of your own, like $XDG_RUNTIME_DIR/agentsecrets, and: chmod go-w FOLDER")
    })
}

/// Looks at every folder of a path, by the names in it and by where they lead.
fn check_folders(socket: &Path, trusted: impl Fn(u32) -> bool) -> Result<()> {
    let folder = socket.parent().ok_or_else(|| refused("the broker's socket has no folder".into()))?;
    let real = folder.canonicalize().map_err(|why| missing(folder, &why))?;
    for whole in [folder, &real] {
        for at in whole.ancestors() {
            let found = at.symlink_metadata().map_err(|why| missing(at, &why))?;
            if !trusted(found.uid()) {
                return Err(refused(format!("{} belongs to another user than the broker's socket", at.display())));
            }
            if is_open(&found, at == real) {
                return Err(refused(format!("other users may write in {}", at.display())));
            }
        }
    }
    Ok(())
}

/// Whether others may put something in a folder. Above the socket's own, the sticky bit keeps what is there in its place.
fn is_open(found: &Metadata, is_last: bool) -> bool {
    !found.is_symlink() && found.mode() & 0o022 != 0 && (is_last || found.mode() & STICKY == 0)
}

/// Whether a user is none of this user namespace, which the kernel shows under one number: a container's own users cannot
/// touch what is such a one's.
fn is_unmapped(uid: u32) -> bool {
    let number = |text: String| text.trim().parse().ok();
    let shown: Option<u32> = std::fs::read_to_string("/proc/sys/kernel/overflowuid").ok().and_then(number);
    let maps = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut ranges = maps.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
        Some((fields.next()??, fields.nth(1)??))
    });
    shown == Some(uid) && !ranges.any(|(first, count)| (first..first + count).contains(&u64::from(uid)))
}

fn missing(folder: &Path, why: &std::io::Error) -> Error {
    let message = format!("the folder {} cannot be looked at: {}", folder.display(), why.kind());
    Error::new(ErrorCode::BrokerUnavailable, message)
        .with_hint("where the broker runs: agentsecrets broker share --list")
}

fn refused(why: String) -> Error {
    Error::new(ErrorCode::BrokerUnavailable, why).with_retryable(false).with_hint(
        "give the socket a folder that belongs to the broker's user and is mounted or kept read-only for others",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_socket_is_named_by_an_absolute_path() {
        let named = SharedSocket::parse("unix:/run/agentsecrets/bot.sock").expect("a socket");
        assert_eq!(named.path(), Path::new("/run/agentsecrets/bot.sock"));
        for text in ["", "/run/a.sock", "unix:", "unix:run/a.sock", "unix:/", "tcp:/run/a.sock"] {
            assert_eq!(SharedSocket::parse(text).expect_err(text).code(), ErrorCode::InvalidCall);
        }
    }

    #[tokio::test]
    async fn a_socket_is_believed_only_where_nobody_else_could_put_one() {
        let root = tempfile::tempdir().expect("temp dir");
        let folder = root.path().join("shared");
        std::fs::create_dir(&folder).expect("dir");
        let path = folder.join("bot.sock");
        let named = SharedSocket::parse(&format!("unix:{}", path.display())).expect("a socket");
        let silent = named.connect().await.expect_err("nobody listens");
        assert!(silent.retryable() && silent.code() == ErrorCode::BrokerUnavailable);
        let _listener = tokio::net::UnixListener::bind(&path).expect("bound");
        assert!(named.connect().await.is_ok());
        for mode in [0o777, 0o775, 0o1777] {
            std::fs::set_permissions(&folder, Permissions::from_mode(mode)).expect("mode");
            assert!(!named.connect().await.expect_err("open to others").retryable(), "{mode:o}");
            assert_eq!(check_shared_folder(&path).expect_err("open").code(), ErrorCode::InvalidCall);
        }
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("mode");
        assert!(check_shared_folder(&path).is_ok() && named.connect().await.is_ok());
        std::fs::set_permissions(root.path(), Permissions::from_mode(0o777)).expect("mode");
        assert!(named.connect().await.is_err(), "what is above could be moved away");
    }
}
