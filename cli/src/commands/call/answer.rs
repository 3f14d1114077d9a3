//! The answer: raw as it comes, or as one envelope.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Instant;

use agentsecrets::{Buffered, Error, ErrorCode, Response, SecretName};
use serde::Serialize;
use serde_json::{Value, json};

use super::{CallArgs, request};
use crate::commands::session::Session;
use crate::commands::{FAILED, OK};
use crate::render::{Failure, Outcome, Output};

/// Writes the body to stdout as it comes, byte for byte; at a terminal what follows begins on a line of its own.
pub(super) async fn stream(args: &CallArgs, mut response: Response, output: &Output) -> Outcome {
    let mut stdout = std::io::stdout().lock();
    if args.include {
        stdout.write_all(&head(&response))?;
    }
    let (mut length, mut last) = (0_u64, b'\n');
    while let Some(chunk) = response.chunk().await? {
        length += chunk.len() as u64;
        if let Some(limit) = args.max_response.filter(|limit| length > *limit) {
            return Err(too_large(limit));
        }
        stdout.write_all(&chunk)?;
        stdout.flush()?;
        last = chunk.last().copied().unwrap_or(last);
    }
    if last != b'\n' && stdout.is_terminal() {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()?;
    drop(stdout);
    remarks(output, &response.redacted(), response.audit_incomplete());
    let status = response.status();
    if !args.fail || !(status.is_client_error() || status.is_server_error()) {
        return Ok(OK);
    }
    output.note(format!("The upstream answered {} {}", status.as_u16(), response.reason()).trim_end());
    Ok(FAILED)
}

/// The status line and the headers as HTTP/1.1 writes them, and an empty line.
fn head(response: &Response) -> Vec<u8> {
    let mut head = format!("HTTP {} {}", response.status().as_u16(), response.reason()).trim_end().as_bytes().to_vec();
    head.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn remarks(output: &Output, redacted: &[SecretName], audit_incomplete: bool) {
    if !redacted.is_empty() {
        let names: Vec<&str> = redacted.iter().map(SecretName::as_str).collect();
        output.note(&format!("Redacted in the answer: {}", names.join(", ")));
    }
    if audit_incomplete {
        output.warn("the end of this call could not be recorded; the next call is refused until it can");
    }
}

/// The answer as a program reads it.
#[derive(Serialize)]
struct Envelope {
    status: Option<u16>,
    headers: BTreeMap<String, Vec<String>>,
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_encoding: Option<&'static str>,
    redacted: Vec<SecretName>,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// Makes the call and writes one envelope, whatever became of it.
pub(super) fn envelope(args: &CallArgs, output: &Output) -> Outcome {
    let started = Instant::now();
    let made = request::build(args).and_then(|call| {
        let session = Session::open(&args.place)?;
        session.wait(session.client.send_buffered(call))
    });
    let (envelope, code) = match made {
        Ok(answer) => answered(args, answer),
        Err(error) => (failed(&error, started), error.code().exit_code()),
    };
    output.show(&envelope, |_| Ok(()))?;
    Ok(code)
}

fn answered(args: &CallArgs, answer: Buffered) -> (Envelope, u8) {
    let error = answer.error_for_status().err().filter(|_| args.fail);
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &answer.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(name.as_str().to_owned()).or_default().push(text);
    }
    let (body, body_encoding) = match std::str::from_utf8(&answer.content) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (base64(&answer.content), Some("base64")),
    };
    let code = if error.is_some() { FAILED } else { OK };
    let envelope = Envelope {
        status: Some(answer.status.as_u16()),
        headers,
        body: Some(body),
        body_encoding,
        redacted: answer.redacted,
        duration_ms: rounded(answer.duration_ms),
        error: error.as_ref().map(described),
    };
    (envelope, code)
}

fn failed(error: &Error, started: Instant) -> Envelope {
    Envelope {
        status: None,
        headers: BTreeMap::new(),
        body: None,
        body_encoding: None,
        redacted: Vec::new(),
        duration_ms: rounded(started.elapsed().as_secs_f64() * 1000.0),
        error: Some(described(error)),
    }
}

fn described(error: &Error) -> Value {
    json!({ "code": error.code().as_str(), "message": error.message(), "hint": error.hint() })
}

fn rounded(milliseconds: f64) -> f64 {
    (milliseconds * 1000.0).round() / 1000.0
}

fn too_large(limit: u64) -> Failure {
    Error::new(ErrorCode::ResponseTooLarge, format!("the answer is longer than {limit} bytes; it was cut there"))
        .with_hint("raise --max-response, or leave it out")
        .into()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
