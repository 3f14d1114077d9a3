//! From a request to a call, and from its response to an answer: the one way of all three proxies.

use std::time::Duration;

use agentsecrets::{Call, Client, Error, ErrorCode, Response, Result};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request};
use http_body::Frame;
use http_body_util::{BodyExt, Limited, StreamBody};
use hyper::body::Incoming;

use super::refusal::Answer;
use super::upload::Upload;

/// What begins the headers that are said to us and to nobody else.
pub(super) const OURS: &str = "x-as-";
/// How long a call may wait for its answer. The program behind the proxy has its own patience, and its going away ends
/// the call.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest body that a value is written into, in bytes.
const MAX_EDITED: usize = 64 << 20;

/// The call a request asks for, without its body: each redirect is the program's own to follow.
pub(super) fn call_of(method: Method, url: &str, headers: &HeaderMap) -> Result<Call> {
    let mut call = Call::new(method, url)?;
    call.redirects(false);
    call.timeout(PATIENCE);
    let hop = named_by_connection(headers);
    let mut cookies = Vec::new();
    for (name, value) in headers {
        if name == header::UPGRADE || name.as_str().starts_with(OURS) || hop.contains(name) {
            continue;
        }
        // HTTP/2 splits what HTTP/1.1 sends as one line (RFC 9113, section 8.2.3).
        if name == header::COOKIE {
            cookies.push(value.as_bytes());
            continue;
        }
        call.header(name.as_str(), value.as_bytes())?;
    }
    if !cookies.is_empty() {
        call.header("cookie", &cookies.join(&b"; "[..]))?;
    }
    Ok(call)
}

/// Sends the call with the request's body, which goes on as it comes.
pub(super) async fn pass(client: &Client, mut call: Call, upload: Upload) -> Result<Answer> {
    call.body(upload.body());
    match client.send(call).await {
        Ok(response) => Ok(answer_of(response)),
        Err(error) => {
            upload.pass_over().await;
            Err(error)
        }
    }
}

/// Sends the call with the request's body, read first because a value is written into it.
pub(super) async fn pass_whole(client: &Client, mut call: Call, body: Incoming, form: bool) -> Result<Answer> {
    let broken = |_| Error::new(ErrorCode::InvalidCall, "the body broke off, or is too long to write a value into");
    let text = Limited::new(body, MAX_EDITED).collect().await.map_err(broken)?.to_bytes();
    if !text.is_empty() {
        call.body(text);
    } else if form {
        call.form::<&str, &str>([]);
    } else {
        call.json("{}");
    }
    Ok(answer_of(client.send(call).await?))
}

/// Whether a request asks for a WebSocket (RFC 6455, section 4.1; RFC 8441 for HTTP/2).
pub(super) fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    let upgrade = request.headers().get_all(header::UPGRADE).iter();
    request.extensions().get::<hyper::ext::Protocol>().is_some()
        || upgrade.filter_map(|value| value.to_str().ok()).any(|value| value.to_ascii_lowercase().contains("websocket"))
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    let lists = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
}

fn answer_of(response: Response) -> Answer {
    let (status, mut headers) = (response.status(), response.headers().clone());
    // Another protocol would lead past us.
    headers.remove("alt-svc");
    let reason = hyper::ext::ReasonPhrase::try_from(response.reason().as_bytes()).ok();
    let mut answer = Answer::new(StreamBody::new(frames(response)).boxed_unsync());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    if let Some(reason) = reason.filter(|reason| Some(reason.as_ref()) != status.canonical_reason().map(str::as_bytes))
    {
        answer.extensions_mut().insert(reason);
    }
    answer
}

/// The response's body and then its trailers; letting go of it cancels the call.
fn frames(response: Response) -> impl Stream<Item = std::io::Result<Frame<Bytes>>> + Send {
    stream::unfold(Some(response), |state| async move {
        let mut response = state?;
        match response.chunk().await {
            Ok(Some(bytes)) => Some((Ok(Frame::data(bytes)), Some(response))),
            Ok(None) => {
                let trailers = response.trailers();
                (!trailers.is_empty()).then(|| (Ok(Frame::trailers(trailers)), None))
            }
            Err(error) => Some((Err(std::io::Error::other(error.to_string())), None)),
        }
    })
}
