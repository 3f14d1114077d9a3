//! The host part of a rule: one host, or every name below a domain.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use url::Host;

use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::SafeUrl;
use crate::send::address::{self, AddressScope};

/// One host, or all names below a domain (never the domain itself).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum HostPattern {
    /// Exactly this host, as [`Origin`](crate::log_safe::Origin) spells it.
    Exact(Host<Arc<str>>),
    /// One label or more before this domain.
    Below(Arc<str>),
}

impl HostPattern {
    /// Parses `api.example.com`, `*.example.com`, `127.0.0.1`, `[::1]`.
    pub(super) fn read(text: &str) -> Result<Self> {
        let (wild, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.contains('*') {
            return Err(wrong("a rule's host may begin with *. and has no other *")
                .with_hint("write *.example.com, or name the host"));
        }
        match (wild, canonical(rest)?) {
            (false, host) => Ok(Self::Exact(host)),
            (true, Host::Domain(name)) => Ok(Self::Below(name)),
            (true, _) => Err(wrong("there is nothing below an address").with_hint("name the address without *.")),
        }
    }

    /// Refuses what no grant may name: all customers of a public suffix, and addresses that are never reached.
    pub(super) fn check_grantable(&self) -> Result<()> {
        match self {
            // The probe label also finds suffixes that the list writes with a wildcard (`*.ck`).
            Self::Below(base) if suffix_length(&format!("x.{base}")) >= base.len() => Err(wrong(format!(
                "*.{base} would reach names of strangers: {base} is a public suffix, below which anyone may register"
            ))
            .with_hint("name the host, or put your own domain after the *.")),
            Self::Exact(host) => match address_of(host) {
                Some(ip) if !AddressScope::Exactly(ip).permits(ip) => {
                    Err(wrong(format!("{ip} is {}, which no rule opens", address::class(ip))))
                }
                _ => Ok(()),
            },
            Self::Below(_) => Ok(()),
        }
    }

    /// Whether a grant of this pattern reaches `host`.
    ///
    /// A wildcard never crosses a public suffix: `*.amazonaws.com` does not reach the buckets below
    /// `s3.amazonaws.com`, which belong to strangers.
    pub(super) fn covers(&self, host: &Host<Arc<str>>) -> bool {
        match (self, host) {
            (Self::Below(base), Host::Domain(name)) => is_below(name, base) && suffix_length(name) < base.len(),
            _ => self.touches(host),
        }
    }

    /// Whether a deny of this pattern reaches `host`.
    pub(super) fn touches(&self, host: &Host<Arc<str>>) -> bool {
        match (self, host) {
            (Self::Exact(own), host) => own == host,
            (Self::Below(base), Host::Domain(name)) => is_below(name, base),
            (Self::Below(_), _) => false,
        }
    }

    /// The addresses a grant of this pattern may lead to.
    pub(super) fn scope(&self, private: bool) -> AddressScope {
        match self {
            Self::Exact(Host::Domain(name)) if &**name == "localhost" => AddressScope::Loopback,
            Self::Exact(host) => match address_of(host) {
                Some(ip) => AddressScope::Exactly(ip),
                None => AddressScope::of_name(private),
            },
            Self::Below(_) => AddressScope::of_name(private),
        }
    }
}

/// The host as the URL parser spells it, so that a rule and a URL can only differ where they mean different hosts.
fn canonical(text: &str) -> Result<Host<Arc<str>>> {
    if text.contains('%') {
        return Err(wrong("a rule's host is written without percent-encoding"));
    }
    let url = SafeUrl::parse(&format!("https://{text}/"))
        .map_err(|_| wrong("the rule's host is malformed").with_hint("write api.example.com, 127.0.0.1 or [::1]"))?;
    if let Host::Domain(name) = url.origin().host() {
        let legal = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        };
        // RFC 1035, section 2.3.4: labels of 63 octets, names of 255 on the wire, which is 253 as text.
        if name.len() > 253 || !name.split('.').all(legal) {
            return Err(wrong("the rule's host has an empty or overlong label, or a character no host name has"));
        }
    }
    Ok(url.origin().host().clone())
}

fn address_of(host: &Host<Arc<str>>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
    }
}

fn is_below(name: &str, base: &str) -> bool {
    let labels = name.strip_suffix(base).and_then(|before| before.strip_suffix('.'));
    labels.is_some_and(|labels| labels.split('.').all(|label| !label.is_empty()))
}

/// The length of a name's public suffix, private section included; a name without one counts as a suffix whole.
fn suffix_length(name: &str) -> usize {
    psl::suffix(name.as_bytes()).map_or(name.len(), |suffix| suffix.as_bytes().len())
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidCall, message)
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => fmt::Display::fmt(host, f),
            Self::Below(base) => write!(f, "*.{base}"),
        }
    }
}
