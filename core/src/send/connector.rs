//! Connects to an origin by the way that is its own: straight, or by a tunnel through the owner's proxy.

use std::future::Future;
use std::io;
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
            return Ok(Dialled::plain(stream));
        }
        match dial::secure(&self.tls, bare, stream).await {
            Ok(stream) => Ok(Dialled::tls(stream)),
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
///
/// A peer may answer before it has read all of a request, and close: its answer then lies here to be read, while writing on
/// fails (RFC 9112, section 9.6). So a write that fails is not told and waits for ever; reading gives the answer, or says
/// that there is none.
pub(crate) struct Dialled {
    stream: Secured,
    /// Whether a write failed.
    deaf: bool,
}

enum Secured {
    Plain(TokioIo<Stream>),
    Tls(Box<TokioIo<TlsStream<Stream>>>),
}

impl Dialled {
    fn plain(stream: Stream) -> Self {
        Self { stream: Secured::Plain(TokioIo::new(stream)), deaf: false }
    }

    fn tls(stream: TlsStream<Stream>) -> Self {
        Self { stream: Secured::Tls(Box::new(TokioIo::new(stream))), deaf: false }
    }

    /// What a write to the stream comes to.
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut (dyn Write + Unpin)>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.deaf {
            return Poll::Pending;
        }
        let written = match &mut self.stream {
            Secured::Plain(stream) => write(Pin::new(stream), cx),
            Secured::Tls(stream) => write(Pin::new(stream.as_mut()), cx),
        };
        if !matches!(written, Poll::Ready(Err(_))) {
            return written;
        }
        self.deaf = true;
        // Reading, which by now may have come to something, is polled again.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        match &self.stream {
            Secured::Plain(_) => Connected::new(),
            Secured::Tls(stream) => {
                let (_, session) = stream.inner().get_ref();
                if session.alpn_protocol() == Some(b"h2") { Connected::new().negotiated_h2() } else { Connected::new() }
            }
        }
    }
}

impl Read for Dialled {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Secured::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Secured::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl Write for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.write(cx, |stream, cx| stream.poll_shutdown(cx)) {
            Poll::Pending if self.deaf => Poll::Ready(Ok(())),
            shut => shut,
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::sync::mpsc;

    use bytes::Bytes;
    use futures_util::stream;
    use http::Request;

    use super::*;
    use crate::call::Body;
    use crate::send::lanes::Lanes;

    /// A server that reads the head of one request, answers, and closes with the body unread: its kernel resets.
    fn curt(answer: &'static [u8]) -> (String, mpsc::Receiver<()>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let (told, closed) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("the head");
                head.push(byte[0]);
            }
            assert!(stream.peek(&mut [0]).is_ok_and(|length| length > 0), "some of the body");
            stream.write_all(answer).expect("answered");
            drop(stream);
            let _ = told.send(());
        });
        (url, closed)
    }

    /// Sends a body whose second piece is given only when the server has closed, in the same poll that writes it.
    async fn upload(answer: &'static [u8]) -> Option<http::StatusCode> {
        let (url, closed) = curt(answer);
        let tls = super::super::roots::client_config(&[]).expect("settings");
        let (pool, _place) = Lanes::new(Connector::new(Way::Straight(None), tls)).enter();
        let mut polls = 0;
        let pieces = stream::poll_fn(move |cx| {
            polls += 1;
            match polls {
                // What there is goes out first.
                2 => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                3 => closed.recv_timeout(CONNECT_LIMIT).expect("the server closed"),
                _ => {}
            }
            Poll::Ready(Some(Ok(Bytes::from(vec![b'x'; 1000]))))
        });
        let request = Request::post(url).body(Body::stream(pieces)).expect("a request");
        let answered = tokio::time::timeout(CONNECT_LIMIT, pool.request(request)).await.expect("no hang");
        answered.ok().map(|answer| answer.status())
    }

    #[tokio::test]
    async fn an_answer_is_read_though_the_upstream_reads_no_more() {
        let answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        assert_eq!(upload(answer).await, Some(http::StatusCode::PAYLOAD_TOO_LARGE));
        assert_eq!(upload(b"").await, None, "no answer is a failure, not a wait");
    }
}
