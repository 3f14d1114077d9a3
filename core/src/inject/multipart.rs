//! A part of a `multipart/form-data` body. It goes before the others, so a streamed body needs no rewriting.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, header};
use memchr::memmem;
use zeroize::Zeroizing;

use super::form_field::present_already;
use super::{Placed, concat, invalid_value, surrounded, wiped_bytes};
use crate::call::{Body, ByteStream, join, quoted};
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
        Body::Stream { chunks, length } => {
            let mut rest = Body::stream(Beginning { chunks, expected: delimiter.into_bytes(), seen: 0, over: false });
            if let Body::Stream { length: known, .. } = &mut rest {
                *known = length;
            }
            join(VecDeque::from([Body::Bytes(wiped_bytes(part)), rest]))
        }
    };
    Ok(form)
}

fn prepend(part: &[u8], bytes: &[u8], delimiter: &str, name: &str, placed: &Placed<'_>) -> Result<Bytes> {
    if !bytes.starts_with(delimiter.as_bytes()) {
        return Err(no_beginning());
    }
    let taken = memmem::find_iter(bytes, delimiter.as_bytes())
        .any(|at| name_of(&bytes[at..]).is_some_and(|taken| taken == name || taken == quoted(name)));
    if taken {
        return Err(present_already(placed));
    }
    Ok(wiped_bytes(concat(&[part, bytes])))
}

/// A preamble is legal (RFC 2046, section 5.1.1), but would end up inside the part before it.
const NO_BEGINNING: &str = "the multipart body does not begin with its boundary";

fn no_beginning() -> Error {
    Error::new(ErrorCode::InvalidCall, NO_BEGINNING)
        .with_hint("give the form as files, or make the boundary of body and content type the same")
}

/// A stream that breaks off unless it begins as expected.
struct Beginning {
    chunks: ByteStream,
    expected: Vec<u8>,
    seen: usize,
    over: bool,
}

impl Stream for Beginning {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = ready!(Pin::new(&mut self.chunks).poll_next(cx));
        let rest = &self.expected[self.seen..];
        let fits = match &next {
            Some(Ok(chunk)) => rest.iter().zip(chunk).all(|(expected, byte)| expected == byte),
            Some(Err(_)) => true,
            None => rest.is_empty(),
        };
        let left = rest.len();
        self.over = !fits || next.is_none();
        if !fits {
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, NO_BEGINNING))));
        }
        if let Some(Ok(chunk)) = &next {
            self.seen += chunk.len().min(left);
        }
        Poll::Ready(next)
    }
}

/// The field name of the part that begins here (RFC 7578, section 4.2).
fn name_of(part: &[u8]) -> Option<String> {
    let head = memmem::find(part, b"\r\n\r\n").map_or(part, |end| &part[..end]);
    let head = String::from_utf8_lossy(head);
    let is_disposition = |name: &str| name.trim().eq_ignore_ascii_case("content-disposition");
    let mut fields = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, disposition) = fields.find(|(name, _)| is_disposition(name))?;
    parameters(disposition).into_iter().find(|(name, _)| name.eq_ignore_ascii_case("name")).map(|(_, value)| value)
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
