//! Routes that give back what they got.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::form;
use crate::message::{Reply, Request};
use crate::record::latin1;
use crate::source;

/// The whole request as JSON.
pub(crate) fn described(request: &Request) -> Reply {
    let headers: Vec<Value> = request.headers.iter().map(|(name, value)| json!([name, latin1(value)])).collect();
    let body = std::str::from_utf8(&request.body).map_or_else(|_| latin1(&request.body), str::to_owned);
    Reply::json(200, &json!({ "method": request.method, "target": request.target, "headers": headers, "body": body }))
}

/// The body, byte for byte, under its own content type.
pub(crate) fn raw(request: &Request) -> Reply {
    let content_type = latin1(request.header("content-type").unwrap_or(b"application/octet-stream"));
    Reply::new(200, &content_type, request.body.clone())
}

/// `?name=H`: that header (or `Authorization`) in `X-Echo` and in the body.
pub(crate) fn header(request: &Request) -> Reply {
    let name = request.param("name").unwrap_or_else(|| "authorization".to_owned());
    let value = request.header(&name).unwrap_or_default().to_vec();
    Reply::text(value.clone()).with("X-Echo", value)
}

/// `?as=FORM,FORM&prefix=…&suffix=…&header=1`: the credential in disguise.
pub(crate) fn encoded(request: &Request) -> Reply {
    let credential = source::credential(request).unwrap_or_default();
    let forms = request.param("as").unwrap_or_else(|| "raw".to_owned());
    let Some(value) = form::apply(&forms, &credential) else { return Reply::refuse(400, "no such form") };
    let affix = |name: &str| request.param(name).unwrap_or_default().into_bytes();
    let body = [affix("prefix"), value.clone(), affix("suffix")].concat();
    let content_type = request.param("type").unwrap_or_else(|| "text/plain; charset=utf-8".to_owned());
    let reply = Reply::new(200, &content_type, body);
    let printable = value.iter().all(|byte| (b' '..=b'~').contains(byte));
    if request.flag("header") && printable { reply.with("X-Echo", value) } else { reply }
}

/// `?name=N`: keeps the credential, for another call to read back as `in=planted:N`.
pub(crate) fn plant(request: &Request) -> Reply {
    let credential = source::credential(request).unwrap_or_default();
    request.ticket.plant(&request.param("name").unwrap_or_default(), &credential);
    Reply::json(200, &json!({ "planted": credential.len() }))
}

/// The credential within some text, in the `Range` asked for (RFC 9110 section 14).
pub(crate) fn range(request: &Request) -> Reply {
    let credential = source::credential(request).unwrap_or_default();
    let whole = [b"before ".as_slice(), &credential, b" after"].concat();
    let length = whole.len();
    let Some(header) = request.header("range") else {
        return Reply::text(whole).with("accept-ranges", "bytes");
    };
    match parse_range(&latin1(header), length) {
        Some((first, last)) => {
            let mut reply = Reply::text(whole[first..=last].to_vec());
            reply.status = 206;
            reply.with("content-range", format!("bytes {first}-{last}/{length}"))
        }
        None => Reply::refuse(416, "no such range").with("content-range", format!("bytes */{length}")),
    }
}

fn parse_range(header: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1)?;
    let (first, last) = match (first, last) {
        ("", count) => (length.saturating_sub(count.parse().ok()?), end),
        (first, "") => (first.parse().ok()?, end),
        (first, last) => (first.parse().ok()?, last.parse::<usize>().ok()?.min(end)),
    };
    (first <= last).then_some((first, last))
}

/// `?text=T`: a reason phrase with the credential in it (HTTP/1.1 alone has one).
pub(crate) fn reason(request: &Request) -> Reply {
    let credential = source::credential(request).unwrap_or_default();
    let text = request.param("text").unwrap_or_else(|| "Fine with".to_owned());
    let mut reply = Reply::text("look at the reason\n");
    reply.reason = Some([text.as_bytes(), b" ", &credential].concat());
    reply
}

/// A body, then the credential and a checksum in trailers.
pub(crate) fn trailers(request: &Request) -> Reply {
    let credential = source::credential(request).unwrap_or_default();
    let body = "look at the trailers\n";
    let mut reply = Reply::text(body);
    reply.trailers = vec![
        ("x-echo".to_owned(), credential),
        ("x-checksum".to_owned(), hex::encode(Sha256::digest(body)).into_bytes()),
    ];
    reply
}

/// `?name=N&value=V`: two cookies, the second with the credential.
pub(crate) fn set_cookie(request: &Request) -> Reply {
    let credential = source::credential(request).unwrap_or_default();
    let name = request.param("name").unwrap_or_else(|| "session".to_owned());
    let value = request.param("value").unwrap_or_else(|| "1".to_owned());
    Reply::text("cookies\n")
        .with("set-cookie", format!("{name}={value}; Path=/; HttpOnly"))
        .with("set-cookie", [b"echo=".as_slice(), &credential, b"; Path=/"].concat())
}
