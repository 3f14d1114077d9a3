//! A header of any name, with the value alone or inside its format.

use http::{HeaderMap, HeaderName};
use zeroize::Zeroizing;

use super::{Placed, check_header_text, set_header, surrounded};
use crate::error::{Error, ErrorCode, Result};

/// Sets the header, in the place of a plain one of its name, and gives its value.
pub(super) fn apply(headers: &mut HeaderMap, name: &HeaderName, placed: &Placed<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let (before, after) = placed.secret.surround();
    if before.bytes().chain(after.bytes()).any(|byte| byte.is_ascii_control() && byte != b'\t') {
        let message = format!("the format of {} has a control character, which a header cannot carry", placed.secret);
        return Err(Error::new(ErrorCode::InvalidCall, message));
    }
    let text = surrounded(placed);
    check_header_text(&text, placed.secret)?;
    set_header(headers, name, &text, placed.secret)?;
    Ok(text)
}
