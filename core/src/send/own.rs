//! Requests of our own, to the server of a shared workspace: none has a value of a secret in it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::address::AddressScope;
use super::{AGENT, Sender, Unsent, send_error, uri_of};
use crate::call::Body;
use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::Origin;

/// How long a request may take from its first byte to the answer's last.
const LIMIT: Duration = Duration::from_secs(60);
/// How long an answer that has begun may be silent.
const SILENCE: Duration = Duration::from_secs(10);

/// A request with its body at hand.
pub(crate) struct OwnRequest {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The whole of an answer.
pub(crate) struct OwnAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Sender {
    /// Sends a request and reads its answer, of at most `most` bytes.
    ///
    /// # Errors
    /// `upstream_unreachable`, `timeout`, `response_too_large`.
    pub(crate) async fn exchange(&self, origin: &Origin, request: OwnRequest, most: usize) -> Result<OwnAnswer> {
        let late = |_| Error::new(ErrorCode::Timeout, format!("{} did not answer in a minute", origin.authority()));
        tokio::time::timeout(LIMIT, self.exchanged(origin, request, most)).await.map_err(late)?
    }

    async fn exchanged(&self, origin: &Origin, request: OwnRequest, most: usize) -> Result<OwnAnswer> {
        let (pool, _place) = self.lanes(origin, scope_of(origin)).enter();
        let mut sent = Request::new(if request.body.is_empty() { Body::Empty } else { Body::Bytes(request.body) });
        *sent.method_mut() = request.method;
        *sent.uri_mut() = uri_of(origin, Bytes::from(request.target))?;
        *sent.version_mut() = Version::HTTP_11;
        *sent.headers_mut() = request.headers;
        sent.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        let unsent = |why| match why {
            Unsent::Failed(why) => why,
            Unsent::Address(_) => Error::new(
                ErrorCode::UpstreamUnreachable,
                format!("{} has an address where no server of a workspace is", origin.authority()),
            )
            .with_retryable(false),
        };
        let answer = pool.request(sent).await.map_err(|why| unsent(send_error(&why)))?;
        let (parts, body) = answer.into_parts();
        let (mut body, mut read) = (Limited::new(body, most), BytesMut::new());
        let silent = |_| Error::new(ErrorCode::Timeout, format!("{} stopped in its answer", origin.authority()));
        while let Some(frame) = tokio::time::timeout(SILENCE, body.frame()).await.map_err(silent)? {
            let frame = frame.map_err(|why| {
                if why.is::<LengthLimitError>() {
                    let message = format!("{} answers with more than it may", origin.authority());
                    return Error::new(ErrorCode::ResponseTooLarge, message);
                }
                Error::new(ErrorCode::UpstreamUnreachable, format!("{} broke off its answer", origin.authority()))
            })?;
            read.extend_from_slice(frame.data_ref().map(AsRef::as_ref).unwrap_or_default());
        }
        Ok(OwnAnswer { status: parts.status, body: read.freeze() })
    }
}

/// A human named the server, so it may be in a private network; never where a cloud keeps its metadata.
fn scope_of(origin: &Origin) -> AddressScope {
    origin.address().map_or(AddressScope::PrivateAllowed, AddressScope::Exactly)
}
