//! Answers that take their time, and answers without end.

use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use crate::message::{Framing, Reply, Request};
use crate::routes::echo;
use crate::source;

type Pieces = BoxStream<'static, io::Result<Bytes>>;

/// The pieces one after another, with a pause before each but the first.
fn paced(pieces: Vec<Bytes>, pause: u64) -> Pieces {
    stream::iter(pieces.into_iter().enumerate())
        .then(move |(at, piece)| async move {
            if at > 0 && pause > 0 {
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            Ok(piece)
        })
        .boxed()
}

/// `?every=N&delay_ms=M&as=FORM&prefix=…&suffix=…`: the echo in pieces of N bytes.
pub(crate) fn split(request: &Request) -> Reply {
    let credential = source::credential(request).unwrap_or_default();
    let forms = request.param("as").unwrap_or_default();
    let Some(value) = crate::form::apply(&forms, &credential) else { return Reply::refuse(400, "no such form") };
    let affix = |name: &str| request.param(name).unwrap_or_default().into_bytes();
    let whole = [affix("prefix"), value, affix("suffix")].concat();
    let every = usize::try_from(request.number("every", 1)).unwrap_or(1).max(1);
    let pieces = whole.chunks(every).map(Bytes::copy_from_slice).collect();
    Reply::stream("text/plain; charset=utf-8", paced(pieces, request.number("delay_ms", 0)))
}

/// `?events=N&interval_ms=M&eol=lf|crlf|cr&echo=1&hold=1&bom=1&tag=T`: `text/event-stream` as the HTML standard has it.
pub(crate) fn events(request: &Request) -> Reply {
    let end = match request.param("eol").as_deref() {
        Some("crlf") => "\r\n",
        Some("cr") => "\r",
        _ => "\n",
    };
    let credential = source::credential(request).filter(|_| request.flag("echo"));
    let tag = request.param("tag");
    let mut pieces = vec![Bytes::from(format!(
        "{}retry: 1500{end}: a comment{end}{end}",
        if request.flag("bom") { "\u{feff}" } else { "" }
    ))];
    for at in 1..=request.number("events", 3) {
        let mut event =
            format!("id: {at}{end}event: tick{end}data: event {at}{end}data: second line{end}").into_bytes();
        if let Some(tag) = &tag {
            event.extend_from_slice(format!("data: tag {tag}{end}").as_bytes());
        }
        if let Some(credential) = &credential {
            event.extend_from_slice(b"data: ");
            event.extend_from_slice(credential);
            event.extend_from_slice(end.as_bytes());
        }
        event.extend_from_slice(end.as_bytes());
        pieces.push(event.into());
    }
    let pieces = paced(pieces, request.number("interval_ms", 0));
    let pieces = if request.flag("hold") { pieces.chain(stream::pending()).boxed() } else { pieces };
    Reply::stream("text/event-stream", pieces).with("cache-control", "no-cache")
}

/// `?n=N&interval_ms=M&echo=1&eol=crlf&open=1`: JSON lines; with `open` the last has no line end.
pub(crate) fn lines(request: &Request) -> Reply {
    let credential = source::credential(request).filter(|_| request.flag("echo"));
    let end = if request.param("eol").as_deref() == Some("crlf") { "\r\n" } else { "\n" };
    let last = request.number("n", 3);
    let line = |at: u64| {
        let echo = credential.as_ref().map(|it| String::from_utf8_lossy(it).into_owned());
        let end = if at == last && request.flag("open") { "" } else { end };
        Bytes::from(format!("{}{end}", serde_json::json!({ "line": at, "echo": echo })))
    };
    let pieces = paced((1..=last).map(line).collect(), request.number("interval_ms", 0));
    Reply::stream("application/x-ndjson", pieces)
}

const PERIOD: usize = 251;
static PATTERN: LazyLock<Bytes> =
    LazyLock::new(|| (0..=250_u8).cycle().take(PERIOD * 1024).collect::<Vec<u8>>().into());

/// `?n=SIZE&chunked=1&interval_ms=M`: byte number i is `i % 251`, however many.
pub(crate) fn bytes(request: &Request) -> Reply {
    let length = request.number("n", 1024);
    let pause = request.number("interval_ms", 0);
    let pieces = stream::unfold(length, move |left| async move {
        if left == 0 {
            return None;
        }
        if pause > 0 && left < length {
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(PATTERN.len());
        Some((Ok(PATTERN.slice(..take)), left - take as u64))
    });
    let framing = if request.flag("chunked") { Framing::Chunked } else { Framing::Length(length) };
    let framing = if request.flag("close") { Framing::Close } else { framing };
    Reply::stream("application/octet-stream", pieces.boxed()).framed(framing)
}

/// `?ms=M`: waits before the echo.
pub(crate) async fn slow(request: &mut Request) -> Reply {
    tokio::time::sleep(Duration::from_millis(request.number("ms", 100))).await;
    echo::described(request)
}

/// `?after=N`: so many bytes, then nothing more, and no end.
pub(crate) fn stall(request: &Request) -> Reply {
    let after = usize::try_from(request.number("after", 10)).unwrap_or(10);
    let first: Vec<u8> = PATTERN.iter().copied().cycle().take(after).collect();
    Reply::stream("application/octet-stream", stream::iter([Ok(first.into())]).chain(stream::pending()).boxed())
}
