//! A query parameter at the end of the query; what stands before it stays byte for byte, as signed URLs need.

use zeroize::Zeroizing;

use super::{Placed, concat, surrounded};
use crate::error::{Error, ErrorCode, Result};

/// Appends the parameter to the target, and gives it as `name=value`.
///
/// A name that the query has already is refused: servers differ on which of two they read.
pub(super) fn apply(
    target: &mut Zeroizing<Vec<u8>>,
    plain_query: Option<&str>,
    name: &str,
    placed: &Placed<'_>,
) -> Result<Zeroizing<Vec<u8>>> {
    if has_name(plain_query.unwrap_or_default().as_bytes(), name) {
        return Err(Error::new(
            ErrorCode::InvalidCall,
            format!("the URL has the query parameter of {} already", placed.secret),
        )
        .with_hint("leave the parameter out of the URL and the params"));
    }
    let pair = encoded_pair(name, placed);
    // The first question mark begins the query; another one is a part of it, at its end too.
    let separator: &[u8] = match memchr::memchr(b'?', target) {
        None => b"?",
        Some(begin) if begin + 1 == target.len() || target.ends_with(b"&") => b"",
        Some(_) => b"&",
    };
    *target = concat(&[target, separator, &pair]);
    Ok(pair)
}

/// Whether form-encoded text has a pair of this name.
pub(super) fn has_name(text: &[u8], name: &str) -> bool {
    url::form_urlencoded::parse(text).any(|(present, _)| present == name)
}

/// `name=value`, both percent-encoded.
pub(super) fn encoded_pair(name: &str, placed: &Placed<'_>) -> Zeroizing<Vec<u8>> {
    concat(&[&percent_encoded(name.as_bytes()), b"=", &percent_encoded(&surrounded(placed))])
}

/// Everything but the unreserved characters of RFC 3986, section 2.3, is encoded, a space as `%20`: a form decoder
/// and a URI decoder read that alike, while `+` is a plus sign to the second.
fn percent_encoded(text: &[u8]) -> Zeroizing<Vec<u8>> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let length = text.iter().map(|&byte| if plain(byte) { 1 } else { 3 }).sum();
    let mut encoded = Zeroizing::new(Vec::with_capacity(length));
    for &byte in text {
        match plain(byte) {
            true => encoded.push(byte),
            false => encoded.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
    encoded
}
