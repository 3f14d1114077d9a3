//! Stage 4: sends an armed request to a checked address, or by the owner's proxy. No redirects, no proxy of anybody
//! else's, no caller's word about TLS.

pub(crate) mod address;
mod connector;
mod decode;
mod dial;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod lanes;
mod own;
mod proxy;
mod roots;
mod upgrade;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use rustls::ClientConfig;

pub(crate) use address::AddressScope;
pub(crate) use decode::Decoder;
pub(crate) use lanes::Place;
pub(crate) use own::{OwnAnswer, OwnRequest};
pub(crate) use proxy::{Credentials, Gateway};
pub use roots::platform_bundle;
pub(crate) use upgrade::RawSocket;

use self::connector::{Connector, Way};
use self::lanes::Lanes;
use self::proxy::Proxy;
use crate::call::Body;
use crate::error::{Error, ErrorCode, Result};
use crate::inject::ArmedRequest;
use crate::log_safe::Origin;

/// What requests say they come from, unless a caller says otherwise.
const AGENT: &str = concat!("agentsecrets/", env!("CARGO_PKG_VERSION"));

/// The connections of one engine: lanes of their own for each address scope, so that a grant for a private network never
/// lends its connection to a grant without, and one for those that go by the owner's proxy.
pub(crate) struct Sender {
    public: Lanes,
    private: Lanes,
    loopback: Lanes,
    exact: Lanes,
    proxied: Option<(Proxy, Lanes)>,
    /// For connections that speak HTTP/1.1 alone.
    http1: Arc<ClientConfig>,
}

/// Why nothing came back.
#[derive(Clone, Debug)]
pub(crate) enum Unsent {
    /// The host has an address that the grant does not reach.
    Address(IpAddr),
    /// Anything else.
    Failed(Error),
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing was sent")
    }
}

impl std::error::Error for Unsent {}

impl From<Error> for Unsent {
    fn from(why: Error) -> Self {
        Self::Failed(why)
    }
}

/// What came back, before anybody has looked for values in it.
pub(crate) struct RawResponse {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<Bytes>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Incoming,
    /// Whether no body can follow, whatever the headers say (RFC 9110, sections 9.3.2, 15.3.5 and 15.4.5).
    pub(crate) bodiless: bool,
    /// Where the call counts while the body comes; a WebSocket has a connection of its own.
    pub(crate) place: Option<Place>,
    /// The connection, where it became a WebSocket.
    pub(crate) socket: Option<Box<RawSocket>>,
}

impl Sender {
    /// A sender that trusts the platform's roots and these in PEM, and knows the owner's proxy where there is one.
    pub(crate) fn new(trusted: &[String], gateway: Option<Arc<dyn Gateway>>) -> Result<Self> {
        let tls = roots::client_config(trusted)?;
        let lanes = |way: Way| Lanes::new(Connector::new(way, Arc::clone(&tls)));
        let straight = |scope: Option<AddressScope>| lanes(Way::Straight(scope));
        let proxy = gateway.map(|gateway| Proxy::new(gateway, &tls));
        Ok(Self {
            public: straight(Some(AddressScope::PublicOnly)),
            private: straight(Some(AddressScope::PrivateAllowed)),
            loopback: straight(Some(AddressScope::Loopback)),
            exact: straight(None),
            http1: roots::http1_alone(&tls),
            proxied: proxy.map(|proxy| (proxy.clone(), lanes(Way::Through(proxy)))),
        })
    }

    /// The connections by which an origin is reached: those of its way.
    fn lanes(&self, origin: &Origin, scope: AddressScope) -> &Lanes {
        match (&self.proxied, scope) {
            (Some((proxy, lanes)), _) if proxy.takes(origin, scope) => lanes,
            (_, AddressScope::PublicOnly) => &self.public,
            (_, AddressScope::PrivateAllowed) => &self.private,
            (_, AddressScope::Loopback) => &self.loopback,
            (_, AddressScope::Exactly(_)) => &self.exact,
        }
    }

    /// Sends, and waits for the head of the answer.
    pub(crate) async fn send(&self, mut armed: ArmedRequest, scope: AddressScope) -> Result<RawResponse, Unsent> {
        if let Some(asked) = armed.websocket() {
            // In a box: few calls go this way, and all would be larger by it.
            return Box::pin(self.upgrade(armed, scope, asked)).await;
        }
        let (pool, place) = self.lanes(armed.origin(), scope).enter();
        let request = request_of(armed)?;
        let head = *request.method() == Method::HEAD;
        let body = request.body().watch();
        let answer = pool.request(request).await.map_err(|why| body.or(|| send_error(&why)))?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::new(
                ErrorCode::UpstreamUnreachable,
                "the upstream changed to a protocol that cannot be searched",
            )
            .with_retryable(false)
            .into());
        }
        Ok(RawResponse { place: Some(place), ..raw(answer, head) })
    }
}

fn raw(answer: Response<Incoming>, no_body: bool) -> RawResponse {
    let (mut parts, body) = answer.into_parts();
    let reason =
        parts.extensions.remove::<hyper::ext::ReasonPhrase>().map(|reason| Bytes::copy_from_slice(reason.as_bytes()));
    let bodiless = no_body || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    crate::call::strip_hop(&mut parts.headers);
    RawResponse { status: parts.status, reason, headers: parts.headers, body, bodiless, place: None, socket: None }
}

fn request_of(armed: ArmedRequest) -> Result<Request<Body>> {
    let (method, origin, target, headers, body) = armed.into_parts();
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri_of(&origin, target)?;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, br, zstd"));
    if let header::Entry::Vacant(agent) = request.headers_mut().entry(header::USER_AGENT) {
        agent.insert(HeaderValue::from_static(AGENT));
    }
    if let header::Entry::Vacant(accept) = request.headers_mut().entry(header::ACCEPT) {
        accept.insert(HeaderValue::from_static("*/*"));
    }
    Ok(request)
}

/// The URI, without a copy of the target, which is wiped with its last handle.
fn uri_of(origin: &Origin, target: Bytes) -> Result<http::Uri> {
    // The parser's error would quote the URL, which by now holds what was injected.
    let refused = || {
        Error::new(ErrorCode::InvalidCall, "the URL has a character that HTTP does not allow")
            .with_hint("percent-encode it")
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(if origin.is_https() { http::uri::Scheme::HTTPS } else { http::uri::Scheme::HTTP });
    parts.authority = Some(origin.authority().parse().map_err(|_| refused())?);
    parts.path_and_query = Some(http::uri::PathAndQuery::from_maybe_shared(target).map_err(|_| refused())?);
    http::Uri::from_parts(parts).map_err(|_| refused())
}

/// Keeps our own words and drops the library's, which may quote the URL.
fn send_error(why: &hyper_util::client::legacy::Error) -> Unsent {
    let mut source = std::error::Error::source(why);
    while let Some(cause) = source {
        if let Some(own) = cause.downcast_ref::<Unsent>() {
            return own.clone();
        }
        source = cause.source();
    }
    Error::new(ErrorCode::UpstreamUnreachable, "the upstream broke off before it answered").into()
}

/// The deadline passed.
pub(crate) fn timed_out(limit: Duration) -> Error {
    Error::new(ErrorCode::Timeout, format!("the call took longer than {} ms", limit.as_millis()))
        .with_hint("raise the call's timeout")
}
