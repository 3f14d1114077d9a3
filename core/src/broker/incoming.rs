//! Bodies that come in over the socket: a call's, a question, values.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::protocol::broken;
use crate::call::{Body, ByteStream};
use crate::control::SetManyRequest;
use crate::error::Result;
use crate::resolve::SecretInput;

/// The longest question, in bytes: names and rules, never bodies.
const MAX_QUESTION: usize = 1 << 20;
/// The longest body kept for a retry or redirect, in bytes; a longer one is passed on as it comes.
const MAX_REPLAYED: u64 = 8 << 20;
/// The longest body that a value is written into, in bytes.
const MAX_EDITED: u64 = 64 << 20;
/// The most values that are set at once, in bytes.
const MAX_SET: usize = 64 << 20;

/// The caller's body: read first where the caller has it whole and it is to be edited or may be sent again, else as it
/// comes through the socket.
pub(super) async fn received(body: Incoming, whole: bool, edited: bool) -> Result<Body> {
    match http_body::Body::size_hint(&body).exact() {
        Some(0) => Ok(Body::Empty),
        Some(length) if whole && length <= if edited { MAX_EDITED } else { MAX_REPLAYED } => {
            let whole = body.collect().await.map_err(|_| broken("the caller's body broke off"))?;
            Ok(Body::Bytes(whole.to_bytes()))
        }
        length => Ok(Body::Stream { chunks: ByteStream::new(Received(Some(body))), length }),
    }
}

/// A body as it comes; what is left of it when nobody wants it any more is read and dropped. A caller that is still
/// sending would find a closed connection otherwise, and not the answer that lies in it.
struct Received(Option<Incoming>);

/// How much of a body nobody wants is read, in bytes, and for how long.
const MAX_UNWANTED: u64 = 64 << 20;
const UNWANTED_FOR: Duration = Duration::from_secs(10);

impl Drop for Received {
    fn drop(&mut self) {
        let (Some(mut rest), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) else { return };
        if http_body::Body::is_end_stream(&rest) {
            return;
        }
        let read = async move {
            let mut left = MAX_UNWANTED;
            while let Some(Ok(frame)) = rest.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(less) = left.checked_sub(length) else { break };
                left = less;
            }
        };
        runtime.spawn(tokio::time::timeout(UNWANTED_FOR, read));
    }
}

impl Stream for Received {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(body) = &mut self.0 else { return Poll::Ready(None) };
            match ready!(http_body::Body::poll_frame(Pin::new(body), cx)) {
                None => {
                    self.0 = None;
                    return Poll::Ready(None);
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => {}
                },
                Some(Err(_)) => return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionAborted.into()))),
            }
        }
    }
}

/// The names of a request and the values behind them.
pub(super) fn parse_many(whole: &[u8]) -> Result<(SetManyRequest, Vec<SecretInput>)> {
    let cut = || broken("the values are cut off");
    let (length, rest) = whole.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut())?;
    let (text, mut rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    let said: SetManyRequest = serde_json::from_slice(text).map_err(|_| broken("the set request is not readable"))?;
    let mut values = Vec::with_capacity(said.lengths.len());
    for length in &said.lengths {
        let (value, after) = rest.split_at_checked(*length).ok_or_else(cut)?;
        values.push(SecretInput::from_bytes(value.to_vec())?);
        rest = after;
    }
    if rest.is_empty() { Ok((said, values)) } else { Err(broken("there are more values than names")) }
}

pub(super) async fn limited(body: Incoming) -> Result<Bytes> {
    collected(body, MAX_QUESTION).await
}

async fn collected(body: Incoming, limit: usize) -> Result<Bytes> {
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(why) if why.is::<LengthLimitError>() => Err(broken("the question is too long")),
        Err(_) => Err(broken("the question broke off")),
    }
}

/// The names and values of a request to set many.
pub(super) async fn many(body: Incoming) -> Result<(SetManyRequest, Vec<SecretInput>)> {
    parse_many(&collected(body, MAX_SET).await?)
}
