//! A field of a form body: a pair after the others (`application/x-www-form-urlencoded`), or a part before the others
//! (`multipart/form-data`, RFC 7578).

use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use super::query::{encoded_pair, has_name};
use super::{Placed, concat, media_type, multipart, refuse_coded_body, wiped_bytes};
use crate::call::Body;
use crate::error::{Error, ErrorCode, Result};

/// Writes the field, and gives its text on the wire. No body and no content type makes a urlencoded form.
pub(super) fn apply(
    headers: &mut HeaderMap,
    body: &mut Body,
    name: &str,
    placed: &Placed<'_>,
) -> Result<Zeroizing<Vec<u8>>> {
    refuse_coded_body(headers)?;
    match (media_type(headers).as_deref(), &*body) {
        (Some("multipart/form-data"), _) => multipart::apply(headers, body, name, placed),
        (Some("application/x-www-form-urlencoded"), _) => urlencoded(body, name, placed),
        (None, Body::Empty) => {
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            headers.insert(header::CONTENT_TYPE, form);
            urlencoded(body, name, placed)
        }
        _ => {
            Err(Error::new(ErrorCode::InvalidCall, "a form field needs a form body, and the content type says another")
                .with_hint("give the body as form or files, or set its content type"))
        }
    }
}

fn urlencoded(body: &mut Body, name: &str, placed: &Placed<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let text: &[u8] = match body {
        Body::Bytes(bytes) => bytes,
        Body::Empty => b"",
        Body::Stream { .. } => {
            return Err(Error::new(
                ErrorCode::InvalidCall,
                "a form field cannot be written into a streamed urlencoded body",
            )
            .with_hint("give the form whole, or send it as multipart"));
        }
    };
    if has_name(text, name) {
        return Err(present_already(placed));
    }
    let pair = encoded_pair(name, placed);
    let separator: &[u8] = if matches!(text.last(), None | Some(b'&')) { b"" } else { b"&" };
    let edited = concat(&[text, separator, &pair]);
    *body = Body::Bytes(wiped_bytes(edited));
    Ok(pair)
}

pub(super) fn present_already(placed: &Placed<'_>) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("the form has the field of {} already", placed.secret))
        .with_hint("leave the field out of the form")
}
