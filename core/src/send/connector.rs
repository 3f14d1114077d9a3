//! Dials: resolves a host, drops the addresses the grant does not reach, and connects to those that are left.
//!
//! The address that was checked is the address that is dialled, so a name that resolves otherwise a moment later
//! changes nothing.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Unsent;
use super::address::AddressScope;
use crate::error::{Error, ErrorCode, Result};

/// How long resolving, connecting and the handshake may take together.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long one address may take where others are left (RFC 8305, section 5, allows up to two seconds).
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);

/// Connects to origins within one address scope. Connections of different scopes never share a pool.
#[derive(Clone)]
pub(crate) struct Connector {
    /// `None` for hosts that are written as an address, which is then the only one.
    scope: Option<AddressScope>,
    tls: Arc<ClientConfig>,
}

impl Connector {
    pub(crate) fn new(scope: Option<AddressScope>, tls: Arc<ClientConfig>) -> Self {
        Self { scope, tls }
    }

    async fn connect(self, uri: Uri) -> Result<Dialled, Unsent> {
        match tokio::time::timeout(CONNECT_LIMIT, self.dial(&uri)).await {
            Ok(result) => result,
            Err(_) => Err(unreachable(&uri, "it did not answer in 15 seconds").into()),
        }
    }

    async fn dial(&self, uri: &Uri) -> Result<Dialled, Unsent> {
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let stream = self.first_open(uri, &self.addresses(uri, bare, port).await?).await?;
        // Requests are small and answers are awaited: waiting to fill a segment only costs time (RFC 9293, section 3.7.4).
        let _ = stream.set_nodelay(true);
        if !https {
            return Ok(Dialled::Plain(TokioIo::new(stream)));
        }
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| unreachable(uri, "its name cannot stand in a certificate"))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|why| tls_error(uri, &why))?;
        Ok(Dialled::Tls(Box::new(TokioIo::new(stream))))
    }

    async fn addresses(&self, uri: &Uri, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unsent> {
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(literal) => vec![SocketAddr::new(literal, port)],
            Err(_) => tokio::net::lookup_host((host, port))
                .await
                .map_err(|_| unreachable(uri, "its name does not resolve"))?
                .collect(),
        };
        let scope = self.scope.or_else(|| Some(AddressScope::Exactly(host.parse().ok()?)));
        let permits = |found: &SocketAddr| scope.is_some_and(|scope| scope.permits(found.ip()));
        let permitted: Vec<SocketAddr> = found.iter().copied().filter(permits).collect();
        match (found.is_empty(), permitted.is_empty()) {
            (true, _) => Err(unreachable(uri, "its name has no address").into()),
            (false, true) => Err(Unsent::Address(found[0].ip())),
            (false, false) => Ok(permitted),
        }
    }

    async fn first_open(&self, uri: &Uri, addresses: &[SocketAddr]) -> Result<TcpStream> {
        let mut last = "it refused the connection";
        for (index, address) in addresses.iter().enumerate() {
            let limit = if index + 1 == addresses.len() { CONNECT_LIMIT } else { ATTEMPT_LIMIT };
            match tokio::time::timeout(limit, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(why)) if why.kind() == std::io::ErrorKind::ConnectionRefused => {
                    last = "it refused the connection"
                }
                Ok(Err(_)) => last = "its address cannot be reached",
                Err(_) => last = "it did not answer",
            }
        }
        Err(unreachable(uri, last))
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
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
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

fn unreachable(uri: &Uri, why: &str) -> Error {
    let host = uri.authority().map_or("the host", |authority| authority.as_str());
    Error::new(ErrorCode::UpstreamUnreachable, format!("{host} is not reachable: {why}"))
}

fn tls_error(uri: &Uri, why: &std::io::Error) -> Error {
    let cause = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(problem)) = cause else {
        return unreachable(uri, "the TLS handshake failed");
    };
    let said = match problem {
        rustls::CertificateError::UnknownIssuer => "its TLS certificate is signed by nobody this machine trusts",
        rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
            "its TLS certificate has expired"
        }
        rustls::CertificateError::NotValidForName | rustls::CertificateError::NotValidForNameContext { .. } => {
            "its TLS certificate is for another name"
        }
        _ => "its TLS certificate does not verify",
    };
    unreachable(uri, said).with_retryable(false).with_hint("for a private authority: agentsecrets trust add FILE.pem")
}
