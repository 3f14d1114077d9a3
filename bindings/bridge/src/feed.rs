//! A request body that the host gives piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use agentsecrets::{Body, Error, ErrorCode, Result};
use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;

/// How many pieces wait at most: one is sent while the next is made.
const PIECES: usize = 2;

/// The host's end of a body. Dropped before [`finish`](Self::finish), it breaks the request off.
#[derive(Clone, Debug)]
pub struct Feed(mpsc::Sender<Option<Bytes>>);

/// A body and the end that feeds it. `length` is in bytes, where it is known.
#[must_use]
pub fn feed(length: Option<u64>) -> (Feed, Body) {
    let (sender, receiver) = mpsc::channel(PIECES);
    let mut body = Body::stream(Fed { receiver, ended: false });
    if let Body::Stream { length: known, .. } = &mut body {
        *known = length;
    }
    (Feed(sender), body)
}

impl Feed {
    /// Waits until a piece is wanted. `false`: nobody reads any more.
    pub async fn wanted(&self) -> bool {
        self.0.reserve().await.is_ok()
    }

    /// Gives a piece, when there is room for it.
    ///
    /// # Errors
    /// `cancelled` where nobody reads any more.
    pub async fn give(&self, piece: Bytes) -> Result<()> {
        self.0.send(Some(piece)).await.map_err(|_| unread())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// `cancelled` where nobody reads any more.
    pub async fn finish(&self) -> Result<()> {
        self.0.send(None).await.map_err(|_| unread())
    }
}

fn unread() -> Error {
    Error::new(ErrorCode::Cancelled, "the body is not read to its end")
}

struct Fed {
    receiver: mpsc::Receiver<Option<Bytes>>,
    ended: bool,
}

impl Stream for Fed {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.receiver.poll_recv(cx)) {
            Some(Some(piece)) => Poll::Ready(Some(Ok(piece))),
            Some(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            // Half a body must not look like a whole one.
            None => Poll::Ready(Some(Err(std::io::ErrorKind::BrokenPipe.into()))),
        }
    }
}
