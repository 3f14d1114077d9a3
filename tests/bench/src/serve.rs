//! The API: HTTP/1.1 with keep-alive on loopback, 1 KiB of JSON for every request but those for events and bytes.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Result;

const LENGTH: usize = 1024;
/// What `/bytes` sends: 100 MiB in pieces.
const PIECE: usize = 64 << 10;
const PIECES: usize = 1600;
/// How long after the first event the second comes: an event that is held back is late by as much.
const EVENT_PAUSE: Duration = Duration::from_millis(3);
const FOR_EVER: Duration = Duration::from_secs(86_400);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Prints its port, and ends with its standard input.
pub(crate) fn run() -> Result<()> {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::abort(); // Nothing here is worth keeping.
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<()> {
    agentsecrets::broker::raise_open_files();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    let document = Bytes::from(document());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let document = document.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(request.uri().path(), &document);
                async move { Ok::<_, Infallible>(answer) }
            });
            // A client that goes away is no matter here.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(path: &str, document: &Bytes) -> Response<Body> {
    let (media, body) = match path {
        "/events" => ("text/event-stream", pieces(vec![event(1), event(2)], EVENT_PAUSE)),
        "/held" => ("text/event-stream", pieces(vec![event(1)], Duration::MAX)),
        "/bytes" => ("application/octet-stream", pieces(vec![Bytes::from(vec![b'x'; PIECE]); PIECES], Duration::ZERO)),
        _ => ("application/json", Full::new(document.clone()).boxed_unsync()),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(media));
    response
}

fn event(number: u32) -> Bytes {
    Bytes::from(format!("id: {number}\ndata: {{\"delta\":\"a few words of an answer\"}}\n\n"))
}

/// Pieces with a pause after each but the last; a pause without end holds the answer open.
fn pieces(pieces: Vec<Bytes>, pause: Duration) -> Body {
    let end = if pause == Duration::MAX { None } else { Some(pieces.len()) };
    let stream = futures_util::stream::unfold((0, pieces), move |(at, pieces)| async move {
        if end == Some(at) {
            return None;
        }
        if at > 0 && !pause.is_zero() {
            tokio::time::sleep(pause.min(FOR_EVER)).await;
        }
        let piece = pieces.get(at).cloned()?;
        Some((Ok(Frame::data(piece)), (at + 1, pieces)))
    });
    StreamBody::new(stream).boxed_unsync()
}

/// A document of exactly the length, as an API would answer it.
fn document() -> String {
    let mut text = String::from("{\"object\":\"list\",\"data\":[");
    let mut number = 0;
    while text.len() < LENGTH - 96 {
        text.push_str(&format!("{{\"id\":\"item_{number:04}\",\"amount\":{},\"currency\":\"usd\"}},", 1000 + number));
        number += 1;
    }
    let pad = LENGTH - text.len() - "{\"pad\":\"\"}]}".len();
    text.push_str(&format!("{{\"pad\":\"{}\"}}]}}", "x".repeat(pad)));
    text
}
