//! A request body that the host gives piece by piece.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use agentsecrets::Body;
use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;

/// How many pieces wait at most: one is sent while the next is made.
const PIECES: usize = 2;

/// The host's end of a body. Dropped before the end was put, it breaks the request off.
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

    /// Gives a piece, or with `None` the end. To be called when one is wanted; `false`: it was not taken.
    pub fn put(&self, piece: Option<Bytes>) -> bool {
        self.0.try_send(piece).is_ok()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Step, drive};

    fn read(body: Body) -> (Vec<u8>, bool) {
        let Body::Stream { mut chunks, .. } = body else { panic!("not a stream") };
        let mut whole = Vec::new();
        let mut reading = std::pin::pin!(std::future::poll_fn(|cx| {
            loop {
                match ready!(Pin::new(&mut chunks).poll_next(cx)) {
                    Some(Ok(piece)) => whole.extend_from_slice(&piece),
                    Some(Err(_)) => return Poll::Ready(false),
                    None => return Poll::Ready(true),
                }
            }
        }));
        let Ok(Step::Done(complete)) = drive(reading.as_mut(), std::time::Duration::from_secs(9)) else {
            panic!("not read")
        };
        (whole, complete)
    }

    #[test]
    fn a_body_ends_only_when_it_is_said_to() {
        let (whole, body) = feed(None);
        assert!(whole.put(Some(Bytes::from_static(b"ab"))) && whole.put(None));
        assert!(!whole.put(Some(Bytes::new())), "there is room for two");
        let (half, broken) = feed(Some(9));
        assert!(half.put(Some(Bytes::from_static(b"ab"))));
        drop(half);
        assert_eq!(read(body), (b"ab".to_vec(), true));
        assert_eq!(read(broken), (b"ab".to_vec(), false));
    }
}
