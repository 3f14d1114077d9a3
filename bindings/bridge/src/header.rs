//! Headers as host texts.

use http::HeaderMap;

/// Names in lower case and values as text, in the order they came. A value that is not UTF-8 is read as ISO-8859-1
/// (RFC 9110, section 5.5, tells recipients to treat such bytes as opaque; every byte has a character there).
#[must_use]
pub fn header_pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    };
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect()
}
