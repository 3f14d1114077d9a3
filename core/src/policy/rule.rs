//! A destination: scheme, host or hosts, port, and perhaps a path.

use std::fmt;

use super::host::HostPattern;
use super::path::PathPattern;
use super::text::serde_by_text;
use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::{Origin, SafeUrl};
use crate::send::address::AddressScope;

/// A destination as a user types it: `api.stripe.com` is `https://api.stripe.com:443`, cleartext is spelled `http://`.
///
/// Equality is that of the destinations, whatever their spelling. `Display` gives the canonical one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rule {
    https: bool,
    host: HostPattern,
    port: u16,
    path: Option<PathPattern>,
}

impl Rule {
    /// Parses the rule of a grant.
    ///
    /// # Errors
    /// `invalid_call` where it is malformed, reaches below a public suffix, or names an address no rule opens.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let rule = Self::read(text)?;
        rule.host.check_grantable()?;
        Ok(rule)
    }

    /// Parses the rule of a deny or of a signed document, however wide. A signed wildcard that has come to lie below
    /// a public suffix since does not make the document unreadable: it reaches nothing any more.
    ///
    /// # Errors
    /// `invalid_call` where it is malformed.
    pub(crate) fn read(text: &str) -> Result<Self> {
        // What was typed may be a value pasted where a rule belongs, so no message repeats it.
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("a rule is empty, or has a space or control character"));
        }
        if text.contains(['?', '#', '\\']) {
            return Err(wrong("a rule has no query, fragment or backslash").with_hint("write https://host/v1/*"));
        }
        let (https, rest) = split_scheme(text)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(wrong("a rule has no user name or password"));
        }
        let (host, port) = split_port(authority)?;
        let path = if path.is_empty() { None } else { Some(PathPattern::parse(path)?) };
        Ok(Self { https, host: HostPattern::read(host)?, port: port.unwrap_or(if https { 443 } else { 80 }), path })
    }

    /// The same destination narrowed to a path.
    ///
    /// # Errors
    /// `invalid_call` where the path is malformed, or the rule carries one already.
    pub(crate) fn with_path(&self, path: &str) -> Result<Self> {
        if self.path.is_some() {
            return Err(
                wrong("the rule carries a path already").with_hint("write the path once, in the rule or as --path")
            );
        }
        Ok(Self { path: Some(PathPattern::parse(path)?), ..self.clone() })
    }

    /// The rule that names exactly this origin.
    pub(crate) fn of(origin: &Origin) -> Self {
        let host = HostPattern::Exact(origin.host().clone());
        Self { https: origin.is_https(), host, port: origin.port(), path: None }
    }

    /// The rule that names exactly this URL's path, or `None` where a pattern cannot say just that.
    pub(crate) fn of_path(url: &SafeUrl) -> Option<Self> {
        if url.path().contains('*') { None } else { Self::of(url.origin()).with_path(url.path()).ok() }
    }

    /// Whether an owner may grant the rule.
    pub(crate) fn is_grantable(&self) -> bool {
        self.host.check_grantable().is_ok()
    }

    /// The path, where the rule has one.
    pub(crate) fn path(&self) -> Option<&PathPattern> {
        self.path.as_ref()
    }

    /// Whether the rule speaks TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// Whether a grant of this rule reaches the origin; the path is asked apart.
    pub(crate) fn covers_origin(&self, origin: &Origin) -> bool {
        self.same_door(origin) && self.host.covers(origin.host())
    }

    /// Whether a grant of this rule reaches the URL.
    pub(crate) fn covers(&self, url: &SafeUrl) -> bool {
        self.covers_origin(url.origin()) && self.path.as_ref().is_none_or(|path| path.covers(url.path()))
    }

    /// Whether a deny of this rule reaches the URL, read as widely as a server might.
    pub(crate) fn touches(&self, url: &SafeUrl) -> bool {
        let origin = url.origin();
        self.same_door(origin)
            && self.host.touches(origin.host())
            && self.path.as_ref().is_none_or(|path| path.touches(url.path()))
    }

    /// The addresses a grant of this rule may lead to.
    pub(crate) fn scope(&self, private: bool) -> AddressScope {
        self.host.scope(private)
    }

    /// The spelling a user would choose: `api.stripe.com`, `http://localhost:9000`, `https://host/v1/*`.
    pub(crate) fn short(&self) -> String {
        let whole = self.to_string();
        match whole.strip_prefix("https://") {
            Some(rest) if self.path.is_none() => rest.to_owned(),
            _ => whole,
        }
    }

    fn same_door(&self, origin: &Origin) -> bool {
        self.https == origin.is_https() && self.port == origin.port()
    }
}

fn split_scheme(text: &str) -> Result<(bool, &str)> {
    match text.split_once("://") {
        None => Ok((true, text)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => Ok((true, rest)),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => Ok((false, rest)),
        Some(_) => {
            Err(wrong("a rule's scheme is https or http").with_hint("write api.example.com or http://localhost:9000"))
        }
    }
}

/// The host, and the port where one is written.
fn split_port(authority: &str) -> Result<(&str, Option<u16>)> {
    let (host, port) = match authority.rfind(':') {
        // A colon inside the brackets of an IPv6 address is none before a port.
        Some(at) if !authority.ends_with(']') => (&authority[..at], Some(&authority[at + 1..])),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err(wrong("a rule has no host").with_hint("write api.example.com"));
    }
    let Some(port) = port else { return Ok((host, None)) };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number @ 1..) if digits => Ok((host, Some(number))),
        _ => Err(wrong("a rule's port is a number from 1 to 65535")
            .with_hint("an IPv6 address stands in brackets, as in https://[::1]:8443")),
    }
}

fn wrong(message: &'static str) -> Error {
    Error::new(ErrorCode::InvalidCall, message)
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.host)?;
        if self.port != if self.https { 443 } else { 80 } {
            write!(f, ":{}", self.port)?;
        }
        self.path.as_ref().map_or(Ok(()), |path| fmt::Display::fmt(path, f))
    }
}

serde_by_text!(Rule, Rule::read);
