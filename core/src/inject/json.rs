//! Where in a JSON text (RFC 8259) a path leads, without turning the text into anything else.
//!
//! Numbers are never read as numbers, keys are never re-ordered, duplicate keys beside the path stay.

use std::ops::Range;

use zeroize::Zeroizing;

use crate::call::FieldPath;
use crate::error::{Error, ErrorCode, Result};

mod scan;

use scan::{MAX_DEPTH, Scanner};

/// A place in a text, and what to write around the value there.
pub(super) struct Edit {
    pub(super) place: Range<usize>,
    pub(super) before: String,
    pub(super) after: String,
}

/// Finds where the value at `path` stands, or where it would stand with the objects it lacks.
///
/// # Errors
/// `invalid_call` where the text is not JSON, the path leads through a scalar, past the end of an array, or through a
/// key that stands there twice (readers differ on which of two they take).
pub(super) fn locate(text: &[u8], path: &FieldPath) -> Result<Edit> {
    if path.segments().len() > MAX_DEPTH {
        return Err(Error::new(ErrorCode::InvalidCall, format!("a body field's path is deeper than {MAX_DEPTH}")));
    }
    let mut at = scan::check(text)?;
    for (depth, segment) in path.segments().iter().enumerate() {
        let step = match text.get(at) {
            Some(b'{') => member(text, at, segment, path)?,
            Some(b'[') => element(text, at, segment, path)?,
            _ if depth == 0 => return Err(refused(path, "the body is neither an object nor an array")),
            _ => return Err(refused(path, "the path leads through a scalar")),
        };
        match step {
            Step::Found(value) if depth + 1 == path.segments().len() => {
                return Ok(Edit { place: value, before: String::new(), after: String::new() });
            }
            Step::Found(value) => at = value.start,
            Step::Missing { at, lead } => return Ok(missing(at, lead, &path.segments()[depth + 1..])),
        }
    }
    Err(Error::new(ErrorCode::Internal, "a body field's path had no segment"))
}

/// One segment down.
enum Step {
    /// The value stands here.
    Found(Range<usize>),
    /// It would stand at `at`, after `lead`.
    Missing { at: usize, lead: String },
}

fn missing(at: usize, mut before: String, rest: &[String]) -> Edit {
    for segment in rest {
        before.push('{');
        before.push_str(&key(segment));
    }
    Edit { place: at..at, before, after: "}".repeat(rest.len()) }
}

fn member(text: &[u8], object: usize, segment: &str, path: &FieldPath) -> Result<Step> {
    let mut scanner = Scanner::new(text, object + 1);
    let (mut found, mut end) = (None, None);
    while let Some((name, value)) = scanner.next_member()? {
        end = Some(value.end);
        if scan::string_is(&text[name], segment) && found.replace(value).is_some() {
            return Err(refused(path, "a key on the path stands in its object twice"));
        }
    }
    Ok(match (found, end) {
        (Some(value), _) => Step::Found(value),
        (None, Some(end)) => Step::Missing { at: end, lead: format!(",{}", key(segment)) },
        (None, None) => Step::Missing { at: object + 1, lead: key(segment) },
    })
}

/// An index of RFC 6901, section 4, or `-` for a new element at the end.
fn element(text: &[u8], array: usize, segment: &str, path: &FieldPath) -> Result<Step> {
    let digits = segment.bytes().all(|byte| byte.is_ascii_digit()) && (segment == "0" || !segment.starts_with('0'));
    let wanted = match segment.parse::<usize>() {
        Ok(index) if digits => Some(index),
        _ if segment == "-" => None,
        _ => return Err(refused(path, "an array is entered by an index, or by - for a new element at its end")),
    };
    let mut scanner = Scanner::new(text, array + 1);
    let (mut count, mut end) = (0, None);
    while let Some(value) = scanner.next_element()? {
        if wanted == Some(count) {
            return Ok(Step::Found(value));
        }
        (count, end) = (count + 1, Some(value.end));
    }
    match (wanted, end) {
        (Some(_), _) => Err(refused(path, &format!("the array has {count} elements, counted from 0"))),
        (None, Some(end)) => Ok(Step::Missing { at: end, lead: ",".to_owned() }),
        (None, None) => Ok(Step::Missing { at: array + 1, lead: String::new() }),
    }
}

fn refused(path: &FieldPath, why: &str) -> Error {
    Error::new(ErrorCode::InvalidCall, format!("the body field {path} cannot be set: {why}"))
}

fn key(name: &str) -> String {
    let literal = string_literal(name);
    format!("{}:", String::from_utf8_lossy(&literal))
}

/// A text as a JSON string: only what must be escaped is (RFC 8259, section 7).
pub(super) fn string_literal(text: &str) -> Zeroizing<Vec<u8>> {
    let length = text.bytes().map(|byte| escape(byte).map_or(1, |short| if short == b'u' { 6 } else { 2 }));
    let mut literal = Zeroizing::new(Vec::with_capacity(length.sum::<usize>() + 2));
    literal.push(b'"');
    for byte in text.bytes() {
        match escape(byte) {
            None => literal.push(byte),
            Some(b'u') => literal.extend([b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), hex_digit(byte & 15)]),
            Some(short) => literal.extend([b'\\', short]),
        }
    }
    literal.push(b'"');
    literal
}

fn escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        0..0x20 => b'u',
        _ => return None,
    })
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
mod tests;
