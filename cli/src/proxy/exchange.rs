//! From a request to a call, and from its response to an answer: the one way of all three proxies.

use std::pin::pin;
use std::time::Duration;

use agentsecrets::{Call, Client, Error, ErrorCode, Response, Result, Upgraded};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::time::timeout;

use super::refusal::Answer;
use super::upload::Upload;

/// What begins the headers that are said to us and to nobody else.
pub(super) const OURS: &str = "x-as-";
/// How long a call may wait for its answer. The program behind the proxy has its own patience, and its going away ends
/// the call.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// How long one way of a socket may go on after the other has ended.
const LAST_WORDS: Duration = Duration::from_secs(10);
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

/// Sends the call with the request's body, which goes on as it comes. A WebSocket goes on over the request's connection.
pub(super) async fn pass(client: &Client, mut call: Call, upload: Upload, socket: Option<OnUpgrade>) -> Result<Answer> {
    if socket.is_some() {
        call.websocket()?;
    }
    call.body(upload.body());
    match client.send(call).await {
        Ok(response) => answer_to(response, socket),
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

/// The connection of a request that asks for a WebSocket (RFC 6455, section 4.1). Over HTTP/2 none is asked for, as we
/// do not say that it can be (RFC 8441, section 3).
pub(super) fn socket_of<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    let asks = |name: &HeaderName, word: &str| {
        let mut lists = request.headers().get_all(name).iter().filter_map(|list| list.to_str().ok());
        lists.any(|list| list.split(',').any(|said| said.trim().eq_ignore_ascii_case(word)))
    };
    let asked = asks(&header::UPGRADE, "websocket") && asks(&header::CONNECTION, "upgrade");
    asked.then(|| hyper::upgrade::on(request))
}

/// The answer, with the socket that it opens joined to the program's connection.
fn answer_to(response: Response, socket: Option<OnUpgrade>) -> Result<Answer> {
    let (Some(socket), StatusCode::SWITCHING_PROTOCOLS) = (socket, response.status()) else {
        return Ok(answer_of(response));
    };
    let mut answer = Answer::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = response.headers().clone();
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let stream = response.upgrade()?;
    drop(tokio::spawn(async move {
        if let Ok(program) = socket.await {
            join(TokioIo::new(program), stream).await;
        }
    }));
    Ok(answer)
}

/// Passes bytes on both ways until one side ends, and what is under way the other way for a little longer.
async fn join(program: impl AsyncRead + AsyncWrite, stream: Upgraded) {
    let ((mut from_program, mut to_program), (mut from_stream, mut to_stream)) = (split(program), split(stream));
    let up = async {
        let _ = copy(&mut from_program, &mut to_stream).await;
        let _ = to_stream.shutdown().await;
    };
    let down = async {
        let _ = copy(&mut from_stream, &mut to_program).await;
        let _ = to_program.shutdown().await;
    };
    let (mut up, mut down) = (pin!(up), pin!(down));
    let _ = tokio::select! {
        () = &mut up => timeout(LAST_WORDS, down).await,
        () = &mut down => timeout(LAST_WORDS, up).await,
    };
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
