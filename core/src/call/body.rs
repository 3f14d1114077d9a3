//! The body of a request.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};

use crate::error::{Error, ErrorCode};

/// A request body: nothing, bytes at hand, or a stream.
#[derive(Default)]
#[non_exhaustive]
pub enum Body {
    /// No body.
    #[default]
    Empty,
    /// Bytes at hand: sent with their length, and sent again on a retry or redirect.
    Bytes(Bytes),
    /// Bytes to come: sent once.
    Stream {
        /// The bytes.
        chunks: ByteStream,
        /// Their number, where it is known.
        length: Option<u64>,
    },
}

impl Body {
    /// A body of bytes to come.
    pub fn stream(chunks: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Self {
        Self::Stream { chunks: ByteStream::new(chunks), length: None }
    }

    /// The same body where it can be sent again, `None` for a stream.
    pub(crate) fn replay(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream { .. } => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            Self::Stream { .. } => f.write_str("Stream"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Bytes(Bytes::from_static(text.as_bytes()))
    }
}

/// Chunks of bytes to come.
pub struct ByteStream {
    chunks: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>,
    failed: BrokeOff,
}

impl ByteStream {
    pub(crate) fn new(chunks: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Self {
        Self { chunks: Box::pin(chunks), failed: BrokeOff::default() }
    }

    /// Pieces that are at hand.
    pub(crate) fn of(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        struct Pieces(std::vec::IntoIter<Bytes>);
        impl Stream for Pieces {
            type Item = std::io::Result<Bytes>;

            fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                Poll::Ready(self.0.next().map(Ok))
            }
        }
        Self::new(Pieces(pieces.into_iter().collect::<Vec<_>>().into_iter()))
    }
}

impl Stream for ByteStream {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(self.chunks.as_mut().poll_next(cx));
        if matches!(chunk, Some(Err(_))) {
            self.failed.0.store(true, Ordering::Release);
        }
        Poll::Ready(chunk)
    }
}

/// Whether the caller's own body failed, and neither the broker nor the upstream: an HTTP/2 library says only that the stream
/// was reset.
#[derive(Clone, Default)]
pub(crate) struct BrokeOff(Arc<AtomicBool>);

impl BrokeOff {
    /// The caller's failure if it was that, else what it looks like.
    pub(crate) fn or<E: From<Error>>(&self, other: impl FnOnce() -> E) -> E {
        if self.0.load(Ordering::Acquire) { broke_off().into() } else { other() }
    }
}

/// A body that ended with an error instead of its end. What the error says stays with the caller.
pub(crate) fn broke_off() -> Error {
    Error::new(ErrorCode::InvalidCall, "the call's body broke off: what gives it failed")
}

impl Body {
    /// Tells later whether this body failed.
    pub(crate) fn watch(&self) -> BrokeOff {
        match self {
            Self::Stream { chunks, .. } => chunks.failed.clone(),
            Self::Empty | Self::Bytes(_) => BrokeOff::default(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Stream { chunks, .. } => {
                Poll::Ready(ready!(Pin::new(chunks).poll_next(cx)).map(|chunk| chunk.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Stream { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream { length: Some(length), .. } => SizeHint::with_exact(*length),
            Self::Stream { length: None, .. } => SizeHint::default(),
        }
    }
}
