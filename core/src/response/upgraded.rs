//! The connection of a 101.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much lies between a program and the engine in its own process, in bytes.
const BETWEEN: usize = 64 << 10;

/// Bytes both ways.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// What stands between an upstream and a program, and lets nothing through unsearched.
pub(crate) trait Relay: Send {
    /// Runs until one of them ends.
    fn run(self: Box<Self>, program: Box<dyn Wire>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A connection that a response carries.
pub(crate) enum Upgrade {
    /// It is relayed here.
    Relay(Box<dyn Relay>),
    /// It comes from where it is relayed.
    Stream(Box<dyn Wire>),
}

impl Upgrade {
    pub(super) fn into_stream(self) -> Upgraded {
        match self {
            Self::Stream(stream) => Upgraded(stream),
            Self::Relay(relay) => {
                let (ours, theirs) = tokio::io::duplex(BETWEEN);
                drop(tokio::spawn(relay.run(Box::new(theirs))));
                Upgraded(Box::new(ours))
            }
        }
    }
}

/// The bytes of a WebSocket (RFC 6455, section 5) as a client reads and writes them, searched for values on both ways.
/// Dropping it ends the connection.
pub struct Upgraded(Box<dyn Wire>);

impl AsyncRead for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
