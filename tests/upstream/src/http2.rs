//! HTTP/2, by hyper.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::message::{Chunks, Framing, Payload, Reply, Request, parse_pairs};
use crate::record::Outcome;
use crate::routes::Router;
use crate::ticket::{Head, Ticket};

type Body = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

/// Serves one connection until either side ends it.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, router: Router) {
    let router = Arc::new(router);
    let service = service_fn(move |request| {
        let router = Arc::clone(&router);
        async move { Ok::<_, Infallible>(answer(&router, request).await) }
    });
    let _ = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .max_header_list_size(4 << 20)
        .max_send_buf_size(1 << 20)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(router: &Router, request: http::Request<Incoming>) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    if let Some(authority) = parts.uri.authority() {
        headers.push((":authority".to_owned(), authority.as_str().as_bytes().to_vec()));
    }
    let sent = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    headers.extend(sent);
    let ticket = Ticket::open(
        &router.connection,
        &Head { version: "HTTP/2", method: parts.method.as_str(), target: &target, headers: &headers, raw: b"" },
    );
    let query = parse_pairs(target.split_once('?').map_or("", |(_, query)| query));
    let request = Request {
        method: parts.method.as_str().to_owned(),
        target,
        headers,
        chunks: Box::new(Streamed(body)),
        ticket,
        body: Bytes::new(),
        query,
    };
    let head_only = parts.method == http::Method::HEAD;
    let (reply, ticket) = router.answer(request).await;
    respond(reply, ticket, head_only)
}

fn respond(reply: Reply, ticket: Ticket, head_only: bool) -> http::Response<Body> {
    let mut response = http::Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or(http::StatusCode::IM_A_TEAPOT);
    *response.headers_mut() = header_map(&reply.headers);
    let length = match (reply.framing, &reply.payload) {
        (Framing::Length(length), _) => Some(length),
        (Framing::Auto, Payload::Full(body)) if reply.trailers.is_empty() => Some(body.len() as u64),
        _ => None,
    };
    if let Some(length) = length.filter(|_| reply.status != 204) {
        response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    let bodiless = head_only || matches!(reply.status, 204 | 304);
    let pieces = match reply.payload {
        _ if bodiless => stream::empty().boxed(),
        Payload::Full(body) => stream::iter([Ok(body)]).boxed(),
        Payload::Stream(pieces) => pieces,
    };
    let trailers = (!reply.trailers.is_empty()).then(|| header_map(&reply.trailers));
    response.map(|()| StreamBody::new(frames(pieces, trailers, ticket)))
}

/// The pieces as frames; the ticket ends with the last of them.
fn frames(
    pieces: BoxStream<'static, io::Result<Bytes>>,
    trailers: Option<HeaderMap>,
    ticket: Ticket,
) -> BoxStream<'static, io::Result<Frame<Bytes>>> {
    stream::unfold((pieces, trailers, ticket), |(mut pieces, mut trailers, mut ticket)| async move {
        let frame = match pieces.next().await {
            Some(Ok(piece)) => Ok(Frame::data(piece)),
            Some(Err(error)) => {
                ticket.finish(Outcome::BrokenOff);
                Err(error)
            }
            None => {
                ticket.finish(Outcome::Answered);
                Ok(Frame::trailers(trailers.take()?))
            }
        };
        Some((frame, (pieces, trailers, ticket)))
    })
    .boxed()
}

/// HTTP/2 has no place for header bytes that the library refuses; such headers are left out.
fn header_map(headers: &[(String, Vec<u8>)]) -> HeaderMap {
    headers
        .iter()
        .filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value).ok()?)))
        .collect()
}

struct Streamed(Incoming);

impl Chunks for Streamed {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        async {
            loop {
                match self.0.frame().await? {
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => return Some(Ok(data)),
                        Err(_trailers) => continue,
                    },
                    Err(error) => return Some(Err(io::Error::other(error))),
                }
            }
        }
        .boxed()
    }
}
