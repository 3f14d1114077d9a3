//! The body of a request on its way up, of which the proxy keeps hold: what is refused early is still read to its end.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use agentsecrets::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::header::{self, HeaderMap};
use http_body::Body as _;
use hyper::body::Incoming;

/// How much of a refused body is read, in bytes, and for how long. A program that is still writing does not see why it
/// was refused, so it is let finish, within reason.
const MAX_READ: usize = 64 << 20;
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A body that comes in, to be sent on as it comes.
pub(super) struct Upload {
    body: Pieces,
    /// Whether the program waits to be asked for the body (RFC 9110, section 10.1.1).
    waits: bool,
}

impl Upload {
    pub(super) fn new(headers: &HeaderMap, body: Incoming) -> Self {
        let held = Held { body, asked: false };
        Self { body: Pieces(Arc::new(Mutex::new(held))), waits: headers.contains_key(header::EXPECT) }
    }

    /// The body of a call; none where the request has none.
    pub(super) fn body(&self) -> Body {
        let (over, exact) = self.body.with(|held| (held.body.is_end_stream(), held.body.size_hint().exact()));
        if over {
            return Body::Empty;
        }
        let mut streamed = Body::stream(Pieces(Arc::clone(&self.body.0)));
        if let Body::Stream { length, .. } = &mut streamed {
            *length = exact;
        }
        streamed
    }

    /// Reads what is left, unless the program still waits to be asked for it.
    pub(super) async fn pass_over(mut self) {
        // Whoever was asked for the body is sending it, whatever it waited for before.
        if self.waits && !self.body.with(|held| held.asked) {
            return;
        }
        let read = async {
            let mut length = 0;
            while let Some(Ok(piece)) = self.body.next().await {
                length += piece.len();
                if length > MAX_READ {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(MAX_WAIT, read).await;
    }
}

/// The pieces of a body that two may hold and one at a time reads.
struct Pieces(Arc<Mutex<Held>>);

struct Held {
    body: Incoming,
    /// Whether anybody wanted a piece, upon which a waiting program is told to go on.
    asked: bool,
}

impl Pieces {
    fn with<T>(&self, look: impl FnOnce(&mut Held) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Stream for Pieces {
    type Item = std::io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.with(|held| {
                held.asked = true;
                Pin::new(&mut held.body).poll_frame(cx)
            })) {
                None => return Poll::Ready(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => {}
                },
                Some(Err(_)) => return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionAborted.into()))),
            }
        }
    }
}
