//! `Authorization: Bearer VALUE` (RFC 6750, section 2.1).

use http::{HeaderMap, header};
use zeroize::Zeroizing;

use super::{Placed, check_header_text, concat, refuse_format, set_header};
use crate::error::Result;

/// Sets the header, and gives its value.
pub(super) fn apply(headers: &mut HeaderMap, placed: &Placed<'_>) -> Result<Zeroizing<Vec<u8>>> {
    refuse_format(placed.secret)?;
    check_header_text(placed.value, placed.secret)?;
    let text = concat(&[b"Bearer ", placed.value]);
    set_header(headers, &header::AUTHORIZATION, &text, placed.secret)?;
    Ok(text)
}
