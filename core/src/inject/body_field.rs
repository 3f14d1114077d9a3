//! A field of a JSON body. The text is edited, never parsed and written anew: all but the field stays byte for byte.

use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use super::{Placed, concat, invalid_value, json, media_type, refuse_coded_body, surrounded, wiped_bytes};
use crate::call::{Body, FieldPath};
use crate::error::{Error, ErrorCode, Result};

/// Writes the field, and gives its value as a JSON string with its quotes. No body is taken for `{}`.
pub(super) fn apply(
    headers: &mut HeaderMap,
    body: &mut Body,
    path: &FieldPath,
    placed: &Placed<'_>,
) -> Result<Zeroizing<Vec<u8>>> {
    refuse_coded_body(headers)?;
    refuse_form(headers)?;
    let value = surrounded(placed);
    let value = std::str::from_utf8(&value)
        .map_err(|_| invalid_value(placed.secret, "is not UTF-8, which a JSON body needs"))?;
    let literal = json::string_literal(value);
    let text: &[u8] = match body {
        Body::Bytes(bytes) if !bytes.is_empty() => bytes,
        Body::Empty | Body::Bytes(_) => b"{}",
        Body::Stream { .. } => {
            return Err(Error::new(ErrorCode::InvalidCall, "a body field cannot be written into a streamed body")
                .with_hint("give the body whole, as bytes, a text or an object"));
        }
    };
    let edit = json::locate(text, path)?;
    let after = &text[edit.place.end..];
    let edited = concat(&[&text[..edit.place.start], edit.before.as_bytes(), &literal, edit.after.as_bytes(), after]);
    *body = Body::Bytes(wiped_bytes(edited));
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    Ok(literal)
}

fn refuse_form(headers: &HeaderMap) -> Result<()> {
    match media_type(headers).as_deref() {
        Some("application/x-www-form-urlencoded" | "multipart/form-data") => {
            Err(Error::new(ErrorCode::InvalidCall, "a body field needs a JSON body, and the content type says a form")
                .with_hint("use the form_field style"))
        }
        _ => Ok(()),
    }
}
