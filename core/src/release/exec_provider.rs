//! The answer of an OpenClaw exec provider: values, written by the broker itself to the descriptor the caller passed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use zeroize::Zeroizing;

use super::pump::is_ready;
use crate::error::{Error, ErrorCode, Result, Stage};
use crate::resolve::SecretValue;
use crate::secret_ref::SecretName;

/// The version of the provider protocol.
pub(super) const VERSION: u32 = 1;

/// What is answered: a value or an error for each id.
#[derive(Default)]
pub(crate) struct ExecAnswer {
    values: BTreeMap<SecretName, Arc<SecretValue>>,
    errors: BTreeMap<String, String>,
}

impl ExecAnswer {
    /// Refuses an id.
    pub(crate) fn refuse(&mut self, id: String, why: String) {
        self.errors.insert(id, why);
    }

    /// Adds a value, or why there is none.
    pub(crate) fn put(&mut self, name: &SecretName, value: Result<Arc<SecretValue>>) {
        // EXPOSE: the protocol knows text alone, which is looked at here and not kept.
        let text = value.and_then(|value| match std::str::from_utf8(value.expose()) {
            Ok(_) => Ok(value),
            Err(_) => Err(Error::new(ErrorCode::InvalidValue, format!("{name} is not text"))),
        });
        match text {
            Ok(value) => drop(self.values.insert(name.clone(), value)),
            Err(why) => drop(self.errors.insert(name.to_string(), why.message().to_owned())),
        }
    }
}

/// How long whoever asked may take to read the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes the answer as one line of JSON.
///
/// # Errors
/// `broker_unavailable` where the descriptor cannot be written.
pub(crate) fn write_answer(answer: &ExecAnswer, sink: &mut File) -> Result<()> {
    let mut text = Zeroizing::new(Vec::with_capacity(room(answer)));
    text.extend_from_slice(format!("{{\"protocolVersion\":{VERSION},\"values\":{{").as_bytes());
    for (index, (id, value)) in answer.values.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(json!(id.as_str()).to_string().as_bytes());
        text.push(b':');
        // EXPOSE: this door's whole purpose is to hand the value to a provider that the owner has granted.
        quote(value.expose(), &mut text);
    }
    let errors: BTreeMap<_, _> = answer.errors.iter().map(|(id, why)| (id, json!({ "message": why }))).collect();
    text.extend_from_slice(format!("}},\"errors\":{}}}\n", json!(errors)).as_bytes());
    let gone = || Error::new(ErrorCode::BrokerUnavailable, "the caller's stdout cannot be written").at(Stage::Broker);
    let end = Instant::now() + PATIENCE;
    // In pieces that a pipe with any room takes whole (POSIX, `PIPE_BUF`): one that nobody reads must not hold the broker.
    for piece in text.chunks(libc::PIPE_BUF) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || !is_ready(sink, libc::POLLOUT, left) {
            return Err(gone());
        }
        sink.write_all(piece).map_err(|_| gone())?;
    }
    sink.flush().map_err(|_| gone())
}

/// Room for all of it at once: a growing buffer would leave copies behind.
fn room(answer: &ExecAnswer) -> usize {
    let values: usize = answer.values.iter().map(|(id, value)| 6 * (id.as_str().len() + value.len()) + 8).sum();
    let errors: usize = answer.errors.iter().map(|(id, why)| 6 * (id.len() + why.len()) + 24).sum();
    values + errors + 128
}

/// A JSON string (RFC 8259, section 7), without a copy in between.
fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.iter().copied() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_json_whatever_the_value_is() {
        let mut answer = ExecAnswer::default();
        let value = "a \"quoted\" \\ line\nand\u{1}é";
        let name = |text: &str| SecretName::parse(text).expect("name");
        answer.put(&name("KEY"), Ok(Arc::new(SecretValue::copy_from(value.as_bytes()))));
        answer.put(&name("BINARY"), Ok(Arc::new(SecretValue::copy_from(b"\xff\xfe"))));
        answer.refuse("od\"d".into(), "not granted".into());
        let mut file = tempfile::tempfile().expect("file");
        write_answer(&answer, &mut file).expect("written");
        use std::io::Seek;
        file.rewind().expect("rewound");
        let read: serde_json::Value = serde_json::from_reader(file).expect("JSON");
        assert_eq!(read["values"]["KEY"], value);
        assert_eq!(read["errors"]["BINARY"]["message"], "BINARY is not text");
        assert_eq!(read["errors"]["od\"d"]["message"], "not granted");
        assert_eq!(read["protocolVersion"], 1);
    }
}
