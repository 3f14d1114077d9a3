//! The owner's proxy: dialled like a host, and asked for a tunnel to another (CONNECT; RFC 9110, section 9.3.6).
//!
//! What is said through the tunnel is between us and the host; the proxy learns its name and port.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use url::Host;

use super::Unsent;
use super::address::{self, AddressClass, AddressScope};
use super::dial::{Problem, Stream, open, secure};
use super::roots::http1_alone;
use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::Origin;

/// Endings of names that no public DNS answers (RFC 6761, RFC 6762, RFC 8375; ICANN has set `internal` apart).
const NEVER_PUBLIC: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// A header that opens the proxy, when one is dialled.
pub(crate) type Credentials<'a> = Pin<Box<dyn Future<Output = Result<Option<HeaderValue>>> + Send + 'a>>;

/// What the owner said of the proxy, and the value that opens it.
pub(crate) trait Gateway: Send + Sync {
    /// Where it listens.
    fn origin(&self) -> &Origin;
    /// Whether calls to this host go past it.
    fn bypasses(&self, host: &Host<Arc<str>>) -> bool;
    /// The text of `Proxy-Authorization`, where it wants one.
    fn credentials(&self) -> Credentials<'_>;
}

/// A proxy and whom we believe to be it.
#[derive(Clone)]
pub(super) struct Proxy {
    gateway: Arc<dyn Gateway>,
    tls: Arc<ClientConfig>,
}

impl Proxy {
    /// The proxy of a gateway, verified as every upstream is. It is spoken to in HTTP/1.1.
    pub(super) fn new(gateway: Arc<dyn Gateway>, tls: &Arc<ClientConfig>) -> Self {
        Self { gateway, tls: http1_alone(tls) }
    }

    /// Whether a call leaves by the proxy: those to public hosts do. What can only be here or in a private network is
    /// resolved and checked by us, and never given to somebody else to resolve.
    pub(super) fn takes(&self, origin: &Origin, scope: AddressScope) -> bool {
        let public = match (scope, origin.host()) {
            (AddressScope::PublicOnly, Host::Domain(name)) => may_be_public(name),
            (AddressScope::PublicOnly | AddressScope::Exactly(_), _) => {
                origin.address().is_some_and(|ip| address::class(ip) == AddressClass::Public)
            }
            (AddressScope::PrivateAllowed | AddressScope::Loopback, _) => false,
        };
        public && !self.gateway.bypasses(origin.host())
    }

    /// A tunnel to `target`, which is `host:port`.
    pub(super) async fn tunnel(&self, target: &str) -> Result<Stream, Unsent> {
        let stream = self.dial().await.map_err(|problem| self.failed(target, &problem))?;
        let credentials = self.gateway.credentials().await?;
        let named = credentials.is_some();
        match connect(stream, target, credentials).await {
            Ok(stream) => Ok(stream),
            Err(Refused::Answered(status)) => Err(self.refused(target, status, named).into()),
            Err(Refused::Confused) => {
                Err(self.failed(target, &Problem::lasting("does not answer as an HTTP proxy does")).into())
            }
            Err(Refused::BrokeOff) => {
                Err(self.failed(target, &Problem::passing("broke off before it answered")).into())
            }
        }
    }

    async fn dial(&self) -> Result<Stream, Problem> {
        let origin = self.gateway.origin();
        let host = origin.host().to_string();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // The owner named it, wherever it is; but nothing that hands out a machine's own credentials is a proxy.
        let scope = match (origin.address(), host) {
            (Some(ip), _) => AddressScope::Exactly(ip),
            (None, "localhost") => AddressScope::Loopback,
            (None, _) => AddressScope::PrivateAllowed,
        };
        let stream = match open(host, origin.port(), Some(scope)).await {
            Ok(stream) => stream,
            Err(super::dial::Closed::Address(ip)) => {
                return Err(Problem::lasting(format!("has {}, which no proxy has", address::class(ip))));
            }
            Err(super::dial::Closed::Problem(problem)) => return Err(problem),
        };
        if !origin.is_https() {
            return Ok(Stream::Left(stream));
        }
        Ok(Stream::Right(Box::new(secure(&self.tls, host, stream).await?)))
    }

    /// The error of a call that did not get through, which names the proxy.
    pub(super) fn failed(&self, target: &str, problem: &Problem) -> Error {
        let message = format!("{target} is not reachable: the proxy {} {}", self.shown(), problem.why);
        let error = Error::new(ErrorCode::UpstreamUnreachable, message).with_retryable(problem.passing);
        error.with_hint(problem.hint.unwrap_or("agentsecrets egress  # the proxy, and how to name another"))
    }

    fn refused(&self, target: &str, status: StatusCode, named: bool) -> Error {
        let why = match (status, named) {
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, true) => {
                "does not take the login it was given (407)".to_owned()
            }
            (StatusCode::PROXY_AUTHENTICATION_REQUIRED, false) => "wants a login (407)".to_owned(),
            _ => format!("does not connect to it ({})", status.as_u16()),
        };
        self.failed(target, &Problem { passing: status.is_server_error(), why: why.into(), hint: None })
    }

    /// `host:port`, with the port always.
    pub(super) fn shown(&self) -> String {
        let origin = self.gateway.origin();
        format!("{}:{}", origin.host(), origin.port())
    }
}

/// Why there is no tunnel.
enum Refused {
    Answered(StatusCode),
    Confused,
    BrokeOff,
}

/// Asks for the tunnel. What follows the answer's head belongs to the tunnel, whose other side has nothing to say before
/// we do: a proxy that speaks in its place is not believed.
async fn connect(stream: Stream, target: &str, credentials: Option<HeaderValue>) -> Result<Stream, Refused> {
    let broken = |why: hyper::Error| if why.is_parse() { Refused::Confused } else { Refused::BrokeOff };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut request = Request::connect(target)
        .header(header::HOST, target)
        .header(header::USER_AGENT, super::AGENT)
        .body(Empty::<Bytes>::new())
        .map_err(|_| Refused::Confused)?;
    if let Some(credentials) = credentials {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, credentials);
    }
    let mut connection = std::pin::pin!(connection.with_upgrades());
    let mut answer = std::pin::pin!(sender.send_request(request));
    // The connection gives its bytes up with the answer, so it may well be the first to end.
    let (answer, given_up) = tokio::select! {
        answer = &mut answer => (answer, false),
        ended = &mut connection => {
            ended.map_err(broken)?;
            (answer.await, true)
        }
    };
    let answer = answer.map_err(broken)?;
    if !answer.status().is_success() {
        return Err(Refused::Answered(answer.status()));
    }
    if !given_up {
        connection.await.map_err(broken)?;
    }
    let upgraded = hyper::upgrade::on(answer).await;
    let parts = upgraded.map_err(broken)?.downcast::<TokioIo<Stream>>().map_err(|_| Refused::Confused)?;
    if parts.read_buf.is_empty() { Ok(parts.io.into_inner()) } else { Err(Refused::Confused) }
}

/// Whether a public DNS may know the name.
fn may_be_public(name: &str) -> bool {
    let below = |ending: &str| name.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    name.contains('.') && !NEVER_PUBLIC.into_iter().any(below)
}

#[cfg(test)]
mod tests {
    use super::may_be_public;

    #[test]
    fn what_no_public_dns_answers_is_never_given_to_a_proxy() {
        for name in ["api.example.com", "x.notlocal", "internal.example.com", "localhost.example.com", "a.homearpa"] {
            assert!(may_be_public(name), "{name}");
        }
        for name in ["localhost", "a.localhost", "intranet", "printer.local", "metadata.google.internal", "a.home.arpa"]
        {
            assert!(!may_be_public(name), "{name}");
        }
    }
}
