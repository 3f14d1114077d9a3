//! The disguises in which a host may hand a credential back.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use crate::coding::{self, Coding};

/// Applies `a,b,c` in that order; `None` where one of them is unknown.
pub(crate) fn apply(names: &str, value: &[u8]) -> Option<Vec<u8>> {
    names.split(',').filter(|name| !name.is_empty()).try_fold(value.to_vec(), |value, name| one(name, &value))
}

fn one(name: &str, value: &[u8]) -> Option<Vec<u8>> {
    let text = match name {
        "raw" => return Some(value.to_vec()),
        "gzip" | "deflate" | "br" | "zstd" => return Some(coding::encode(Coding::parse(name)?, value)),
        "reversed" => return Some(value.iter().rev().copied().collect()),
        "base64" => STANDARD.encode(value),
        "base64-nopad" => STANDARD_NO_PAD.encode(value),
        "base64url" => URL_SAFE.encode(value),
        "base64url-nopad" => URL_SAFE_NO_PAD.encode(value),
        "base64-wrapped" => wrapped(&STANDARD.encode(value), 76, "\r\n"),
        "base64-wrapped-64" => wrapped(&STANDARD.encode(value), 64, "\n"),
        "base64-after-1" => STANDARD.encode([b"x", value].concat()),
        "base64-after-2" => STANDARD.encode([b"xy", value].concat()),
        "hex" => hex::encode(value),
        "hex-upper" => hex::encode_upper(value),
        "percent" => each(value, |text, byte| write!(text, "%{byte:02X}")),
        "percent-lower" => each(value, |text, byte| write!(text, "%{byte:02x}")),
        "percent-minimal" => percent_encoding::percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string(),
        "json" => each_char(value, |text, unit| write!(text, "\\u{unit:04x}")),
        "json-minimal" => {
            let quoted = serde_json::to_string(&String::from_utf8_lossy(value)).ok()?;
            quoted[1..quoted.len() - 1].to_owned()
        }
        "html" => each(value, |text, byte| write!(text, "&#x{byte:x};")),
        "html-decimal" => each(value, |text, byte| write!(text, "&#{byte};")),
        "html-minimal" => html_minimal(value),
        "mixed" => mixed(value),
        _ => return None,
    };
    Some(text.into_bytes())
}

fn wrapped(text: &str, width: usize, end: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
    lines.join(end)
}

fn each(value: &[u8], put: impl Fn(&mut String, u8) -> std::fmt::Result) -> String {
    value.iter().fold(String::new(), |mut text, byte| {
        let _ = put(&mut text, *byte);
        text
    })
}

fn each_char(value: &[u8], put: impl Fn(&mut String, u16) -> std::fmt::Result) -> String {
    String::from_utf8_lossy(value).encode_utf16().fold(String::new(), |mut text, unit| {
        let _ = put(&mut text, unit);
        text
    })
}

fn html_minimal(value: &[u8]) -> String {
    String::from_utf8_lossy(value)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Percent, JSON and HTML escapes and plain characters in turn.
fn mixed(value: &[u8]) -> String {
    value.iter().enumerate().fold(String::new(), |mut text, (at, byte)| {
        let _ = match at % 4 {
            0 => write!(text, "%{byte:02X}"),
            1 => write!(text, "\\u{:04x}", u16::from(*byte)),
            2 => write!(text, "&#{byte};"),
            _ => write!(text, "{}", char::from(*byte)),
        };
        text
    })
}

#[cfg(test)]
mod tests {
    use super::apply;

    #[test]
    fn forms_are_what_their_names_say() {
        let form = |names: &str| String::from_utf8(apply(names, b"a/b\"c").expect("a known form")).expect("text");
        assert_eq!(form("base64"), "YS9iImM=");
        assert_eq!(form("base64url-nopad"), "YS9iImM");
        assert_eq!(form("hex"), "612f622263");
        assert_eq!(form("percent"), "%61%2F%62%22%63");
        assert_eq!(form("percent-minimal"), "a%2Fb%22c");
        assert_eq!(form("json"), "\\u0061\\u002f\\u0062\\u0022\\u0063");
        assert_eq!(form("json-minimal"), "a/b\\\"c");
        assert_eq!(form("html-minimal"), "a/b&quot;c");
        assert_eq!(form("mixed"), "%61\\u002f&#98;\"%63");
        assert_eq!(form("hex,base64"), "NjEyZjYyMjI2Mw==");
        assert_eq!(apply("rot13", b"abc"), None);
    }
}
