//! What goes wrong between honest machines.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::message::{Framing, Reply, Request};
use crate::source;

const HEAD_START: Duration = Duration::from_millis(50);

/// `/status/CODE?retry_after=N`, with the credential in the body as careless error pages have it.
pub(crate) fn status(request: &Request, code: &str) -> Reply {
    let Some(code) = code.parse().ok().filter(|code| (100..=999).contains(code)) else {
        return Reply::refuse(400, "no status");
    };
    let credential = source::credential(request).unwrap_or_default();
    let body = json!({ "status": code, "credential": String::from_utf8_lossy(&credential) });
    let reply = Reply::json(code, &body);
    match request.param("retry_after") {
        Some(seconds) => reply.with("retry-after", seconds),
        None => reply,
    }
}

/// `?after=N&of=M`: so many bytes of the credential (repeated as needed), then the connection or stream breaks.
pub(crate) fn broken_off(request: &Request) -> Reply {
    let after = usize::try_from(request.number("after", 64)).unwrap_or(64);
    let declared = request.number("of", after as u64 * 2 + 1);
    let credential = source::credential(request).filter(|it| !it.is_empty()).unwrap_or_else(|| b"dropped ".to_vec());
    let body: Vec<u8> = credential.iter().copied().cycle().take(after).collect();
    // A reset overtakes data that still waits in HTTP/2, so the data gets a head start.
    let broken = async {
        tokio::time::sleep(HEAD_START).await;
        Err(std::io::Error::other("broken off on purpose"))
    };
    let pieces = stream::iter([Ok(Bytes::from(body))]).chain(stream::once(broken)).boxed();
    let framing = if request.flag("chunked") { Framing::Chunked } else { Framing::Length(declared) };
    Reply::stream("application/octet-stream", pieces).framed(framing)
}

/// `?declared=N&sent=M`: a `content-length` that is not the length; the end of the connection is orderly.
pub(crate) fn bad_length(request: &Request) -> Reply {
    let sent = usize::try_from(request.number("sent", 10)).unwrap_or(10);
    Reply::text(vec![b'x'; sent]).framed(Framing::Length(request.number("declared", 20)))
}

/// `?n=N&size=M`: so many response headers of such a size.
pub(crate) fn many_headers(request: &Request) -> Reply {
    let size = usize::try_from(request.number("size", 16)).unwrap_or(16);
    (0..request.number("n", 10))
        .fold(Reply::text("headers\n"), |reply, at| reply.with(&format!("x-many-{at}"), vec![b'v'; size]))
}

/// `?status=CODE`: an answer before the body was read.
pub(crate) fn early(request: &Request) -> Reply {
    Reply::refuse(u16::try_from(request.number("status", 413)).unwrap_or(413), "not reading this")
}

/// `?name=N&fails=M&status=503`: fails M times for that name, then answers 200 with the count of tries.
pub(crate) fn flaky(request: &Request) -> Reply {
    let name = format!("flaky {}", request.param("name").unwrap_or_default());
    let tried = request.ticket.find_planted(&name).and_then(|count| count.first().copied()).unwrap_or(0);
    request.ticket.plant(&name, &[tried.saturating_add(1)]);
    if u64::from(tried) < request.number("fails", 1) {
        let status = u16::try_from(request.number("status", 503)).unwrap_or(503);
        if status == 0 {
            return broken_off(request);
        }
        let reply = Reply::refuse(status, "try again");
        return match request.param("retry_after") {
            Some(seconds) => reply.with("retry-after", seconds),
            None => reply,
        };
    }
    Reply::json(200, &json!({ "tries": u64::from(tried) + 1 }))
}
