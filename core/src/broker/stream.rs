//! A connection to the broker that became a WebSocket: its bytes, and no HTTP any more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::{HeaderValue, Response, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

use super::connection::Line;
use super::serve::Held;
use crate::response::Upgrade;

/// The bytes both ways.
pub(super) struct LinkStream {
    /// Dropped before the stream that it ends.
    _line: Line,
    /// What was read too far while it still was HTTP.
    read: Bytes,
    stream: UnixStream,
}

/// The broker's side: says yes, and relays over the connection once it is no HTTP any more. What the connection holds is
/// let go of when the socket ends.
pub(super) fn relay<B>(answer: &mut Response<B>, upgrade: Upgrade, stream: OnUpgrade, held: Held) {
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    drop(tokio::spawn(async move {
        let _held = held;
        // A caller that went away meanwhile has given the call up.
        if let (Upgrade::Relay(relay), Ok(stream)) = (upgrade, stream.await) {
            relay.run(Box::new(TokioIo::new(stream))).await;
        }
    }));
}

impl LinkStream {
    pub(super) fn new(line: Line, read: Bytes, stream: UnixStream) -> Self {
        Self { _line: line, read, stream }
    }
}

impl AsyncRead for LinkStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let some = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..some]);
        self.read.advance(some);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LinkStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
