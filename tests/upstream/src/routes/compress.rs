//! `/compress/KIND`: the echo under a content coding, whatever the client said it accepts.

use serde_json::json;

use crate::coding::{self, Coding};
use crate::message::{Reply, Request};
use crate::record::latin1;
use crate::source;

pub(crate) fn answer(request: &Request, kind: &str) -> Reply {
    let plain = plain(request);
    let named = request.param("coding");
    let coding = named.as_deref().and_then(Coding::parse).unwrap_or(Coding::Gzip);
    let (codings, body) = match kind {
        "identity" => ("identity".to_owned(), plain),
        "x-gzip" => ("x-gzip".to_owned(), coding::encode(Coding::Gzip, &plain)),
        "upper" => (coding.token().to_ascii_uppercase(), coding::encode(coding, &plain)),
        "stacked" | "stacked-headers" => return stacked(request, &plain, kind == "stacked-headers"),
        "unknown" => ("x-unheard-of".to_owned(), plain),
        "unlabelled" => (String::new(), coding::encode(coding, &plain)),
        "broken" => (coding.token().to_owned(), broken(coding, &plain)),
        "truncated" => {
            let whole = coding::encode(coding, &plain);
            (coding.token().to_owned(), whole[..whole.len() - whole.len().min(9)].to_vec())
        }
        "trailing" => (coding.token().to_owned(), [coding::encode(coding, &plain), plain].concat()),
        "members" => {
            let half = plain.len() / 2;
            let members = [&plain[..half], &plain[half..]].map(|part| coding::encode(coding, part));
            (coding.token().to_owned(), members.concat())
        }
        "bomb" => return bomb(request, coding),
        kind => match Coding::parse(kind) {
            Some(coding) => (coding.token().to_owned(), coding::encode(coding, &plain)),
            None => return Reply::refuse(404, "no such coding"),
        },
    };
    let reply = Reply::new(200, "application/json", body);
    if codings.is_empty() { reply } else { reply.with("content-encoding", codings) }
}

/// The credential within enough text that a coding really codes.
fn plain(request: &Request) -> Vec<u8> {
    let credential = source::credential(request).unwrap_or_default();
    let pad = usize::try_from(request.number("pad", 2048)).unwrap_or(2048);
    let padding = "padding ".repeat(pad / 8);
    json!({ "before": padding, "echo": latin1(&credential), "after": padding }).to_string().into_bytes()
}

/// `?codings=gzip,br`, applied in that order and told in that order (RFC 9110 section 8.4).
fn stacked(request: &Request, plain: &[u8], apart: bool) -> Reply {
    let names = request.param("codings").unwrap_or_else(|| "gzip,br".to_owned());
    let mut body = plain.to_vec();
    let mut tokens = Vec::new();
    for name in names.split(',') {
        let Some(coding) = Coding::parse(name.trim()) else { return Reply::refuse(400, "no such coding") };
        body = coding::encode(coding, &body);
        tokens.push(coding.token());
    }
    let reply = Reply::new(200, "application/json", body);
    if apart {
        return tokens.into_iter().fold(reply, |reply, token| reply.with("content-encoding", token));
    }
    reply.with("content-encoding", tokens.join(", "))
}

/// A good beginning, then bytes that no decoder takes.
fn broken(coding: Coding, plain: &[u8]) -> Vec<u8> {
    let mut body = coding::encode(coding, plain);
    let middle = body.len() / 2;
    for byte in &mut body[middle..] {
        *byte ^= 0xA5;
    }
    body
}

/// `?n=SIZE&layers=N`: zeros, coded so many times.
fn bomb(request: &Request, coding: Coding) -> Reply {
    let mut body = coding::bomb(coding, request.number("n", 128 << 20));
    let layers = request.number("layers", 1).clamp(1, 16);
    for _ in 1..layers {
        body = coding::encode(coding, &body);
    }
    let tokens = vec![coding.token(); usize::try_from(layers).unwrap_or(1)];
    Reply::new(200, "application/octet-stream", body).with("content-encoding", tokens.join(", "))
}
