//! Bodies on their way in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::message::{Reply, Request};
use crate::record::latin1;

/// The length and hash of a body that is never held whole.
pub(crate) async fn hashed(request: &mut Request) -> Reply {
    let mut hash = Sha256::new();
    let (mut length, mut chunks) = (0_u64, 0_u64);
    while let Some(chunk) = request.next_chunk().await {
        let Ok(chunk) = chunk else { return Reply::refuse(400, "the body broke off") };
        hash.update(&chunk);
        length += chunk.len() as u64;
        chunks += 1;
    }
    Reply::json(200, &json!({ "length": length, "sha256": hex::encode(hash.finalize()), "chunks": chunks }))
}

/// The parts of a `multipart/form-data` body (RFC 7578), as JSON.
pub(crate) fn multipart(request: &Request) -> Reply {
    let content_type = latin1(request.header("content-type").unwrap_or_default());
    let Some(boundary) = content_type.split("boundary=").nth(1) else {
        return Reply::refuse(400, "no boundary");
    };
    let boundary = boundary.split(';').next().unwrap_or_default().trim().trim_matches('"');
    match parts(&request.body, boundary) {
        Some(parts) => Reply::json(200, &json!({ "parts": parts })),
        None => Reply::refuse(400, "not a multipart body"),
    }
}

fn parts(body: &[u8], boundary: &str) -> Option<Vec<Value>> {
    // The first delimiter has no line end before it; with one added, all look alike (RFC 2046 section 5.1.1).
    let body = [b"\r\n", body].concat();
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut rest = &body[find(&body, &delimiter)? + delimiter.len()..];
    let mut found = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest.strip_prefix(b"\r\n")?;
        let end = find(part, &delimiter)?;
        found.push(one_part(&part[..end])?);
        rest = &part[end + delimiter.len()..];
    }
    Some(found)
}

fn one_part(part: &[u8]) -> Option<Value> {
    let split = find(part, b"\r\n\r\n")?;
    let content = &part[split + 4..];
    let headers: Vec<(String, String)> = latin1(&part[..split])
        .split("\r\n")
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect();
    let header = |wanted: &str| headers.iter().find(|it| it.0.eq_ignore_ascii_case(wanted)).map(|it| it.1.as_str());
    let disposition = header("content-disposition")?;
    Some(json!({
        "name": parameter(disposition, "name"),
        "filename": parameter(disposition, "filename"),
        "content_type": header("content-type"),
        "headers": headers,
        "length": content.len(),
        "sha256": hex::encode(Sha256::digest(content)),
        "text": std::str::from_utf8(content).ok(),
        "base64": STANDARD.encode(content),
    }))
}

fn parameter(disposition: &str, name: &str) -> Option<String> {
    let start = format!("; {name}=\"");
    let rest = &disposition[disposition.find(&start)? + start.len()..];
    Some(rest[..rest.find('"')?].to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
