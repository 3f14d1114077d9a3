//! What every connection is served with, by whichever socket it came in.

use std::os::fd::AsFd;
use std::time::Duration;

use agentsecrets::broker::Service;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

/// The most header lines of a call: what a client may send itself, plus ours.
const MAX_HEADERS: usize = 256;
/// How long to wait where the system has no descriptor to give.
pub(super) const SHORT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// The service, and what tells connections to end and that they have.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) service: Service,
    pub(super) closing: watch::Sender<bool>,
    pub(super) open: mpsc::Sender<()>,
}

impl Serving {
    /// Serves a connection until it ends; `held` is let go of then.
    pub(super) fn spawn<T: Send + 'static>(&self, stream: UnixStream, held: T) {
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
            drop((open, held));
        });
    }
}
