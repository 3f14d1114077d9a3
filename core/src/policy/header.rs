//! Headers of the caller that could bend a request that carries a value.
//!
//! Not covered: a method override inside the body (`_method=DELETE` in a form). A server that obeys it makes `--method`
//! a weaker promise; a rule's path is the stronger one.

use http::{HeaderMap, HeaderName};

use crate::call::Auth;
use crate::error::{Error, ErrorCode, Result};

/// Refused beside a value unless the grant names them: they cut the answer in pieces that no scanner joins (`Range`),
/// leave HTTP (`Upgrade`), or have the upstream do something else than the rule was asked about.
const BENDING: [&str; 10] = [
    "if-range",
    "range",
    "request-range",
    "upgrade",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-rewrite-url",
];

/// Parameters of a query that stand for the method with some frameworks.
const METHOD_PARAMETERS: [&str; 3] = ["_method", "x-http-method-override", "_httpmethod"];

/// The caller's headers that only a grant may let through.
pub(super) fn bending(headers: &HeaderMap) -> impl Iterator<Item = &HeaderName> {
    headers.keys().filter(|name| BENDING.iter().any(|bending| same(name.as_str(), bending)))
}

/// Refuses a caller's header in the place of an injected one.
///
/// # Errors
/// `header_not_allowed` for `Authorization`, which no grant mends; `invalid_call` for any other.
pub(super) fn check_place(headers: &HeaderMap, auth: &Auth) -> Result<()> {
    let taken = match auth {
        Auth::Bearer | Auth::Basic => &http::header::AUTHORIZATION,
        Auth::Header(name) => name,
        _ => return Ok(()),
    };
    if !headers.keys().any(|name| same(name.as_str(), taken.as_str())) {
        return Ok(());
    }
    if *taken == http::header::AUTHORIZATION {
        return Err(Error::new(
            ErrorCode::HeaderNotAllowed,
            "the call sets Authorization itself, and names a secret for it",
        )
        .with_hint("leave the Authorization header out; the secret's value takes its place"));
    }
    Err(Error::new(
        ErrorCode::InvalidCall,
        format!("the call sets the header {taken} itself, and names a secret for it"),
    ))
}

/// Whether a grant's header is the caller's.
pub(super) fn same_header(own: &HeaderName, name: &HeaderName) -> bool {
    same(own.as_str(), name.as_str())
}

/// The method that the query asks for in place of the request's own (last one wins nowhere reliably: any counts).
pub(super) fn methods_in_query(query: Option<&str>) -> impl Iterator<Item = String> {
    let query = query.unwrap_or_default().as_bytes();
    url::form_urlencoded::parse(query).filter_map(|(name, value)| {
        METHOD_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known)).then(|| value.into_owned())
    })
}

/// Gateways that speak CGI see `_` and `-` as one (RFC 3875, section 4.1.18).
fn same(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.len() == other.len() && one.bytes().map(plain).eq(other.bytes().map(plain))
}
