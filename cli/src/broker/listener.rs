//! Who is let in, and what happens to each connection.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use agentsecrets::broker::{Finish, Service, check_peer, socket_address};
use agentsecrets::{Engine, Error, ErrorCode, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};

/// The most header lines of a call: what a client may send itself, plus ours.
const MAX_HEADERS: usize = 256;
/// How long to wait where the system has no descriptor to give.
const SHORT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// The socket, and the connections that came in over it.
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    service: Service,
    closing: watch::Sender<bool>,
    open: mpsc::Sender<()>,
    all_gone: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

impl Listener {
    /// Binds the socket, in place of one that a dead broker left.
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
        Ok(Self {
            socket,
            path: path.to_owned(),
            service: Service::new(engine, finish),
            closing: watch::Sender::new(false),
            open,
            all_gone: tokio::sync::Mutex::new(all_gone),
        })
    }

    /// Lets peers of this user in, for ever.
    pub(crate) async fn accept(&self) {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) if check_peer(stream.as_fd()).is_ok() => self.spawn(stream),
                Ok(_) => tracing::warn!("a process of another user was turned away"),
                Err(_) => tokio::time::sleep(SHORT_OF_DESCRIPTORS).await,
            }
        }
    }

    fn spawn(&self, stream: UnixStream) {
        let (service, mut closing, open) =
            (self.service.of(stream.as_fd()), self.closing.subscribe(), self.open.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, std::convert::Infallible>(service.answer(request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .max_headers(MAX_HEADERS)
                .serve_connection(TokioIo::new(stream), answer)
                .with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let is_closing = tokio::select! {
                _ = connection.as_mut() => false,
                // Not the guard itself: it must not be held while the connection ends.
                _ = closing.wait_for(|closing| *closing) => true,
            };
            if is_closing {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
            drop(open);
        });
    }

    /// Takes no more connections, and tells those that are idle to go.
    pub(crate) fn close(&self) {
        let _ = std::fs::remove_file(&self.path);
        self.closing.send_replace(true);
    }

    /// Ends every child that was given a value.
    pub(crate) async fn end_children(&self) {
        let service = self.service.clone();
        let _ = tokio::task::spawn_blocking(move || service.end_children()).await;
    }

    /// Waits until the calls under way have ended.
    pub(crate) async fn drain(self, limit: Duration) {
        drop(self.open);
        let mut all_gone = self.all_gone.into_inner();
        let _ = tokio::time::timeout(limit, all_gone.recv()).await;
    }
}

/// Whether somebody answers at the socket.
pub(crate) fn answers(path: &Path) -> bool {
    socket_address(path).is_ok_and(|(address, _folder)| std::os::unix::net::UnixStream::connect(address).is_ok())
}
