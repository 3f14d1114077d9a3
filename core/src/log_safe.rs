//! What may be written down: a marker for types that cannot hold a value, and a URL that hides its query.

mod shown;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use url::{Host, Url};

pub(crate) use shown::shown;

use crate::error::{Error, ErrorCode, Result};

/// A type that by construction holds no value and may be logged, audited and shown.
///
/// Text types do not have it: a text becomes one of the parsed types that do.
pub trait LogSafe {}

macro_rules! log_safe {
    ($($name:ty),* $(,)?) => { $(impl LogSafe for $name {})* };
}

log_safe! {
    bool, u8, u16, u32, u64, usize, IpAddr,
    ErrorCode, crate::error::Stage,
    crate::secret_ref::SecretName, crate::secret_ref::Label, crate::secret_ref::Scope,
    Origin, uuid::Uuid, jiff::Timestamp,
}

impl<T: LogSafe> LogSafe for Option<T> {}
impl<T: LogSafe> LogSafe for Vec<T> {}
impl<T: LogSafe> LogSafe for &T {}

/// A scheme, host and port (RFC 6454, section 4). The host is in lower case, an international one in Punycode.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    https: bool,
    host: Host<Arc<str>>,
    port: u16,
}

impl Origin {
    fn of(url: &Url) -> Option<Self> {
        let host = match url.host()? {
            Host::Domain(name) => Host::Domain(Arc::from(plain_name(name)?)),
            Host::Ipv4(address) => Host::Ipv4(address),
            Host::Ipv6(address) => address.to_ipv4_mapped().map_or(Host::Ipv6(address), Host::Ipv4),
        };
        Some(Self { https: url.scheme() == "https", host, port: url.port_or_known_default()? })
    }

    /// Whether the origin speaks TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host<Arc<str>> {
        &self.host
    }

    /// The host, where it is written as an address.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host` or `host:port`, the port only where it is not the scheme's own: the form of `Host` and `:authority`.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.https { 443 } else { 80 };
        if self.port == default { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// A name without the root's own dot, which says nothing. One that is nothing else, ends in two, or has a character that
/// no name has (RFC 1123, section 2.1, and the underscore) is none: the crate that sends it would read it otherwise, or not.
fn plain_name(name: &str) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (!name.is_empty() && !name.ends_with('.') && name.bytes().all(fine)).then_some(name)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.authority())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An `http` or `https` URL, parsed once: the same object serves policy, resolution, connection and `Host`.
///
/// `Display` and `Debug` hide query values, and there is no way to the inner URL.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafeUrl {
    origin: Origin,
    path: Arc<str>,
    /// As the caller wrote it, byte for byte, so that a signed URL stays valid.
    query: Option<Arc<str>>,
}

impl SafeUrl {
    /// Parses an absolute URL. A fragment is dropped, as it is never sent.
    ///
    /// # Errors
    /// `invalid_call` for another scheme, no host, a user name or password, a control character or a backslash.
    pub fn parse(text: &str) -> Result<Self> {
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(Error::new(ErrorCode::InvalidCall, "the URL has a control character"));
        }
        let before_query = text.split(['?', '#']).next().unwrap_or_default();
        if before_query.contains('\\') {
            return Err(Error::new(ErrorCode::InvalidCall, "the URL has a backslash before its query")
                .with_hint("write / or, where a backslash is meant, %5C"));
        }
        let url = Url::parse(text).map_err(|why| {
            Error::new(ErrorCode::InvalidCall, format!("the URL is malformed: {why}"))
                .with_hint("write it whole, as in https://api.example.com/v1/things")
        })?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Error::new(ErrorCode::InvalidCall, "the URL's scheme is neither https nor http"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::new(ErrorCode::InvalidCall, "the URL carries a user name or password")
                .with_hint("store user:password as one secret and use the basic style"));
        }
        let origin = Origin::of(&url)
            .ok_or_else(|| Error::new(ErrorCode::InvalidCall, "the URL has no host, or one that is no name"))?;
        Ok(Self { origin, path: url.path().into(), query: exact_query(text).or(url.query()).map(Arc::from) })
    }

    /// The URL a `Location` names, seen from this one (RFC 9110, section 10.2.2).
    pub(crate) fn join(&self, location: &str) -> Result<Self> {
        let base = Url::parse(&self.to_wire());
        match base.and_then(|base| base.join(location)) {
            Ok(url) => Self::parse(url.as_str()),
            Err(_) => Err(Error::new(ErrorCode::InvalidCall, "the redirect names no URL")),
        }
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path, in the bytes that are sent.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query as written. It may hold what the caller put there, so it stays inside the crate.
    pub(crate) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// The same URL with `pairs` after its query, form-encoded (WHATWG URL, section 5.2).
    #[must_use]
    pub fn with_params<N: AsRef<str>, V: AsRef<str>>(&self, pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let added = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        match (added.is_empty(), self.query()) {
            (true, _) => self.clone(),
            (false, None | Some("")) => Self { query: Some(added.into()), ..self.clone() },
            (false, Some(query)) => Self { query: Some(format!("{query}&{added}").into()), ..self.clone() },
        }
    }

    /// Takes the first parameter out that `wanted` says something of, given its decoded name and value; the others stay
    /// byte for byte.
    pub(crate) fn take_param<T>(&mut self, wanted: impl Fn(&str, &[u8]) -> Result<Option<T>>) -> Result<Option<T>> {
        let Some(query) = self.query.clone() else { return Ok(None) };
        let pairs: Vec<&str> = query.split('&').collect();
        for (at, pair) in pairs.iter().enumerate() {
            let Some((name, value)) = url::form_urlencoded::parse(pair.as_bytes()).next() else { continue };
            if let Some(found) = wanted(&name, value.as_bytes())? {
                let rest: Vec<&str> =
                    pairs.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, it)| *it).collect();
                self.query = (!rest.is_empty()).then(|| rest.join("&").into());
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Path and query: the request target of RFC 9112, section 3.2.1.
    pub(crate) fn target(&self) -> String {
        self.query().map_or_else(|| self.path.to_string(), |query| format!("{}?{query}", self.path))
    }

    /// The whole URL, query and all, for the wire only.
    pub(crate) fn to_wire(&self) -> String {
        format!("{}{}", self.origin, self.target())
    }
}

/// The query in the caller's own bytes, where they may stand on the wire as they are.
fn exact_query(text: &str) -> Option<&str> {
    let (_, query) = text.split('#').next()?.split_once('?')?;
    let sendable = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>');
    query.bytes().all(sendable).then_some(query)
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)?;
        let Some(query) = self.query() else { return Ok(()) };
        for (index, pair) in query.split('&').enumerate() {
            let separator = if index == 0 { '?' } else { '&' };
            match pair.split_once('=') {
                Some((name, _)) => write!(f, "{separator}{name}=…")?,
                // A bare parameter may be a token by itself.
                None => write!(f, "{separator}…")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> SafeUrl {
        SafeUrl::parse(text).expect(text)
    }

    #[test]
    fn query_values_are_hidden_and_sent_byte_for_byte() {
        let url = parse("https://Example.com/a%20b?sig=a'b|c%2f&flag&x=1#part");
        assert_eq!(url.to_string(), "https://example.com/a%20b?sig=…&…&x=…");
        assert_eq!(format!("{url:?}"), url.to_string());
        assert_eq!(url.target(), "/a%20b?sig=a'b|c%2f&flag&x=1");
    }

    #[test]
    fn one_spelling_for_one_origin() {
        for (text, origin) in [
            ("https://API.example.com:443/", "https://api.example.com"),
            ("https://api.example.com./", "https://api.example.com"),
            ("http://0x7f000001:80", "http://127.0.0.1"),
            ("http://[::ffff:127.0.0.1]:8080/", "http://127.0.0.1:8080"),
            ("https://bücher.example/", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(parse(text).origin().to_string(), origin);
        }
    }

    #[test]
    fn what_is_no_plain_http_url_is_refused() {
        for text in [
            "",
            "/v1",
            "api.stripe.com",
            "ftp://a/",
            "https://",
            "https://u@a/",
            "https://u:p@a/",
            "https://a/\nb",
            "https://a\\@b/",
            "https://a/x\\y",
            "https://a:99999/",
            "file:///etc/passwd",
            "http:/./../b",
            "https://./a",
            "https://a../b",
            "https://b\u{fc}ch}er.example/",
        ] {
            assert_eq!(SafeUrl::parse(text).expect_err(text).code(), ErrorCode::InvalidCall);
        }
    }

    #[test]
    fn params_go_to_the_end() {
        assert_eq!(parse("https://a/?x=1").with_params([("q", "a b&c")]).target(), "/?x=1&q=a+b%26c");
        assert_eq!(parse("https://a/").with_params([("q", "é")]).target(), "/?q=%C3%A9");
        assert_eq!(parse("https://a/?x").with_params::<&str, &str>([]).target(), "/?x");
    }
}
