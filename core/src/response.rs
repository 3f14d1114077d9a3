//! What a caller may get: an answer with every known value taken out.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::SafeUrl;
use crate::secret_ref::SecretName;

mod upgraded;

pub use upgraded::Upgraded;
pub(crate) use upgraded::{Relay, Upgrade, Wire};

/// The name a redaction carries where the caller may not list the secret's own.
pub const UNNAMED: &str = "[REDACTED]";

/// What is known only when the last byte has been read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    pub(crate) redacted: Vec<SecretName>,
    pub(crate) unnamed: bool,
    pub(crate) trailers: HeaderMap,
    pub(crate) audit_incomplete: bool,
}

/// A body whose bytes are already free of values.
pub(crate) trait SafeBody: Send {
    /// The next bytes, `None` at the end.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>>;

    /// What is known so far; complete once `poll_chunk` has given `None`.
    fn tail(&self) -> Tail;

    /// Whether it is known, without reading, that there is nothing to read.
    fn is_over(&self) -> bool {
        false
    }

    /// Lets go of an answer that was looked at and is not handed over: a redirect that is followed, a failure that is
    /// tried again.
    fn pass_over(&mut self) {}
}

/// No body at all.
pub(crate) struct NoBody;

impl SafeBody for NoBody {
    fn poll_chunk(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        Poll::Ready(None)
    }

    fn tail(&self) -> Tail {
        Tail::default()
    }

    fn is_over(&self) -> bool {
        true
    }
}

/// An answer. Its body is read once, as a whole or as it comes; dropping it cancels the call.
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) url: SafeUrl,
    pub(crate) body: Box<dyn SafeBody>,
    pub(crate) max_response: u64,
    pub(crate) started: Instant,
    /// The connection, where the status is 101.
    pub(crate) upgrade: Option<Upgrade>,
}

impl Response {
    /// The upstream's status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The upstream's reason phrase, or the usual one of the status (HTTP/2 has none).
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reason.as_deref().or(self.status.canonical_reason()).unwrap_or_default()
    }

    /// The upstream's headers, redacted.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The URL that answered, after same-origin redirects.
    #[must_use]
    pub fn url(&self) -> &SafeUrl {
        &self.url
    }

    /// The names redacted so far; complete when the body has been read.
    #[must_use]
    pub fn redacted(&self) -> Vec<SecretName> {
        self.body.tail().redacted
    }

    /// The trailer fields, redacted; there are none before the body has been read.
    #[must_use]
    pub fn trailers(&self) -> HeaderMap {
        self.body.tail().trailers
    }

    /// Whether the record of this call's end could not be written; the next call is then refused.
    #[must_use]
    pub fn audit_incomplete(&self) -> bool {
        self.body.tail().audit_incomplete
    }

    /// The next piece of the body, `None` at its end.
    ///
    /// # Errors
    /// `upstream_unreachable` where the upstream breaks off, `timeout`, `undecodable_response`.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        std::future::poll_fn(|cx| self.body.poll_chunk(cx)).await.transpose()
    }

    /// The body as a stream of pieces.
    pub fn bytes_stream(self) -> impl Stream<Item = Result<Bytes>> + Send {
        Chunks(self)
    }

    /// The connection of a 101: what the call asked for with [`Call::websocket`](crate::Call::websocket).
    ///
    /// # Errors
    /// `invalid_call` where the status is another.
    pub fn upgrade(self) -> Result<Upgraded> {
        let none = || Error::new(ErrorCode::InvalidCall, "the response is no WebSocket");
        self.upgrade.map(Upgrade::into_stream).ok_or_else(none)
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// Those of [`chunk`](Self::chunk), and `response_too_large` past the call's limit.
    pub async fn buffered(mut self) -> Result<Buffered> {
        let mut content = match self.chunk().await? {
            None => Bytes::new(),
            Some(first) => first,
        };
        self.check_length(content.len())?;
        if let Some(second) = self.chunk().await? {
            let mut whole = BytesMut::from(content);
            let mut next = Some(second);
            while let Some(chunk) = next {
                self.check_length(whole.len() + chunk.len())?;
                whole.extend_from_slice(&chunk);
                next = self.chunk().await?;
            }
            content = whole.freeze();
        }
        let tail = self.body.tail();
        if self.headers.contains_key(header::CONTENT_LENGTH) && !content.is_empty() {
            self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(content.len()));
        }
        Ok(Buffered {
            reason: self.reason().to_owned(),
            status: self.status,
            headers: self.headers,
            url: self.url,
            content,
            redacted: tail.redacted,
            trailers: tail.trailers,
            audit_incomplete: tail.audit_incomplete,
            duration_ms: self.started.elapsed().as_secs_f64() * 1000.0,
        })
    }

    fn check_length(&self, length: usize) -> Result<()> {
        if length as u64 > self.max_response {
            return Err(too_large(self.max_response));
        }
        Ok(())
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// Those of [`buffered`](Self::buffered).
    pub async fn bytes(self) -> Result<Bytes> {
        Ok(self.buffered().await?.content)
    }

    /// Reads the body to its end, as text.
    ///
    /// # Errors
    /// Those of [`buffered`](Self::buffered).
    pub async fn text(self) -> Result<String> {
        Ok(self.buffered().await?.text())
    }

    /// Reads the body to its end, as JSON.
    ///
    /// # Errors
    /// Those of [`buffered`](Self::buffered), and `invalid_call` where the body is not JSON of this shape.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T> {
        self.buffered().await?.json()
    }

    /// This response, or `upstream_error` where its status is 4xx or 5xx.
    ///
    /// # Errors
    /// `upstream_error`.
    pub fn error_for_status(self) -> Result<Self> {
        match status_error(self.status, self.reason()) {
            None => Ok(self),
            Some(error) => Err(error),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} {})", self.status, self.url)
    }
}

struct Chunks(Response);

impl Stream for Chunks {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(ready!(self.0.body.poll_chunk(cx)))
    }
}

/// An answer whose body has been read.
#[derive(Clone)]
pub struct Buffered {
    /// The upstream's status.
    pub status: StatusCode,
    /// The upstream's reason phrase, or the usual one.
    pub reason: String,
    /// The upstream's headers, redacted; `content-length` is that of `content`.
    pub headers: HeaderMap,
    /// The URL that answered.
    pub url: SafeUrl,
    /// The body, decoded and redacted.
    pub content: Bytes,
    /// The names of the values that came back.
    pub redacted: Vec<SecretName>,
    /// The trailer fields, redacted.
    pub trailers: HeaderMap,
    /// Whether the record of this call's end could not be written.
    pub audit_incomplete: bool,
    /// From the call to the last byte, in milliseconds.
    pub duration_ms: f64,
}

impl Buffered {
    /// The body as text; what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `invalid_call` where the body is not JSON of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.content).map_err(|why| {
            Error::new(
                ErrorCode::InvalidCall,
                format!("the response is not the JSON asked for, at column {}", why.column()),
            )
        })
    }

    /// `upstream_error` where the status is 4xx or 5xx.
    ///
    /// # Errors
    /// `upstream_error`.
    pub fn error_for_status(&self) -> Result<()> {
        status_error(self.status, &self.reason).map_or(Ok(()), Err)
    }
}

impl fmt::Debug for Buffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} {}, {} bytes)", self.status, self.url, self.content.len())
    }
}

pub(crate) fn too_large(limit: u64) -> Error {
    Error::new(ErrorCode::ResponseTooLarge, format!("the response is longer than {limit} bytes"))
        .with_hint("stream the response, or raise max_response")
}

fn status_error(status: StatusCode, reason: &str) -> Option<Error> {
    (status.is_client_error() || status.is_server_error()).then(|| {
        Error::new(ErrorCode::UpstreamError, format!("the upstream answered {} {reason}", status.as_u16()))
            .with_retryable(matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504))
    })
}
