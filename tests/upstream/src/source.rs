//! Where in a request the credential is looked for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::message::{Request, parse_pairs};

/// The bytes named by `in=…`; without it the credential of `Authorization`, and without that the body.
pub(crate) fn credential(request: &Request) -> Option<Vec<u8>> {
    match request.param("in") {
        Some(place) => find(request, &place),
        None => find(request, "authorization").or_else(|| Some(request.body.to_vec())),
    }
}

/// `bearer`, `basic`, `basic-pair`, `authorization`, `header:N`, `query:K`, `raw-query:K`, `form:K`, `body`,
/// `body:/pointer`, `path:INDEX`, `cookie:N`, `planted:N`.
pub(crate) fn find(request: &Request, place: &str) -> Option<Vec<u8>> {
    let (kind, name) = place.split_once(':').unwrap_or((place, ""));
    match kind {
        "authorization" => Some(authorization(request)?.1),
        "bearer" => authorization(request).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|it| it.1),
        "basic-pair" => basic(request),
        "basic" => {
            let pair = basic(request)?;
            let colon = pair.iter().position(|byte| *byte == b':')?;
            Some(pair[colon + 1..].to_vec())
        }
        "header" => request.header(name).map(<[u8]>::to_vec),
        "query" => request.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()),
        "raw-query" => raw_query(request, name),
        "form" => {
            parse_pairs(&String::from_utf8_lossy(&request.body)).into_iter().find(|(key, _)| key == name).map(|it| it.1)
        }
        "body" if name.is_empty() => Some(request.body.to_vec()),
        "body" => body_field(&request.body, name),
        "path" => {
            let segment = request.path().split('/').nth(name.parse::<usize>().ok()? + 1)?;
            Some(percent_encoding::percent_decode_str(segment).collect())
        }
        "cookie" => cookie(request, name),
        "planted" => request.ticket.find_planted(name),
        _ => None,
    }
}

/// The scheme and the credential after it.
pub(crate) fn authorization(request: &Request) -> Option<(String, Vec<u8>)> {
    let value = request.header("authorization")?;
    let space = value.iter().position(|byte| *byte == b' ')?;
    Some((String::from_utf8_lossy(&value[..space]).into_owned(), value[space + 1..].to_vec()))
}

fn basic(request: &Request) -> Option<Vec<u8>> {
    let (scheme, credential) = authorization(request)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    STANDARD.decode(credential).ok()
}

fn raw_query(request: &Request, name: &str) -> Option<Vec<u8>> {
    let (_, query) = request.target.split_once('?')?;
    query.split('&').find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.as_bytes().to_vec()))
}

fn body_field(body: &[u8], pointer: &str) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone().into_bytes()),
        other => Some(other.to_string().into_bytes()),
    }
}

fn cookie(request: &Request, name: &str) -> Option<Vec<u8>> {
    let header = String::from_utf8_lossy(request.header("cookie")?).into_owned();
    header.split("; ").find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.as_bytes().to_vec()))
}
