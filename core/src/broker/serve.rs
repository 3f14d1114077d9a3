//! The engine's side of the socket: one request in, one answer out. Listening and living are the daemon's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response as HttpResponse, StatusCode, header};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::protocol::{
    ANSWER, ASK_PATH, AnswerHeader, CALL, CallHeader, ERROR, FINISH_PATH, Finish, MAJOR, SET_PATH, TAIL, TailHeader,
    broken, json_header, status_of, strip_hop,
};
use crate::call::{Body, ByteStream};
use crate::control::{Question, SetRequest, WireError};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::resolve::SecretInput;
use crate::response::{Response, SafeBody};

/// The longest question, in bytes: names and rules, never bodies.
const MAX_QUESTION: usize = 1 << 20;
/// The longest body that is held to be changed or sent again, in bytes.
const MAX_HELD: usize = 64 << 20;
/// How much of a buffered answer is gathered before it is sent, in bytes: small answers cross in one write.
const GATHER: usize = 256 << 10;

/// The engine as it answers on the socket.
#[derive(Clone)]
pub struct Service {
    engine: Arc<Engine>,
    finish: tokio::sync::mpsc::UnboundedSender<Finish>,
}

impl Service {
    /// A service over `engine`, that says on `finish` when the broker is told to end.
    #[must_use]
    pub fn new(engine: Arc<Engine>, finish: tokio::sync::mpsc::UnboundedSender<Finish>) -> Self {
        Self { engine, finish }
    }

    /// Answers one request; an error is an answer too.
    pub async fn answer(&self, request: Request<Incoming>) -> HttpResponse<AnswerBody> {
        let answered = if request.headers().contains_key(CALL) && request.uri().scheme().is_some() {
            self.call(request).await
        } else {
            self.question(request).await
        };
        answered.unwrap_or_else(|error| refusal(&error))
    }

    async fn call(&self, request: Request<Incoming>) -> Result<HttpResponse<AnswerBody>> {
        let (mut call, selection, whole) = CallHeader::read(&request)?;
        let asked = call.url.clone();
        let buffered = call.buffered;
        call.body = if whole && wants_whole(&call, request.body()) {
            gathered(request.into_body()).await?
        } else {
            received(request.into_body())
        };
        let response = self.engine.call(call, &selection).await?;
        answer(response, &asked, buffered).await
    }

    async fn question(&self, request: Request<Incoming>) -> Result<HttpResponse<AnswerBody>> {
        let (parts, body) = request.into_parts();
        let value = match (&parts.method, parts.uri.path()) {
            (&Method::POST, ASK_PATH) => {
                let question: Question = serde_json::from_slice(&limited(body).await?)
                    .map_err(|_| broken("the question is not readable"))?;
                self.engine.ask(&question).await?
            }
            (&Method::POST, SET_PATH) => {
                let said = parts.headers.get(CALL).ok_or_else(|| broken("the set header is missing"))?;
                let said: SetRequest =
                    serde_json::from_slice(said.as_bytes()).map_err(|_| broken("the set header is not readable"))?;
                let value = SecretInput::from_bytes(Vec::from(limited(body).await?))?;
                serde_json::to_value(self.engine.set(&said, value).await?)
                    .map_err(|_| broken("an answer cannot be written"))?
            }
            (&Method::POST, FINISH_PATH) => {
                let how: Finish = serde_json::from_slice(&limited(body).await?)
                    .map_err(|_| broken("the question is not readable"))?;
                let obeys = how != Finish::GiveWay || self.engine.is_locked();
                if obeys {
                    let _ = self.finish.send(how);
                }
                obeys.into()
            }
            _ => return Err(broken("there is nothing at this path")),
        };
        let text = serde_json::to_vec(&value).map_err(|_| broken("an answer cannot be written"))?;
        Ok(plain(StatusCode::OK, HeaderMap::new(), text.into()))
    }
}

/// The upstream's answer as it crosses the socket.
async fn answer(mut response: Response, asked: &crate::SafeUrl, buffered: bool) -> Result<HttpResponse<AnswerBody>> {
    let gathered = if buffered { gather(&mut response).await? } else { Gathered::default() };
    let mut headers = std::mem::take(&mut response.headers);
    strip_hop(&mut headers);
    let said = AnswerHeader {
        v: MAJOR,
        url: (response.url != *asked).then(|| response.url.to_wire()),
        reason: response.reason.take(),
    };
    headers.insert(ANSWER, json_header(&said)?);
    if gathered.complete {
        headers.insert(TAIL, json_header(&TailHeader::of(&response.body.tail(), None))?);
        // An empty body may be that of a HEAD, whose length header speaks of the GET.
        if !gathered.bytes.is_empty() {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(gathered.bytes.len()));
        }
        return Ok(plain(response.status, headers, gathered.bytes));
    }
    headers.insert(header::TRAILER, HeaderValue::from_static("agentsecrets-tail"));
    headers.remove(header::CONTENT_LENGTH);
    let body =
        AnswerBody(State::Streaming { first: Some(gathered.bytes).filter(|b| !b.is_empty()), body: response.body });
    Ok(assembled(response.status, headers, body))
}

#[derive(Default)]
struct Gathered {
    bytes: Bytes,
    complete: bool,
}

async fn gather(response: &mut Response) -> Result<Gathered> {
    let Some(first) = response.chunk().await? else { return Ok(Gathered { bytes: Bytes::new(), complete: true }) };
    let mut whole = BytesMut::new();
    let mut bytes = first;
    while whole.len() + bytes.len() < GATHER {
        match response.chunk().await? {
            Some(next) => {
                whole.extend_from_slice(&bytes);
                bytes = next;
            }
            None if whole.is_empty() => return Ok(Gathered { bytes, complete: true }),
            None => {
                whole.extend_from_slice(&bytes);
                return Ok(Gathered { bytes: whole.freeze(), complete: true });
            }
        }
    }
    whole.extend_from_slice(&bytes);
    Ok(Gathered { bytes: whole.freeze(), complete: false })
}

fn plain(status: StatusCode, headers: HeaderMap, bytes: Bytes) -> HttpResponse<AnswerBody> {
    assembled(status, headers, AnswerBody(State::Whole(bytes)))
}

fn assembled(status: StatusCode, headers: HeaderMap, body: AnswerBody) -> HttpResponse<AnswerBody> {
    let mut answer = HttpResponse::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

fn refusal(error: &Error) -> HttpResponse<AnswerBody> {
    let mut headers = HeaderMap::new();
    if let Ok(value) = json_header(&WireError::of(error)) {
        headers.insert(ERROR, value);
    }
    plain(status_of(error), headers, Bytes::from(format!("{error}\n")))
}

/// Whether a body at hand is better held than passed through: a value goes into it, or it may be sent again.
fn wants_whole(call: &crate::Call, body: &Incoming) -> bool {
    let into_body =
        |injection: &crate::Injection| matches!(injection.auth, crate::Auth::BodyField(_) | crate::Auth::FormField(_));
    let is_short = http_body::Body::size_hint(body).exact().is_some_and(|length| length <= GATHER as u64);
    !http_body::Body::is_end_stream(body) && (is_short || call.retries > 0 || call.injections.iter().any(into_body))
}

/// The caller's body, held.
async fn gathered(body: Incoming) -> Result<Body> {
    match Limited::new(body, MAX_HELD).collect().await {
        Ok(whole) => Ok(Body::Bytes(whole.to_bytes())),
        Err(why) if why.is::<LengthLimitError>() => {
            Err(Error::new(crate::ErrorCode::InvalidCall, "the body is too long to be changed or sent again")
                .with_hint("send it without retries, and the value in a header"))
        }
        Err(_) => Err(Error::new(crate::ErrorCode::Cancelled, "the caller broke off its body")),
    }
}

/// The caller's body, as it comes through the socket.
fn received(body: Incoming) -> Body {
    match http_body::Body::size_hint(&body).exact() {
        Some(0) => Body::Empty,
        length => Body::Stream { chunks: ByteStream::new(Received(body)), length },
    }
}

struct Received(Incoming);

impl Stream for Received {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(http_body::Body::poll_frame(Pin::new(&mut self.0), cx)) {
                None => return Poll::Ready(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => {}
                },
                Some(Err(_)) => return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionAborted.into()))),
            }
        }
    }
}

async fn limited(body: Incoming) -> Result<Bytes> {
    match Limited::new(body, MAX_QUESTION).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(why) if why.is::<LengthLimitError>() => Err(broken("the question is too long")),
        Err(_) => Err(broken("the question broke off")),
    }
}

/// An answer's body on its way to the caller, with what is known only at its end as a trailer field.
pub struct AnswerBody(State);

enum State {
    Whole(Bytes),
    Streaming { first: Option<Bytes>, body: Box<dyn SafeBody> },
    Done,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let (error, tail) = match &mut self.0 {
            State::Done => return Poll::Ready(None),
            State::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = State::Done;
                return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
            }
            State::Streaming { first, body } => match first.take() {
                Some(first) => return Poll::Ready(Some(Ok(Frame::data(first)))),
                None => match ready!(body.poll_chunk(cx)) {
                    Some(Ok(chunk)) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                    Some(Err(error)) => (Some(error), body.tail()),
                    None => (None, body.tail()),
                },
            },
        };
        self.0 = State::Done;
        let mut trailers = HeaderMap::new();
        if let Ok(value) = json_header(&TailHeader::of(&tail, error.as_ref())) {
            trailers.insert(TAIL, value);
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Whole(bytes) => bytes.is_empty(),
            State::Streaming { .. } => false,
            State::Done => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            State::Streaming { .. } => SizeHint::default(),
            State::Done => SizeHint::with_exact(0),
        }
    }
}
