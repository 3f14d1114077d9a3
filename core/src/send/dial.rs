//! Dials one host: resolves it, drops the addresses that are out of scope, and connects to those that are left.
//!
//! The address that was checked is the address that is dialled, so a name that resolves otherwise a moment later
//! changes nothing.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::address::AddressScope;

/// How long resolving, connecting and the handshakes may take together.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(15);
/// How long one address may take where others are left (RFC 8305, section 5, allows up to two seconds).
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);

/// Bytes to a host: straight or by a tunnel, and the way to the tunnel in clear or not.
pub(super) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Why there is no connection, in words that go on after the host's name.
pub(super) struct Problem {
    pub(super) why: Cow<'static, str>,
    /// Whether it may pass.
    pub(super) passing: bool,
    pub(super) hint: Option<&'static str>,
}

impl Problem {
    pub(super) fn passing(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), passing: true, hint: None }
    }

    pub(super) fn lasting(why: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), passing: false, hint: None }
    }
}

/// Why a host was not connected.
pub(super) enum Closed {
    /// It has an address that is out of scope.
    Address(IpAddr),
    /// Anything else.
    Problem(Problem),
}

impl From<Problem> for Closed {
    fn from(why: Problem) -> Self {
        Self::Problem(why)
    }
}

/// Connects to a host. Without a scope the host is an address, and that address is all of it.
pub(super) async fn open(host: &str, port: u16, scope: Option<AddressScope>) -> Result<TcpStream, Closed> {
    let stream = first_open(&addresses(host, port, scope).await?).await?;
    // Requests are small and answers are awaited: waiting to fill a segment only costs time (RFC 9293, section 3.7.4).
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// TLS over a connection, with the host's name verified.
pub(super) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    tls: &Arc<ClientConfig>,
    host: &str,
    stream: S,
) -> Result<TlsStream<S>, Problem> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Problem::passing("has a name that cannot stand in a certificate"))?;
    TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(|why| tls_problem(&why))
}

async fn addresses(host: &str, port: u16, scope: Option<AddressScope>) -> Result<Vec<SocketAddr>, Closed> {
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(literal) => vec![SocketAddr::new(literal, port)],
        Err(_) => tokio::net::lookup_host((host, port))
            .await
            .map_err(|_| Problem::passing("has a name that does not resolve"))?
            .collect(),
    };
    let scope = scope.or_else(|| Some(AddressScope::Exactly(host.parse().ok()?)));
    let permits = |found: &SocketAddr| scope.is_some_and(|scope| scope.permits(found.ip()));
    let permitted: Vec<SocketAddr> = found.iter().copied().filter(permits).collect();
    match (found.first(), permitted.is_empty()) {
        (None, _) => Err(Problem::passing("has a name without an address").into()),
        (Some(refused), true) => Err(Closed::Address(refused.ip())),
        (Some(_), false) => Ok(permitted),
    }
}

async fn first_open(addresses: &[SocketAddr]) -> Result<TcpStream, Problem> {
    let mut last = "refused the connection";
    for (index, address) in addresses.iter().enumerate() {
        let limit = if index + 1 == addresses.len() { CONNECT_LIMIT } else { ATTEMPT_LIMIT };
        match tokio::time::timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(why)) if why.kind() == std::io::ErrorKind::ConnectionRefused => last = "refused the connection",
            Ok(Err(why)) if matches!(why.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                let problem = Problem::passing("needs a connection, and no descriptor is left for it");
                return Err(Problem { hint: Some("agentsecrets doctor"), ..problem });
            }
            Ok(Err(_)) => last = "has an address that cannot be reached",
            Err(_) => last = "did not answer",
        }
    }
    Err(Problem::passing(last))
}

fn tls_problem(why: &std::io::Error) -> Problem {
    let cause = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(problem)) = cause else {
        return Problem::passing("failed in the TLS handshake");
    };
    let said = match problem {
        rustls::CertificateError::UnknownIssuer => "has a TLS certificate that is signed by nobody this machine trusts",
        rustls::CertificateError::Expired | rustls::CertificateError::ExpiredContext { .. } => {
            "has a TLS certificate that has expired"
        }
        rustls::CertificateError::NotValidForName | rustls::CertificateError::NotValidForNameContext { .. } => {
            "has a TLS certificate for another name"
        }
        _ => "has a TLS certificate that does not verify",
    };
    Problem { hint: Some("for a private authority: agentsecrets trust add FILE.pem"), ..Problem::lasting(said) }
}
