//! Who is let in: this user at the home's own socket, and at shared ones whoever reaches them.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentsecrets::broker::{Finish, Look, Service, check_peer, raise_open_files, socket_address};
use agentsecrets::{Engine, Error, ErrorCode, Result};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};

use super::serving::{Room, SHORT_OF_DESCRIPTORS, Serving};
use super::shares::Shares;

/// The sockets, and the connections that came in over them.
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    serving: Serving,
    shares: tokio::task::JoinHandle<()>,
    all_gone: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

impl Listener {
    /// Binds the socket, in place of one that a dead broker left, and those that are shared.
    pub(crate) fn bind(path: &Path, engine: Arc<Engine>, finish: mpsc::UnboundedSender<Finish>) -> Result<Self> {
        let (address, _folder) = socket_address(path)?;
        let cannot = |why: std::io::Error| {
            Error::new(ErrorCode::BrokerUnavailable, format!("the broker's socket cannot be made: {}", why.kind()))
        };
        match std::fs::remove_file(&address) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(cannot(why)),
            _ => {}
        }
        let socket = UnixListener::bind(&address).map_err(cannot)?;
        // The folder is closed to others already; this is for whoever looks at the socket alone.
        std::fs::set_permissions(&address, std::fs::Permissions::from_mode(0o600)).map_err(cannot)?;
        let (open, all_gone) = mpsc::channel(1);
        let (looks, looked) = mpsc::unbounded_channel::<Look>();
        let service = Service::new(Arc::clone(&engine), finish).with_shares(looks);
        let serving = Serving { service, closing: watch::Sender::new(false), open, room: Room::of(raise_open_files()) };
        let mut shares = Shares::new(engine, serving.clone());
        shares.look();
        let shares = tokio::spawn(shares.keep(looked));
        Ok(Self { socket, path: path.to_owned(), serving, shares, all_gone: tokio::sync::Mutex::new(all_gone) })
    }

    /// Lets peers of this user in, for ever.
    pub(crate) async fn accept(&self) {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) if check_peer(stream.as_fd()).is_ok() => self.serving.spawn(stream, ()),
                Ok(_) => tracing::warn!("a process of another user was turned away"),
                Err(why) => {
                    tracing::warn!("no connection can be taken: {}", why.kind());
                    tokio::time::sleep(SHORT_OF_DESCRIPTORS).await;
                }
            }
        }
    }

    /// Takes no more connections, and tells those that are idle to go.
    pub(crate) async fn close(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        self.shares.abort();
        // Its sockets are closed and taken away when it is gone.
        let _ = (&mut self.shares).await;
        self.serving.closing.send_replace(true);
    }

    /// Ends every child that was given a value.
    pub(crate) async fn end_children(&self) {
        let service = self.serving.service.clone();
        let _ = tokio::task::spawn_blocking(move || service.end_children()).await;
    }

    /// Ends every WebSocket.
    pub(crate) async fn end_sockets(&self) {
        self.serving.service.end_sockets().await;
    }

    /// Waits until the calls under way have ended.
    pub(crate) async fn drain(self, limit: Duration) {
        drop(self.serving);
        let mut all_gone = self.all_gone.into_inner();
        let _ = tokio::time::timeout(limit, all_gone.recv()).await;
    }
}

/// Whether somebody answers at the socket.
pub(crate) fn answers(path: &Path) -> bool {
    socket_address(path).is_ok_and(|(address, _folder)| std::os::unix::net::UnixStream::connect(address).is_ok())
}
