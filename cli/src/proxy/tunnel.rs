//! What is inside CONNECT: TLS that ends here, or cleartext HTTP. Never bytes that are passed on unseen.

use std::convert::Infallible;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use agentsecrets::ErrorCode;

use super::MAX_HEADERS;
use super::forward::{Forward, Origin};
use super::refusal::{Answer, Refusal};

/// The first byte of a TLS handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// How long a program may take to say its first word.
const FIRST_WORD: Duration = Duration::from_secs(30);

/// Says yes, and takes over the connection. What is asked for inside is decided request by request.
pub(super) fn open(proxy: Arc<Forward>, request: Request<Incoming>) -> Result<Answer, Refusal> {
    let target = request.uri().authority().filter(|target| target.port_u16().is_some()).cloned().ok_or_else(|| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidCall.as_str(),
            "CONNECT needs HOST:PORT",
            "use the proxy as HTTPS_PROXY",
        )
    })?;
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(request).await {
            // A program that breaks off knows it already.
            let _ = serve(proxy, target, TokioIo::new(upgraded)).await;
        }
    });
    Ok(Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync()))
}

async fn serve<T>(proxy: Arc<Forward>, authority: http::uri::Authority, stream: T) -> std::io::Result<()>
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut reader, writer) = tokio::io::split(stream);
    let mut first = [0];
    tokio::time::timeout(FIRST_WORD, reader.read_exact(&mut first)).await??;
    let stream = tokio::io::join(Cursor::new(first).chain(reader), writer);
    if first[0] != HANDSHAKE {
        requests(proxy, Origin { scheme: "http", authority }, stream).await;
        return Ok(());
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let config = proxy.authority.tls(host).map_err(|error| std::io::Error::other(error.to_string()))?;
    let stream = tokio::time::timeout(FIRST_WORD, TlsAcceptor::from(config).accept(stream)).await??;
    requests(proxy, Origin { scheme: "https", authority }, stream).await;
    Ok(())
}

async fn requests<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(proxy: Arc<Forward>, origin: Origin, stream: T) {
    let answer = service_fn(move |request| {
        let (proxy, origin) = (Arc::clone(&proxy), origin.clone());
        async move { Ok::<_, Infallible>(proxy.pass(&origin, request).await) }
    });
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).max_headers(MAX_HEADERS);
    server.http2().timer(TokioTimer::new());
    let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), answer).await;
}
