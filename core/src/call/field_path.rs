//! A path into a JSON body.

use std::fmt;

use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::LogSafe;

/// A path into a JSON body: dotted (`auth.client_secret`, `items.0.key`) or an RFC 6901 pointer (`/a.b/0`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FieldPath {
    text: String,
    segments: Vec<String>,
}

impl FieldPath {
    /// Parses a path.
    ///
    /// # Errors
    /// `invalid_call` for an empty path, an empty dotted segment, or a `~` that RFC 6901 does not define.
    pub fn parse(text: &str) -> Result<Self> {
        let segments: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(unescape).collect::<Result<_>>()?,
            None => text.split('.').map(str::to_owned).collect(),
        };
        if text.is_empty() || (!text.starts_with('/') && segments.iter().any(String::is_empty)) {
            return Err(Error::new(ErrorCode::InvalidCall, "a body field's path is empty or has an empty segment")
                .with_hint("write auth.client_secret, or /auth/client_secret"));
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The segments, unescaped, outermost first. There is at least one.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether one path is the other, or leads through it.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.segments.iter().zip(&other.segments).all(|(a, b)| a == b)
    }
}

fn unescape(segment: &str) -> Result<String> {
    let defined = segment.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !defined {
        return Err(Error::new(ErrorCode::InvalidCall, "in a JSON pointer ~ is written ~0, and / is written ~1"));
    }
    Ok(segment.replace("~1", "/").replace("~0", "~"))
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl LogSafe for FieldPath {}
