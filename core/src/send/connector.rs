//! Connects to an origin by the way that is its own: straight, or by a tunnel through the owner's proxy.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio_rustls::client::TlsStream;

use super::Unsent;
use super::address::AddressScope;
use super::dial::{self, CONNECT_LIMIT, Closed, Problem, Stream};
use super::proxy::Proxy;
use crate::error::{Error, ErrorCode, Result};

/// Connects to origins by one way. Connections of different ways never share a pool.
#[derive(Clone)]
pub(crate) struct Connector {
    way: Way,
    tls: Arc<ClientConfig>,
}

/// How an origin is reached.
#[derive(Clone)]
pub(super) enum Way {
    /// Straight, at addresses within a scope; `None` for hosts that are written as an address, which is then the only one.
    Straight(Option<AddressScope>),
    /// By the owner's proxy, which resolves names.
    Through(Proxy),
}

impl Connector {
    pub(super) fn new(way: Way, tls: Arc<ClientConfig>) -> Self {
        Self { way, tls }
    }

    /// The same way, with other settings of TLS.
    pub(super) fn with_tls(&self, tls: &Arc<ClientConfig>) -> Self {
        Self { way: self.way.clone(), tls: Arc::clone(tls) }
    }

    pub(super) async fn connect(self, uri: Uri) -> Result<Dialled, Unsent> {
        match tokio::time::timeout(CONNECT_LIMIT, self.dial(&uri)).await {
            Ok(result) => result,
            Err(_) => Err(self.unreachable(&uri, &Problem::passing("did not answer in 15 seconds")).into()),
        }
    }

    async fn dial(&self, uri: &Uri) -> Result<Dialled, Unsent> {
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let stream = match &self.way {
            Way::Straight(scope) => match dial::open(bare, port, *scope).await {
                Ok(stream) => Stream::Left(stream),
                Err(Closed::Address(ip)) => return Err(Unsent::Address(ip)),
                Err(Closed::Problem(problem)) => return Err(self.unreachable(uri, &problem).into()),
            },
            Way::Through(proxy) => proxy.tunnel(&format!("{host}:{port}")).await?,
        };
        if !https {
            return Ok(Dialled::Plain(TokioIo::new(stream)));
        }
        match dial::secure(&self.tls, bare, stream).await {
            Ok(stream) => Ok(Dialled::Tls(Box::new(TokioIo::new(stream)))),
            Err(problem) => Err(self.unreachable(uri, &problem).into()),
        }
    }

    fn unreachable(&self, uri: &Uri, problem: &Problem) -> Error {
        let host = uri.authority().map_or("the host", |authority| authority.as_str());
        let (by, hint) = match &self.way {
            Way::Straight(_) => (String::new(), None),
            Way::Through(proxy) => (format!("by the proxy {}, ", proxy.shown()), Some("agentsecrets egress")),
        };
        let message = format!("{host} is not reachable: {by}it {}", problem.why);
        let error = Error::new(ErrorCode::UpstreamUnreachable, message).with_retryable(problem.passing);
        match problem.hint.or(hint) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Dialled;
    type Error = Unsent;
    type Future = Pin<Box<dyn Future<Output = Result<Dialled, Unsent>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// An open connection, in clear or not.
pub(crate) enum Dialled {
    Plain(TokioIo<Stream>),
    Tls(Box<TokioIo<TlsStream<Stream>>>),
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        match self {
            Self::Plain(_) => Connected::new(),
            Self::Tls(stream) => {
                let (_, session) = stream.inner().get_ref();
                if session.alpn_protocol() == Some(b"h2") { Connected::new().negotiated_h2() } else { Connected::new() }
            }
        }
    }
}

impl Read for Dialled {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl Write for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
        }
    }
}
