//! Stage 3: places values in a request. One auth style a file.
//!
//! Works on its own copy of the request and gives it out whole or not at all. Every buffer a value is written to is
//! made at its final size, so that no outgrown copy is left behind, and is wiped when the last handle goes.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use zeroize::Zeroizing;

use crate::call::{Auth, Body, Call, Handshake};
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::log_safe::{Origin, SafeUrl};
use crate::resolve::Resolved;
use crate::secret_ref::{SecretName, SecretRef};

mod basic;
mod bearer;
mod body_field;
mod form_field;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod header_field;
mod json;
mod multipart;
mod query;

/// A request without values: what the caller said, and the policy allowed.
pub(crate) struct Draft {
    pub(crate) method: Method,
    pub(crate) url: SafeUrl,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

/// A value and where it goes.
pub(crate) struct Placed<'a> {
    pub(crate) auth: &'a Auth,
    pub(crate) secret: &'a SecretRef,
    pub(crate) value: &'a [u8],
}

/// A request that carries values: for the wire only, so without `Debug`, `Clone` or a way to print it.
pub(crate) struct ArmedRequest {
    method: Method,
    origin: Origin,
    target: Bytes,
    headers: HeaderMap,
    body: Body,
    websocket: Option<Handshake>,
}

/// The text a value was written into, exactly as it stands on the wire: what redaction looks for where the value by
/// itself is too short to look for.
pub(crate) struct WireForm {
    pub(crate) name: SecretName,
    pub(crate) text: Zeroizing<Vec<u8>>,
}

/// Places the values of a permitted call in it.
///
/// # Errors
/// Those of [`inject`].
pub(crate) fn arm(call: Call, resolved: &Resolved) -> Result<(ArmedRequest, Vec<WireForm>)> {
    let Call { method, headers, body, injections, websocket, .. } = call;
    let placed: Vec<Placed<'_>> = injections
        .iter()
        .zip(resolved.values())
        .map(|(injection, (_, value))| {
            // EXPOSE: the value is written into the request that the policy permitted for it.
            Placed { auth: &injection.auth, secret: &injection.secret, value: value.expose() }
        })
        .collect();
    // The URL of the proof, not of the call: what was permitted is what is sent.
    let (armed, forms) = inject(Draft { method, url: resolved.url().clone(), headers, body }, &placed)?;
    Ok((ArmedRequest { websocket, ..armed }, forms))
}

/// The text of `Proxy-Authorization` for a proxy that takes Basic (RFC 9110, section 11.7.1). The value is
/// `user:password`.
///
/// # Errors
/// `invalid_value` where it is not.
pub(crate) fn proxy_authorization(secret: &SecretRef, value: &[u8]) -> Result<HeaderValue> {
    let mut headers = HeaderMap::new();
    basic::apply(&mut headers, &Placed { auth: &Auth::Basic, secret, value })?;
    headers.remove(header::AUTHORIZATION).ok_or_else(|| Error::new(ErrorCode::Internal, "the login was not written"))
}

/// `http::uri` indexes a request target with 16 bits and takes no longer one.
const MAX_TARGET: usize = u16::MAX as usize - 1;

/// Places every value, in order.
///
/// # Errors
/// `invalid_value` where a value cannot stand in its place, `invalid_call` where the request has no such place.
pub(crate) fn inject(draft: Draft, placed: &[Placed<'_>]) -> Result<(ArmedRequest, Vec<WireForm>)> {
    place(draft, placed).map_err(|error| error.at(Stage::Inject))
}

fn place(draft: Draft, placed: &[Placed<'_>]) -> Result<(ArmedRequest, Vec<WireForm>)> {
    let Draft { method, url, mut headers, mut body } = draft;
    let mut target = Zeroizing::new(url.target().into_bytes());
    let mut forms = Vec::with_capacity(placed.len());
    // An array grows by `-` last, so that the indices said beside it mean the elements the caller sees.
    let (last, first): (Vec<_>, Vec<_>) = placed.iter().partition(|placed| appends(placed.auth));
    for placed in first.into_iter().chain(last) {
        let text = match placed.auth {
            Auth::Bearer => bearer::apply(&mut headers, placed)?,
            Auth::Basic => basic::apply(&mut headers, placed)?,
            Auth::Header(name) => header_field::apply(&mut headers, name, placed)?,
            Auth::Query(name) => query::apply(&mut target, url.query(), name, placed)?,
            Auth::BodyField(path) => body_field::apply(&mut headers, &mut body, path, placed)?,
            Auth::FormField(name) => form_field::apply(&mut headers, &mut body, name, placed)?,
        };
        forms.push(WireForm { name: placed.secret.name().clone(), text });
    }
    if target.len() > MAX_TARGET {
        return Err(too_long(placed));
    }
    let origin = url.origin().clone();
    let armed = ArmedRequest { method, origin, target: wiped_bytes(target), headers, body, websocket: None };
    Ok((armed, forms))
}

fn appends(auth: &Auth) -> bool {
    matches!(auth, Auth::BodyField(path) if path.segments().iter().any(|segment| segment == "-"))
}

fn too_long(placed: &[Placed<'_>]) -> Error {
    let limit = format!("path and query are at most {MAX_TARGET} bytes together");
    match placed.iter().find(|placed| matches!(placed.auth, Auth::Query(_))) {
        Some(placed) => invalid_value(placed.secret, &format!("is too long for the query: {limit}"))
            .with_hint("send it in a header or in the body"),
        None => Error::new(ErrorCode::InvalidCall, limit),
    }
}

impl ArmedRequest {
    /// Where it goes.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The WebSocket it asks for.
    pub(crate) fn websocket(&mut self) -> Option<Handshake> {
        self.websocket.take()
    }

    /// Method, origin, target, headers and body, for the sender.
    pub(crate) fn into_parts(self) -> (Method, Origin, Bytes, HeaderMap, Body) {
        (self.method, self.origin, self.target, self.headers, self.body)
    }
}

/// What the tests look at.
#[cfg(test)]
impl ArmedRequest {
    /// Path and query (RFC 9112, section 3.2.1).
    pub(crate) fn target(&self) -> &Bytes {
        &self.target
    }

    /// The headers; those that carry a value are marked sensitive.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }
}

/// The pieces in one buffer of exactly their size.
fn concat(pieces: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(Vec::with_capacity(pieces.iter().map(|piece| piece.len()).sum()));
    for piece in pieces {
        text.extend_from_slice(piece);
    }
    text
}

/// Bytes that are wiped when their last handle goes.
fn wiped_bytes(text: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(text)
}

/// The value with its format around it.
fn surrounded(placed: &Placed<'_>) -> Zeroizing<Vec<u8>> {
    let (before, after) = placed.secret.surround();
    concat(&[before.as_bytes(), placed.value, after.as_bytes()])
}

/// Sets a header that carries a value, in the place of whatever had its name.
fn set_header(headers: &mut HeaderMap, name: &HeaderName, text: &[u8], secret: &SecretRef) -> Result<()> {
    let mut value = HeaderValue::from_maybe_shared(wiped_bytes(concat(&[text])))
        .map_err(|_| invalid_value(secret, "has a character that a header cannot carry"))?;
    value.set_sensitive(true);
    match headers.try_insert(name.clone(), value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::new(ErrorCode::InvalidCall, "the request has too many headers")),
    }
}

/// Refuses what a header would cut, fold or strip (RFC 9110, section 5.5). Bytes over 0x7f pass, as `obs-text`.
fn check_header_text(text: &[u8], secret: &SecretRef) -> Result<()> {
    let why = match text.iter().find(|byte| byte.is_ascii_control() && **byte != b'\t') {
        Some(b'\n') => "has a line feed, which a header cannot carry",
        Some(b'\r') => "has a carriage return, which a header cannot carry",
        Some(0) => "has a NUL, which a header cannot carry",
        Some(_) => "has a control character, which a header cannot carry",
        None if text.is_empty() => "is empty",
        None if is_blank(text.first()) || is_blank(text.last()) => {
            "begins or ends with a space, which a header does not keep"
        }
        None => return Ok(()),
    };
    Err(invalid_value(secret, why))
}

fn is_blank(byte: Option<&u8>) -> bool {
    matches!(byte, Some(b' ' | b'\t'))
}

/// A bearer token is a text of a fixed shape.
fn refuse_format(secret: &SecretRef) -> Result<()> {
    match secret.pattern() {
        None => Ok(()),
        Some(_) => Err(Error::new(ErrorCode::InvalidCall, format!("{secret} has a format, and bearer takes none"))
            .with_hint("set the Authorization header with the header style instead")),
    }
}

/// An error about a value, which says its name and never repeats any of it.
fn invalid_value(secret: &SecretRef, why: &str) -> Error {
    Error::new(ErrorCode::InvalidValue, format!("the value of {secret} {why}"))
        .with_hint(format!("agentsecrets secrets set {}", secret.name()))
}

/// A body under a content coding is no text that a field can be written into.
fn refuse_coded_body(headers: &HeaderMap) -> Result<()> {
    let coded = headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| coding.as_bytes() != b"identity");
    match coded {
        true => Err(Error::new(ErrorCode::InvalidCall, "a field cannot be written into a compressed body")
            .with_hint("send the body without content-encoding")),
        false => Ok(()),
    }
}

/// The media type without parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
