//! The sockets that the owner shares: opened as the signed policy says, and closed when it says so no more.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentsecrets::broker::{Look, check_shared_folder};
use agentsecrets::{Engine, WantedShare};
use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::serving::{SHORT_OF_DESCRIPTORS, Serving};

/// The most connections of one share: strangers must not use up the descriptors of the home's own callers.
const MAX_CONNECTIONS: usize = 256;
/// How long to wait where nothing is known to end.
const A_DAY: Duration = Duration::from_secs(86_400);

/// The shared sockets that are open.
pub(super) struct Shares {
    engine: Arc<Engine>,
    serving: Serving,
    listening: HashMap<String, Listening>,
}

/// One of them, as long as it is kept.
struct Listening {
    path: PathBuf,
    inode: u64,
    accepting: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
        if self.path.symlink_metadata().is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Shares {
    pub(super) fn new(engine: Arc<Engine>, serving: Serving) -> Self {
        Self { engine, serving, listening: HashMap::new() }
    }

    /// Keeps the sockets as the policy has them: looks when it is asked to, and when a share ends.
    pub(super) async fn keep(mut self, mut looks: mpsc::UnboundedReceiver<Look>) {
        loop {
            tokio::select! {
                asked = looks.recv() => {
                    let Some(done) = asked else { return };
                    self.look();
                    let _ = done.send(());
                }
                () = tokio::time::sleep(self.next_end()) => self.look(),
            }
        }
    }

    /// Opens what is to be open and closes what is not.
    pub(super) fn look(&mut self) {
        let wanted = self.engine.wanted_shares();
        self.listening.retain(|id, _| wanted.iter().any(|share| share.id == *id));
        for share in wanted.iter().filter(|share| !self.listening.contains_key(&share.id)).collect::<Vec<_>>() {
            let problem = match open(share) {
                Ok((socket, inode)) => {
                    let serving = Serving {
                        service: self.serving.service.shared(&share.id, share.system),
                        ..self.serving.clone()
                    };
                    let accepting = tokio::spawn(accept(socket, serving));
                    let listening = Listening { path: share.path.clone(), inode, accepting };
                    self.listening.insert(share.id.clone(), listening);
                    None
                }
                Err(why) => {
                    tracing::warn!("a shared socket cannot be opened: {why}");
                    Some(why)
                }
            };
            self.engine.share_stands(&share.id, problem);
        }
    }

    fn next_end(&self) -> Duration {
        let now = jiff::Timestamp::now();
        let ends = self.engine.wanted_shares().into_iter().filter_map(|share| share.expires);
        let left = |end: jiff::Timestamp| Duration::try_from(end.duration_since(now)).unwrap_or_default();
        // A little later than the end, at which the share counts no more.
        ends.map(left).min().map_or(A_DAY, |left| left + Duration::from_millis(10)).min(A_DAY)
    }
}

async fn accept(socket: UnixListener, serving: Serving) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => serving.spawn(stream, seat),
            Err(_) => tokio::time::sleep(SHORT_OF_DESCRIPTORS).await,
        }
    }
}

/// Makes the folder of a socket where it is missing, for everyone to enter and nobody else to write in.
///
/// # Errors
/// What the system says.
pub(crate) fn make_folder(socket: &Path) -> std::io::Result<()> {
    match socket.parent() {
        Some(folder) if !folder.exists() => std::fs::DirBuilder::new().mode(0o755).create(folder),
        _ => Ok(()),
    }
}

fn open(share: &WantedShare) -> Result<(UnixListener, u64), String> {
    let path = &share.path;
    let cannot = |why: std::io::Error| format!("{} cannot be made: {}", path.display(), why.kind());
    make_folder(path).map_err(cannot)?;
    check_shared_folder(path).map_err(|why| why.message().to_owned())?;
    clear(path)?;
    let group = share.group.as_deref().map(group_of).transpose()?;
    let socket = UnixListener::bind(path).map_err(cannot)?;
    let found = path.symlink_metadata().map_err(cannot)?;
    let opened = std::os::unix::fs::chown(path, None, group)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(share.mode)));
    match opened {
        Ok(()) => Ok((socket, found.ino())),
        Err(why) => {
            let _ = std::fs::remove_file(path);
            Err(format!("{} cannot be given its group and mode: {}", path.display(), why.kind()))
        }
    }
}

/// Takes away the socket that a dead broker of this user left, and nothing else.
fn clear(path: &Path) -> Result<(), String> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    // SAFETY: geteuid has no preconditions.
    if !found.file_type().is_socket() || found.uid() != unsafe { libc::geteuid() } {
        return Err(format!("{} is there already, and is no socket of this user's", path.display()));
    }
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(format!("another process listens at {}", path.display()));
    }
    std::fs::remove_file(path).map_err(|why| format!("{} cannot be replaced: {}", path.display(), why.kind()))
}

/// The number of a group, by its name or as it is.
fn group_of(text: &str) -> Result<u32, String> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let unknown = || format!("there is no group {text}");
    let name = CString::new(text).map_err(|_| unknown())?;
    let mut buffer = vec![0_u8; 64 << 10];
    // SAFETY: a zeroed `group` is numbers and null pointers, all of which are valid.
    let mut group: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: the pointers lead to live locals, and the buffer is as long as said.
    let failed = unsafe {
        libc::getgrnam_r(name.as_ptr(), &raw mut group, buffer.as_mut_ptr().cast(), buffer.len(), &raw mut found)
    };
    if failed == 0 && !found.is_null() { Ok(group.gr_gid) } else { Err(unknown()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_name_or_a_number() {
        assert_eq!((group_of("root"), group_of("0"), group_of("1234")), (Ok(0), Ok(0), Ok(1234)));
        assert!(group_of("no such group").is_err() && group_of("a\0b").is_err());
    }

    #[tokio::test]
    async fn what_is_no_socket_of_ours_is_left_alone() {
        let root = tempfile::tempdir().expect("temp dir");
        let path = root.path().join("made").join("bot.sock");
        let (mode, group) = (0o660, None);
        let share = WantedShare { id: "a".into(), path: path.clone(), mode, group, system: false, expires: None };
        let (socket, _) = open(&share).expect("opened");
        assert_eq!(path.metadata().expect("there").mode() & 0o777, 0o660);
        assert!(open(&share).expect_err("it listens").contains("another process"));
        drop(socket);
        assert!(open(&share).is_ok(), "a dead one's is replaced");
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "kept").expect("written");
        assert!(open(&share).is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "kept");
    }
}
