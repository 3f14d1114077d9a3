//! What every connection is served with, by whichever socket it came in.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use agentsecrets::broker::Service;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc, watch};

/// The most header lines of a call: what a client may send itself, plus ours.
const MAX_HEADERS: usize = 256;
/// How long to wait where the system has no descriptor to give.
pub(super) const SHORT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// The open files that are left for everything but calls: the home, the log, children's streams.
const RESERVED: u64 = 64;

/// The service, and what tells connections to end and that they have.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) service: Service,
    pub(super) closing: watch::Sender<bool>,
    pub(super) open: mpsc::Sender<()>,
    pub(super) room: Room,
}

/// For how many connections with calls there are descriptors.
#[derive(Clone)]
pub(super) struct Room {
    most: usize,
    seats: Arc<Semaphore>,
}

impl Room {
    /// With so many open files. A call needs one descriptor for its connection, two while its upstream's name is looked
    /// up, and one for the upstream after.
    pub(super) fn of(files: u64) -> Self {
        let most = usize::try_from(files.saturating_sub(RESERVED) / 3).unwrap_or(usize::MAX);
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self { most, seats: Arc::new(Semaphore::new(most)) }
    }
}

impl Serving {
    /// Serves a connection until it ends, as a WebSocket or a door too; `held` is let go of then.
    pub(super) fn spawn<T: Send + Sync + 'static>(&self, stream: UnixStream, held: T) {
        let (mut service, mut closing, open) =
            (self.service.of(stream.as_fd()), self.closing.subscribe(), self.open.clone());
        let seat = Arc::clone(&self.room.seats).try_acquire_owned().ok();
        let has_room = seat.is_some();
        if !has_room {
            tracing::warn!("there are {} connections, and calls of more are refused", self.room.most);
            service = service.without_room(self.room.most);
        }
        let service = service.holding(Arc::new((held, seat)));
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, std::convert::Infallible>(service.answer(request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .max_headers(MAX_HEADERS)
                .keep_alive(has_room)
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
}
