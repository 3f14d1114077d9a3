//! One proxy a home: the seat it holds while it runs, and what it leaves in the run folder for its owner's programs.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agentsecrets::broker::socket_path;
use agentsecrets::{Error, ErrorCode, Home, Result};
use serde::{Deserialize, Serialize};

use super::published::Published;

/// How long a proxy may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);

/// A running proxy as its file tells it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) port: u16,
    pub(crate) session_token: String,
    pub(crate) pid: i32,
    /// The certificate of its forward way, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) published: Option<Published>,
}

impl Session {
    /// The URL by which programs take it for their proxy.
    pub(crate) fn url(&self) -> String {
        format!("http://proxy:{}@127.0.0.1:{}", self.session_token, self.port)
    }
}

/// The right to be the home's proxy, held until the process ends.
pub(crate) struct Seat {
    _lock: File,
    folder: PathBuf,
}

/// Whether a proxy runs.
pub(crate) enum Running {
    /// None does; the seat is free and now the caller's.
    Nobody(Seat),
    /// This one does.
    One(Session),
}

impl Running {
    /// Looks, without starting anything. One that just starts or ends is waited for.
    pub(crate) fn find(home: &Home) -> Result<Self> {
        let folder = folder(home)?;
        let path = folder.join("proxy.lock");
        let started = Instant::now();
        loop {
            let lock = options().truncate(false).open(&path).map_err(|why| cannot(&path, &why))?;
            match lock.try_lock() {
                Ok(()) => {
                    let seat = Seat { _lock: lock, folder };
                    // What one that was killed left is nobody's any more.
                    seat.leave();
                    return Ok(Self::Nobody(seat));
                }
                Err(TryLockError::WouldBlock) => match read(&folder) {
                    Some(session) => return Ok(Self::One(session)),
                    None if started.elapsed() > PATIENCE => return Err(undecided()),
                    None => std::thread::sleep(PAUSE),
                },
                Err(TryLockError::Error(why)) => return Err(cannot(&path, &why)),
            }
        }
    }
}

impl Seat {
    /// The folder that all of this lies in.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says where the proxy is, to those who may read the home.
    pub(super) fn announce(&self, session: &Session) -> Result<()> {
        let (path, new) = (self.folder.join("proxy.json"), self.folder.join("proxy.json.new"));
        let text = serde_json::to_vec(session).unwrap_or_default();
        let mut file = options().truncate(true).open(&new).map_err(|why| cannot(&new, &why))?;
        let written = file.write_all(&text).and_then(|()| std::fs::rename(&new, &path));
        written.map_err(|why| cannot(&path, &why))
    }

    /// Takes that back.
    pub(super) fn leave(&self) {
        let _ = std::fs::remove_file(self.folder.join("proxy.json"));
    }
}

fn read(folder: &Path) -> Option<Session> {
    let text = std::fs::read(folder.join("proxy.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

fn undecided() -> Error {
    Error::new(ErrorCode::StoreUnavailable, "a proxy of this home starts or ends, and does not come to it")
        .with_hint("agentsecrets proxy status")
}

/// The run folder, made where no broker has made it yet.
pub(super) fn folder(home: &Home) -> Result<PathBuf> {
    let socket = socket_path(home);
    let folder = socket.parent().unwrap_or(home.root()).to_owned();
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(why) if why.kind() != std::io::ErrorKind::AlreadyExists => Err(cannot(&folder, &why)),
        _ => Ok(folder),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    options
}

fn cannot(path: &Path, why: &std::io::Error) -> Error {
    Error::new(ErrorCode::StoreUnavailable, format!("{} cannot be used: {}", path.display(), why.kind()))
}
