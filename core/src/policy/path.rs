//! The path part of a rule.
//!
//! A grant is matched on the bytes that are sent, and a path that a server may read in two ways is not matched at all.
//! A deny is matched on everything the bytes could mean.

use std::fmt;
use std::sync::Arc;

use percent_encoding::percent_decode_str;

use crate::error::{Error, ErrorCode, Result};

/// The longest path matched against a rule, which bounds the work a caller can cause.
const LONGEST: usize = 4096;

/// A path with wildcards: `*` within a segment, `**` across, a trailing `/*` everything below.
#[derive(Clone)]
pub(crate) struct PathPattern {
    text: Arc<str>,
    exact: Arc<[Piece]>,
    /// Decoded and in lower case, for denies.
    wide: Arc<[Piece]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    /// `*`
    InSegment,
    /// `**`
    Across,
}

impl PathPattern {
    /// Parses a pattern that begins with `/`.
    ///
    /// # Errors
    /// `invalid_call` where it could match no path that is ever let through.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if !text.starts_with('/') || text.contains(['?', '#']) || text.chars().any(char::is_control) {
            return Err(wrong("a rule's path begins with / and has no query, fragment or control character"));
        }
        if text.contains("***") {
            return Err(wrong("a rule's path has * or **, not more").with_hint("write https://host/v1/**/items"));
        }
        // What the URL parser would encode is spelled as it would be sent.
        let mut sent = String::with_capacity(text.len());
        text.chars().for_each(|c| match c {
            '!'..='~' if !matches!(c, '"' | '<' | '>' | '`' | '{' | '}') => sent.push(c),
            c => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| sent.push_str(&format!("%{byte:02X}"))),
        });
        if let Some(why) = ambiguity(&sent) {
            return Err(wrong(format!("a rule's path {why}; no call with such a path is let through")));
        }
        if sent.ends_with("/**") {
            sent.pop();
        }
        let exact = pieces(&sent);
        Ok(Self { text: sent.into(), wide: widen(&exact).into(), exact: exact.into() })
    }

    /// Whether a grant of this path covers a path as it is sent. An ambiguous one is covered by none.
    pub(crate) fn covers(&self, path: &str) -> bool {
        ambiguity(path).is_none() && matches(&self.exact, path.as_bytes())
    }

    /// Whether a deny of this path reaches a path: servers decode, many ignore case and a trailing slash, and an
    /// ambiguous path may be anything. A deny of `/` alone means the whole origin.
    pub(crate) fn touches(&self, path: &str) -> bool {
        if &*self.text == "/" || ambiguity(path).is_some() {
            return true;
        }
        let decoded: Vec<u8> = percent_decode_str(path).map(|byte| byte.to_ascii_lowercase()).collect();
        let bare = decoded.strip_suffix(b"/").unwrap_or(&decoded);
        matches(&self.wide, bare) || matches(&self.wide, &[bare, b"/"].concat())
    }

    /// The pattern as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// Why a server may read the path otherwise than it is written, or `None` where there is one reading.
pub(crate) fn ambiguity(path: &str) -> Option<&'static str> {
    if path.len() > LONGEST {
        return Some("is longer than 4096 bytes");
    }
    if path.contains(';') {
        return Some("has a ; (a path parameter to some servers)");
    }
    if path.contains('\\') {
        return Some("has a backslash");
    }
    if path.contains("//") {
        return Some("has an empty segment");
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Some("has a dot segment");
    }
    encoding_ambiguity(path)
}

/// RFC 3986, section 2.1: what follows each `%`; section 6.2.2.2: unreserved characters have no business being encoded.
fn encoding_ambiguity(path: &str) -> Option<&'static str> {
    let mut rest = path.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        let Some(byte) = hex_pair(&rest[at + 1..]) else { return Some("has a % that encodes nothing") };
        match byte {
            b'/' | b'\\' => return Some("has an encoded slash or backslash"),
            b'.' => return Some("has an encoded dot"),
            b'%' => return Some("is encoded twice"),
            b';' | b'?' | b'#' => return Some("has an encoded ;, ? or #"),
            0..0x20 | 0x7f => return Some("has an encoded control character"),
            b'-' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                return Some("has an encoded letter, digit, -, _ or ~");
            }
            _ => rest = &rest[at + 3..],
        }
    }
    // Overlong forms of the slash pass as bytes and are decoded by lax servers (RFC 3629, section 10).
    percent_decode_str(path).decode_utf8().is_err().then_some("has encoded bytes that are not UTF-8")
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*bytes.first()?)? << 4 | digit(*bytes.get(1)?)?)
}

fn pieces(text: &str) -> Vec<Piece> {
    let (body, below) = match text.strip_suffix("/*") {
        Some(body) => (body, true),
        None => (text, false),
    };
    let mut pieces = Vec::with_capacity(text.len());
    for byte in body.bytes() {
        match (byte, pieces.last()) {
            (b'*', Some(Piece::InSegment)) => {
                pieces.pop();
                pieces.push(Piece::Across);
            }
            (b'*', _) => pieces.push(Piece::InSegment),
            (byte, _) => pieces.push(Piece::Byte(byte)),
        }
    }
    if below {
        pieces.extend([Piece::Byte(b'/'), Piece::Across]);
    }
    pieces
}

fn widen(exact: &[Piece]) -> Vec<Piece> {
    let mut wide = Vec::with_capacity(exact.len());
    let mut rest = exact;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (*first, tail) {
            (Piece::Byte(b'%'), [Piece::Byte(high), Piece::Byte(low), after @ ..]) => {
                wide.push(Piece::Byte(hex_pair(&[*high, *low]).unwrap_or(b'%').to_ascii_lowercase()));
                rest = after;
            }
            (Piece::Byte(byte), _) => wide.push(Piece::Byte(byte.to_ascii_lowercase())),
            (wildcard, _) => wide.push(wildcard),
        }
    }
    wide
}

/// Matches a whole path. Only the last `*` and the last `**` are ever taken up again: an earlier `**` could only give
/// a later one more to cover, and an earlier `*` ends where its segment's literal ends.
fn matches(pattern: &[Piece], path: &[u8]) -> bool {
    let (mut at, mut on) = (0, 0);
    // Where a wildcard stands, and where what it covers ends so far.
    let mut segment: Option<(usize, usize)> = None;
    let mut across: Option<(usize, usize)> = None;
    loop {
        match pattern.get(at) {
            Some(Piece::Across) => {
                (segment, across) = (None, Some((at, on)));
                at += 1;
                continue;
            }
            Some(Piece::InSegment) => {
                segment = Some((at, on));
                at += 1;
                continue;
            }
            Some(Piece::Byte(byte)) if path.get(on) == Some(byte) => {
                (at, on) = (at + 1, on + 1);
                continue;
            }
            None if on == path.len() => return true,
            _ => {}
        }
        match (segment, across) {
            (Some((star, end)), _) if path.get(end).is_some_and(|byte| *byte != b'/') => {
                segment = Some((star, end + 1));
                (at, on) = (star + 1, end + 1);
            }
            (_, Some((star, end))) if end < path.len() => {
                (segment, across) = (None, Some((star, end + 1)));
                (at, on) = (star + 1, end + 1);
            }
            _ => return false,
        }
    }
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::InvalidCall, message)
}

impl PartialEq for PathPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathPattern {}

impl std::hash::Hash for PathPattern {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
