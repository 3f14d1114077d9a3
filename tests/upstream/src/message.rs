//! Requests and replies as the routes see them, the same for both HTTP versions.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::ticket::Ticket;

/// Where a request's body comes from.
pub(crate) trait Chunks: Send + Sync {
    /// The next piece; `None` at the end, an error where the client broke off.
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>>;
}

/// A request whose body may still be on its way.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) chunks: Box<dyn Chunks>,
    pub(crate) ticket: Ticket,
    pub(crate) body: Bytes,
    pub(crate) query: Vec<(String, Vec<u8>)>,
}

impl Request {
    pub(crate) fn path(&self) -> &str {
        let target = self.target.split('?').next().unwrap_or_default();
        // A proxy's absolute form: the path begins after the authority.
        match target.split_once("://") {
            Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => target,
        }
    }

    /// The next piece of the body, which is recorded on the way.
    pub(crate) async fn next_chunk(&mut self) -> Option<io::Result<Bytes>> {
        match self.chunks.next().await {
            Some(Ok(chunk)) => {
                self.ticket.body(&chunk);
                Some(Ok(chunk))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.ticket.body_ended();
                None
            }
        }
    }

    /// Reads the whole body into `self.body`.
    pub(crate) async fn read_all(&mut self) -> io::Result<()> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.next_chunk().await {
            whole.extend_from_slice(&chunk?);
        }
        self.body = whole.freeze();
        Ok(())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let found = self.query.iter().find(|(key, _)| key == name)?;
        Some(String::from_utf8_lossy(&found.1).into_owned())
    }

    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.param(name).and_then(|text| parse_size(&text)).unwrap_or(default)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.param(name).is_some_and(|text| !matches!(text.as_str(), "0" | "false" | "no"))
    }
}

/// The decoded pairs of `a=1&b=2`, with `+` for a space.
pub(crate) fn parse_pairs(text: &str) -> Vec<(String, Vec<u8>)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).collect::<Vec<u8>>();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (String::from_utf8_lossy(&decode(key)).into_owned(), decode(value))
        })
        .collect()
}

/// `10`, `64k`, `5m`, `1g`.
fn parse_size(text: &str) -> Option<u64> {
    let shift = match text.chars().last()?.to_ascii_lowercase() {
        'k' => 10,
        'm' => 20,
        'g' => 30,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1].parse::<u64>().ok()?.checked_shl(shift)
}

/// The body of a reply.
pub(crate) enum Payload {
    Full(Bytes),
    /// Pieces, each written and flushed alone; an error breaks the connection (HTTP/1.1) or the stream (HTTP/2) off.
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `content-length` for a full body, chunks otherwise.
    Auto,
    /// This `content-length`, whatever the body is.
    Length(u64),
    /// Chunks (a plain stream in HTTP/2).
    Chunked,
    /// By closing the connection (a plain stream in HTTP/2).
    Close,
}

/// What a route answers.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) payload: Payload,
    pub(crate) framing: Framing,
    pub(crate) trailers: Vec<(String, Vec<u8>)>,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            reason: None,
            headers: vec![("content-type".to_owned(), content_type.as_bytes().to_vec())],
            payload: Payload::Full(body.into()),
            framing: Framing::Auto,
            trailers: Vec::new(),
        }
    }

    pub(crate) fn text(body: impl Into<Bytes>) -> Self {
        Self::new(200, "text/plain; charset=utf-8", body)
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(crate) fn refuse(status: u16, message: &str) -> Self {
        Self::json(status, &serde_json::json!({ "error": message }))
    }

    pub(crate) fn stream(content_type: &str, stream: BoxStream<'static, io::Result<Bytes>>) -> Self {
        let mut reply = Self::new(200, content_type, Bytes::new());
        reply.payload = Payload::Stream(stream);
        reply
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn framed(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }
}
