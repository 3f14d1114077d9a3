//! Placeholders: texts that stand for a secret where a library wants a string, found in what the library then says.
//!
//! `AS_SECRET_NAME` is the plain form; the name is the longest run of `[A-Z0-9_]`. `sk-AS_SECRET_3_NAME` is the form for
//! libraries that look at a key's beginning: the number says how many bytes before it go with it. No name begins with
//! a digit, so the two cannot be taken for one another. A placeholder is a name: what it opens, the policy decides.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderName, header};

use super::{Auth, Call};
use crate::error::{Error, ErrorCode, Result};
use crate::secret_ref::{MAX_LIKE, PLACEHOLDER_PREFIX, SecretName, SecretRef};

/// Basic credentials as clients write them, padded or not (RFC 4648, section 4).
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A placeholder in a text: the bytes from `start` to `end` stand for the secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) name: SecretName,
}

/// The first placeholder of a text.
pub(crate) fn find(text: &[u8]) -> Option<Found> {
    let prefix = PLACEHOLDER_PREFIX.as_bytes();
    let mut from = 0;
    while let Some(at) = memchr::memmem::find(&text[from..], prefix).map(|at| from + at) {
        let run = at + prefix.len();
        let end = text[run..].iter().position(|byte| !is_name_byte(*byte)).map_or(text.len(), |length| run + length);
        if let Some((before, name)) = read(&text[run..end]).filter(|(before, _)| fits(text, at, *before)) {
            return Some(Found { start: at - before, end, name });
        }
        from = run;
    }
    None
}

/// Whether a text has a placeholder at all: what decides if a body is parsed.
pub(crate) fn is_in(text: &[u8]) -> bool {
    find(text).is_some()
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

/// The run after `AS_SECRET_`: how many bytes before it go with it, and the name.
fn read(run: &[u8]) -> Option<(usize, SecretName)> {
    let run = std::str::from_utf8(run).ok()?;
    let digits = run.bytes().take_while(u8::is_ascii_digit).count();
    let (before, name) = if digits == 0 {
        (0, run)
    } else {
        let before = run[..digits].parse().ok().filter(|length| (1..=MAX_LIKE).contains(length))?;
        (before, run[digits..].strip_prefix('_')?)
    };
    Some((before, SecretName::parse(name).ok()?))
}

/// Whether what stands before a placeholder at `at` is what it says: so many bytes of a key, or no part of a word.
fn fits(text: &[u8], at: usize, before: usize) -> bool {
    if before == 0 {
        return at == 0 || !is_name_byte(text[at - 1]);
    }
    at >= before && text[at - before..at].iter().all(u8::is_ascii_graphic)
}

impl Call {
    /// Makes injections of the placeholders in headers and query, each once and in its own place.
    ///
    /// # Errors
    /// `invalid_call` where one place has two, or is another injection's already.
    pub(crate) fn take_placeholders(&mut self) -> Result<()> {
        let taken: Vec<HeaderName> = self
            .headers
            .keys()
            .filter(|name| self.headers.get_all(*name).iter().any(|value| names_one(name, value.as_bytes())))
            .cloned()
            .collect();
        for name in taken {
            let (auth, secret) = from_header(&self.headers, &name)?;
            self.headers.remove(&name);
            self.inject_found(auth, secret)?;
        }
        while let Some((name, secret)) = self.url.take_param(from_param)? {
            self.inject_found(Auth::Query(name), secret)?;
        }
        Ok(())
    }

    /// An injection that was said besides a placeholder for it is said once.
    pub(crate) fn inject_found(&mut self, auth: Auth, secret: SecretRef) -> Result<()> {
        if self.injections.iter().any(|said| said.auth == auth && said.secret.name() == secret.name()) {
            return Ok(());
        }
        self.inject(auth, secret)
    }
}

fn names_one(name: &HeaderName, value: &[u8]) -> bool {
    is_in(value) || (name == header::AUTHORIZATION && basic(value).is_some_and(|text| is_in(&text)))
}

fn from_header(headers: &HeaderMap, name: &HeaderName) -> Result<(Auth, SecretRef)> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(twice(&format!("the header {name}")));
    };
    let value = value.as_bytes();
    if name == header::AUTHORIZATION {
        if let Some(text) = basic(value) {
            let secret = around(&text, "the header authorization")?;
            return Ok((Auth::Basic, secret));
        }
        let (scheme, rest) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(0));
        let secret = around(rest.trim_ascii_start(), "the header authorization")?;
        if scheme.eq_ignore_ascii_case(b"bearer") && secret.pattern().is_none() {
            return Ok((Auth::Bearer, secret));
        }
    }
    Ok((Auth::Header(name.clone()), around(value, &format!("the header {name}"))?))
}

/// The credentials of a Basic header (RFC 7617, section 2).
fn basic(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at(value.iter().position(|byte| *byte == b' ')?);
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    BASIC.decode(rest.trim_ascii()).ok()
}

/// The name of a parameter whose value has a placeholder, and the secret it stands for.
fn from_param(name: &str, value: &[u8]) -> Result<Option<(String, SecretRef)>> {
    if !is_in(value) {
        return Ok(None);
    }
    Ok(Some((name.to_owned(), around(value, "a query parameter")?)))
}

/// The secret a text has the placeholder of, with the rest of the text around it.
///
/// # Errors
/// `invalid_call` where there is a second one, or the rest is not UTF-8.
pub(crate) fn around(text: &[u8], place: &str) -> Result<SecretRef> {
    let Some(found) = find(text) else {
        return Err(Error::new(ErrorCode::Internal, "a placeholder was gone"));
    };
    let (before, after) = (&text[..found.start], &text[found.end..]);
    if is_in(after) {
        return Err(twice(place));
    }
    let secret = SecretRef::from(found.name);
    if before.is_empty() && after.is_empty() {
        return Ok(secret);
    }
    match (std::str::from_utf8(before), std::str::from_utf8(after)) {
        (Ok(before), Ok(after)) => Ok(secret.surrounded(before, after)),
        _ => {
            Err(Error::new(ErrorCode::InvalidCall, format!("the text around the placeholder in {place} is not UTF-8")))
        }
    }
}

fn twice(place: &str) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("{place} has more than one placeholder"))
        .with_hint("store the two values as one secret, or send them in two places")
}

#[cfg(test)]
#[path = "placeholder/tests.rs"]
mod tests;
