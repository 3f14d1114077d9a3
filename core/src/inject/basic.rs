//! `Authorization: Basic base64(user:password)` (RFC 7617, section 2). The value is the whole of it, or with a format as
//! in `user:{}` a part.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use zeroize::Zeroizing;

use super::{Placed, concat, invalid_value, set_header, surrounded};
use crate::error::Result;

/// Sets the header, and gives the encoded part of it.
pub(super) fn apply(headers: &mut HeaderMap, placed: &Placed<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let text = surrounded(placed);
    check(placed, &text)?;
    let mut encoded = Zeroizing::new(vec![0; text.len().div_ceil(3) * 4]);
    STANDARD.encode_slice(&text, &mut encoded).expect("the buffer has four bytes for every three");
    set_header(headers, &header::AUTHORIZATION, &concat(&[b"Basic ", &encoded]), placed.secret)?;
    Ok(encoded)
}

/// Control characters are forbidden in both parts (RFC 7617, section 2); a line feed there is most often a pasted one.
fn check(placed: &Placed<'_>, text: &[u8]) -> Result<()> {
    if !text.contains(&b':') {
        return Err(invalid_value(placed.secret, "has no colon, and basic needs user:password"));
    }
    match text.iter().find(|byte| byte.is_ascii_control()) {
        None => Ok(()),
        Some(b'\n') => Err(invalid_value(placed.secret, "has a line feed, which basic forbids")),
        Some(b'\r') => Err(invalid_value(placed.secret, "has a carriage return, which basic forbids")),
        Some(0) => Err(invalid_value(placed.secret, "has a NUL, which basic forbids")),
        Some(_) => Err(invalid_value(placed.secret, "has a control character, which basic forbids")),
    }
}
