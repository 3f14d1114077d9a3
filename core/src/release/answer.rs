//! What a manager is asked and answers: the exec-provider protocol, or the value alone. Values are read out of guarded
//! memory into guarded memory.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::exec_provider::VERSION;
use crate::resolve::MAX_VALUE;
use crate::resolve::value::SecretBuf;

/// What an answer in the protocol may have around a value, and a byte may take up to six (`\u0000`).
const FRAMING: usize = 4096;
/// The longest message of a manager's that is looked at, in bytes.
const MAX_MESSAGE: usize = 4096;

/// What came back.
pub(super) enum Answered {
    Value(SecretBuf),
    /// No value, and what was said of it.
    Refused(Option<String>),
    Empty,
    TooLong,
    /// Anything else.
    Garbage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    protocol_version: u32,
    #[serde(borrow, default)]
    values: BTreeMap<String, &'a RawValue>,
    #[serde(default)]
    errors: BTreeMap<String, Message>,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// The question, in one line.
pub(super) fn question(provider: &str, id: &str) -> Vec<u8> {
    format!("{}\n", json!({ "protocolVersion": VERSION, "provider": provider, "ids": [id] })).into_bytes()
}

/// The most bytes an answer can have.
pub(super) fn limit(plain: bool) -> usize {
    if plain { MAX_VALUE + 2 } else { 6 * MAX_VALUE + FRAMING }
}

/// A value that was printed alone: without one line's end.
pub(super) fn plain(mut output: SecretBuf) -> Answered {
    let text = output.as_slice();
    let kept = text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")).map_or(text.len(), <[u8]>::len);
    output.truncate(kept);
    checked(output)
}

/// The value of an id, or what was said of it.
pub(super) fn read(output: &SecretBuf, id: &str) -> Answered {
    // JSON is UTF-8 (RFC 8259, section 8.1), in what is passed over too.
    let text = std::str::from_utf8(output.as_slice()).ok();
    let Some(answer) = text.and_then(|text| serde_json::from_str::<Answer<'_>>(text).ok()) else {
        return Answered::Garbage;
    };
    match (answer.values.get(id), answer.errors.get(id)) {
        _ if answer.protocol_version != VERSION => Answered::Garbage,
        (Some(text), None) => unescaped(text.get()).map_or(Answered::Garbage, checked),
        // Beside values a message may repeat one.
        (None, Some(why)) if answer.values.is_empty() => Answered::Refused(shown(&why.message)),
        _ => Answered::Refused(None),
    }
}

fn checked(value: SecretBuf) -> Answered {
    match value.len() {
        0 => Answered::Empty,
        1..=MAX_VALUE => Answered::Value(value),
        _ => Answered::TooLong,
    }
}

/// A message without control characters, nor those that turn text around; none where it is too long to be one.
fn shown(message: &str) -> Option<String> {
    let text = crate::log_safe::shown(message, MAX_MESSAGE);
    (message.len() <= MAX_MESSAGE && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// The text of a JSON string (RFC 8259, section 7), which was parsed already.
fn unescaped(text: &str) -> Option<SecretBuf> {
    let mut rest = text.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    let mut out = SecretBuf::with_capacity(rest.len());
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend(&rest[..at]);
        let short = match rest.get(at + 1)? {
            b'u' => None,
            b'b' => Some(8),
            b'f' => Some(12),
            b'n' => Some(b'\n'),
            b'r' => Some(b'\r'),
            b't' => Some(b'\t'),
            other => Some(*other),
        };
        rest = &rest[at + 2..];
        if let Some(byte) = short {
            out.push(byte);
            continue;
        }
        let (c, used) = character(rest)?;
        out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[used..];
    }
    out.extend(rest);
    Some(out)
}

/// The character that four hexadecimal digits write, or two surrogates with `\u` between, and how many bytes they take.
fn character(digits: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| u16::from_str_radix(std::str::from_utf8(digits.get(at..at + 4)?).ok()?, 16).ok();
    let first = unit(0)?;
    if let Some(c) = char::from_u32(first.into()) {
        return Some((c, 4));
    }
    (digits.get(4..6)? == b"\\u").then_some(())?;
    let pair = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((pair, 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &str) -> Option<Vec<u8>> {
        let mut output = SecretBuf::with_capacity(answer.len());
        output.extend(answer.as_bytes());
        match read(&output, "a/b") {
            Answered::Value(value) => Some(value.as_slice().to_vec()),
            _ => None,
        }
    }

    #[test]
    fn a_value_is_unescaped_as_json_is() {
        for value in ["plain", "a \"q\" \\ /\n\r\t\u{8}\u{c}\u{1}", "é€😀", "\u{fffd}"] {
            for text in [json!(value).to_string(), ascii(value)] {
                let answer = format!(r#"{{"protocolVersion":1,"values":{{"x":"other","a/b": {text} }},"more":[]}}"#);
                assert_eq!(told(&answer).as_deref(), Some(value.as_bytes()), "{answer}");
            }
        }
    }

    /// JSON with every character escaped.
    fn ascii(value: &str) -> String {
        format!("\"{}\"", value.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect::<String>())
    }

    #[test]
    fn anything_else_is_no_value() {
        for wrong in [
            "",
            "null",
            "[]",
            "a value that was printed",
            r#"{"values":{"a/b":"value"}}"#,
            r#"{"protocolVersion":2,"values":{"a/b":"value"}}"#,
            r#"{"protocolVersion":1,"values":{"a/b":1}}"#,
            r#"{"protocolVersion":1,"values":{"a/b":{"v":"x"}}}"#,
            r#"{"protocolVersion":1,"values":{"a/b":""}}"#,
            r#"{"protocolVersion":1,"values":{"a/b":"\ud800"}}"#,
            r#"{"protocolVersion":1,"values":{"b":"value"}}"#,
            r#"{"protocolVersion":1,"values":{"a/b":"value"},"errors":{"a/b":{"message":"both"}}}"#,
            r#"{"protocolVersion":1,"values":{"a/b":"value"}} more"#,
        ] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_message_cannot_command_a_terminal() {
        assert_eq!(shown("no \u{1b}[2Jsuch\n item\u{202e}").as_deref(), Some("no [2Jsuch item"));
        assert_eq!(shown(&"x".repeat(MAX_MESSAGE + 1)), None);
    }
}
