//! A part of a `multipart/form-data` body. It goes before the others, so a streamed body needs no rewriting.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderMap, header};
use memchr::memmem;
use zeroize::Zeroizing;

use super::form_field::present_already;
use super::{Placed, concat, invalid_value, surrounded, wiped_bytes};
use crate::call::{Body, join, quoted};
use crate::error::{Error, ErrorCode, Result};

/// Writes the part, and gives it from its name to its end.
///
/// A name taken by another part is refused where the body is at hand; the parts of a stream are not known yet.
pub(super) fn apply(
    headers: &HeaderMap,
    body: &mut Body,
    name: &str,
    placed: &Placed<'_>,
) -> Result<Zeroizing<Vec<u8>>> {
    let delimiter = format!("--{}", boundary(headers)?);
    let value = surrounded(placed);
    if memmem::find(&value, delimiter.as_bytes()).is_some() {
        return Err(invalid_value(placed.secret, "has the boundary of the multipart body in it")
            .with_hint("send the form with another boundary"));
    }
    let form = concat(&[b"name=\"", quoted(name).as_bytes(), b"\"\r\n\r\n", &value, b"\r\n"]);
    let part = concat(&[delimiter.as_bytes(), b"\r\nContent-Disposition: form-data; ", &form]);
    *body = match std::mem::take(body) {
        Body::Empty => Body::Bytes(wiped_bytes(concat(&[&part, delimiter.as_bytes(), b"--\r\n"]))),
        Body::Bytes(bytes) => Body::Bytes(prepend(&part, &bytes, &delimiter, name, placed)?),
        stream @ Body::Stream { .. } => join(VecDeque::from([Body::Bytes(wiped_bytes(part)), stream])),
    };
    Ok(form)
}

fn prepend(part: &[u8], bytes: &[u8], delimiter: &str, name: &str, placed: &Placed<'_>) -> Result<Bytes> {
    if !bytes.starts_with(delimiter.as_bytes()) {
        // A preamble is legal, but would end up inside our part.
        return Err(Error::new(ErrorCode::InvalidCall, "the multipart body does not begin with its boundary")
            .with_hint("give the form as files, or make the boundary of body and content type the same"));
    }
    let disposition = format!("name=\"{}\"", quoted(name));
    let taken = memmem::find_iter(bytes, delimiter.as_bytes()).any(|at| part_has(&bytes[at..], &disposition));
    if taken {
        return Err(present_already(placed));
    }
    Ok(wiped_bytes(concat(&[part, bytes])))
}

/// Whether the head of the part that begins here has this name. `filename="…"` is no name.
fn part_has(part: &[u8], disposition: &str) -> bool {
    let head = memmem::find(part, b"\r\n\r\n").map_or(part, |end| &part[..end]);
    memmem::find_iter(head, disposition.as_bytes()).any(|at| matches!(head[..at].last(), Some(b' ' | b';' | b'\t')))
}

/// The boundary of the content type (RFC 2046, section 5.1.1).
fn boundary(headers: &HeaderMap) -> Result<String> {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let found = parameters(text).into_iter().find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    match found {
        Some((_, boundary)) if (1..=70).contains(&boundary.len()) && !boundary.ends_with(' ') => Ok(boundary),
        _ => Err(Error::new(ErrorCode::InvalidCall, "the content type of the multipart body has no usable boundary")
            .with_hint("give the form as files, which sets the boundary")),
    }
}

/// The parameters of a media type (RFC 9110, section 5.6.6), quotes taken off.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = vec![(String::new(), String::new())];
    let (mut in_value, mut quotes, mut escaped) = (false, false, false);
    for c in text.chars() {
        let last = found.last_mut().expect("the list begins with one and only grows");
        match c {
            _ if escaped => {
                last.1.push(c);
                escaped = false;
            }
            '\\' if quotes => escaped = true,
            '"' if in_value => quotes = !quotes,
            ';' if !quotes => {
                found.push((String::new(), String::new()));
                in_value = false;
            }
            '=' if !in_value => in_value = true,
            ' ' | '\t' if !quotes => {}
            _ if in_value => last.1.push(c),
            _ => last.0.push(c),
        }
    }
    found
}
