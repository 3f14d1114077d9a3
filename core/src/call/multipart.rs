//! A `multipart/form-data` body (RFC 7578), streamed part by part.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use super::{Body, ByteStream};

/// The parts of a form with files.
#[derive(Debug)]
pub struct Multipart {
    boundary: String,
    parts: Vec<Part>,
}

/// One part: a field or a file.
#[derive(Debug)]
pub struct Part {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    body: Body,
}

impl Part {
    /// A part with the field name `name`.
    pub fn new(name: impl Into<String>, body: impl Into<Body>) -> Self {
        Self { name: name.into(), file_name: None, content_type: None, body: body.into() }
    }

    /// Makes the part a file. Its content type is `application/octet-stream` unless set.
    #[must_use]
    pub fn file_name(mut self, file_name: impl Into<String>) -> Self {
        self.file_name = Some(file_name.into());
        self
    }

    /// Sets the part's content type.
    #[must_use]
    pub fn content_type(mut self, media_type: impl Into<String>) -> Self {
        self.content_type = Some(media_type.into());
        self
    }

    fn head(&self, boundary: &str) -> String {
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&self.name));
        if let Some(file_name) = &self.file_name {
            head.push_str(&format!("; filename=\"{}\"", quoted(file_name)));
        }
        let media_type = self.content_type.as_deref().or(self.file_name.as_ref().map(|_| "application/octet-stream"));
        if let Some(media_type) = media_type {
            head.push_str(&format!("\r\nContent-Type: {}", quoted(media_type)));
        }
        head.push_str("\r\n\r\n");
        head
    }
}

impl Default for Multipart {
    fn default() -> Self {
        Self::new()
    }
}

impl Multipart {
    /// A form without parts.
    #[must_use]
    pub fn new() -> Self {
        Self { boundary: uuid::Uuid::new_v4().simple().to_string(), parts: Vec::new() }
    }

    /// Adds a part at the end.
    #[must_use]
    pub fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// The text between the parts.
    #[must_use]
    pub fn boundary(&self) -> &str {
        &self.boundary
    }

    /// One body: bytes where every part is at hand, a stream otherwise.
    pub(crate) fn into_body(self) -> Body {
        let mut pieces = VecDeque::new();
        for part in self.parts {
            pieces.push_back(Body::from(part.head(&self.boundary)));
            pieces.push_back(part.body);
            pieces.push_back(Body::from("\r\n"));
        }
        pieces.push_back(Body::from(format!("--{}--\r\n", self.boundary)));
        join(pieces)
    }
}

/// Several bodies as one, in order.
pub(crate) fn join(pieces: VecDeque<Body>) -> Body {
    let length = pieces.iter().try_fold(0_u64, |sum, piece| match piece {
        Body::Empty => Some(sum),
        Body::Bytes(bytes) => Some(sum + bytes.len() as u64),
        Body::Stream { length, .. } => length.map(|length| sum + length),
    });
    if pieces.iter().all(|piece| !matches!(piece, Body::Stream { .. })) {
        let mut bytes = Vec::new();
        for piece in pieces {
            if let Body::Bytes(piece) = piece {
                bytes.extend_from_slice(&piece);
            }
        }
        return Body::Bytes(bytes.into());
    }
    Body::Stream { chunks: ByteStream::new(Joined(pieces)), length }
}

struct Joined(VecDeque<Body>);

impl Stream for Joined {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.0.front_mut() {
                None => return Poll::Ready(None),
                Some(Body::Stream { chunks, .. }) => match Pin::new(chunks).poll_next(cx) {
                    Poll::Ready(None) => drop(self.0.pop_front()),
                    other => return other,
                },
                Some(_) => {
                    if let Some(Body::Bytes(bytes)) = self.0.pop_front() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
            }
        }
    }
}

/// Line ends and quotes are percent-encoded, as browsers do (WHATWG HTML, "multipart/form-data encoding algorithm").
pub(crate) fn quoted(text: &str) -> String {
    text.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}
