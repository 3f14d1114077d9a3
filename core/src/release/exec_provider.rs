//! The answer of an OpenClaw exec provider: values, written by the broker itself to the descriptor the caller passed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use serde_json::json;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorCode, Result, Stage};
use crate::resolve::SecretValue;

/// The version of the provider protocol.
const VERSION: u32 = 1;

/// What is answered: a value or an error for each id.
#[derive(Default)]
pub(crate) struct ExecAnswer {
    pub(crate) values: BTreeMap<String, Arc<SecretValue>>,
    pub(crate) errors: BTreeMap<String, String>,
}

/// Writes the answer as one line of JSON.
///
/// # Errors
/// `invalid_value` where a value is not UTF-8, `broker_unavailable` where the descriptor cannot be written.
pub(crate) fn write_answer(answer: &ExecAnswer, sink: &mut File) -> Result<()> {
    let mut text = Zeroizing::new(Vec::with_capacity(room(answer)));
    text.extend_from_slice(format!("{{\"protocolVersion\":{VERSION},\"values\":{{").as_bytes());
    for (index, (id, value)) in answer.values.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(json!(id).to_string().as_bytes());
        text.push(b':');
        // EXPOSE: this door's whole purpose is to hand the value to a provider that the owner has granted.
        quote(std::str::from_utf8(value.expose()).map_err(|_| not_text(id))?, &mut text);
    }
    let errors: BTreeMap<_, _> = answer.errors.iter().map(|(id, why)| (id, json!({ "message": why }))).collect();
    text.extend_from_slice(format!("}},\"errors\":{}}}\n", json!(errors)).as_bytes());
    let gone = |_| Error::new(ErrorCode::BrokerUnavailable, "the caller's stdout cannot be written").at(Stage::Broker);
    sink.write_all(&text).and_then(|()| sink.flush()).map_err(gone)
}

/// Room for all of it at once: a growing buffer would leave copies behind.
fn room(answer: &ExecAnswer) -> usize {
    let values: usize = answer.values.iter().map(|(id, value)| 6 * (id.len() + value.len()) + 8).sum();
    let errors: usize = answer.errors.iter().map(|(id, why)| 6 * (id.len() + why.len()) + 24).sum();
    values + errors + 128
}

/// A JSON string (RFC 8259, section 7), without a copy in between.
fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => {
                let hex = b"0123456789abcdef";
                out.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    hex[usize::from(byte >> 4)],
                    hex[usize::from(byte & 15)],
                ]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn not_text(id: &str) -> Error {
    Error::new(ErrorCode::InvalidValue, format!("{id} is not text, and the provider's protocol knows nothing else"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_json_whatever_the_value_is() {
        let mut answer = ExecAnswer::default();
        let value = "a \"quoted\" \\ line\nand\u{1}é";
        answer.values.insert("KEY".into(), Arc::new(SecretValue::copy_from(value.as_bytes())));
        answer.errors.insert("od\"d".into(), "not granted".into());
        let mut file = tempfile::tempfile().expect("file");
        write_answer(&answer, &mut file).expect("written");
        use std::io::Seek;
        file.rewind().expect("rewound");
        let read: serde_json::Value = serde_json::from_reader(file).expect("JSON");
        assert_eq!(read["values"]["KEY"], value);
        assert_eq!(read["errors"]["od\"d"]["message"], "not granted");
        assert_eq!(read["protocolVersion"], 1);
    }
}
