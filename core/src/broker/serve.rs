//! The engine's side of the socket: one request in, one answer out. Listening and living are the daemon's.

mod body;
mod guest;

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response as HttpResponse, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

pub use body::AnswerBody;

use super::incoming::{limited, many, received};
use super::peer::peer_pid;
use super::protocol::{
    ANSWER, ASK_PATH, AnswerHeader, CALL, CallHeader, DOOR_PATH, ENROL_PATH, ERROR, FINISH_PATH, Finish, MAJOR,
    SET_MANY_PATH, SET_PATH, TAIL, TailHeader, broken, json_header, status_of,
};
use crate::call::{Auth, Style};
use crate::control::{Ask, Question, SetRequest, WireError};
use crate::engine::Engine;
use crate::engine::gate::{Gate, Peer};
use crate::error::{Error, ErrorCode, Result};
use crate::release::DoorRequest;
use crate::resolve::{SecretInput, in_background};
use crate::response::Response;

/// How much of a buffered answer is gathered before it is sent, in bytes: small answers cross in one write.
const GATHER: usize = 256 << 10;

/// The longest request for a door, in bytes: it holds the caller's environment.
const MAX_DOOR: usize = 4 << 20;
/// How long the descriptors of a door may take to come.
const PASSING: Duration = Duration::from_secs(5);

/// The engine as it answers on the socket.
#[derive(Clone)]
pub struct Service {
    engine: Arc<Engine>,
    finish: tokio::sync::mpsc::UnboundedSender<Finish>,
    looks: Option<tokio::sync::mpsc::UnboundedSender<Look>>,
    peer: Peer,
    /// How many connections there are at most, where this is one more.
    full: Option<usize>,
    /// What the connection holds while it lives, as HTTP or as what it became.
    held: Held,
}

/// Something that counts as long as it is not dropped.
pub(super) type Held = Option<Arc<dyn std::any::Any + Send + Sync>>;

/// A word that the shared sockets are to be looked at again; it is answered when that is done.
pub type Look = tokio::sync::oneshot::Sender<()>;

impl Service {
    /// A service over `engine`, that says on `finish` when the broker is told to end.
    #[must_use]
    pub fn new(engine: Arc<Engine>, finish: tokio::sync::mpsc::UnboundedSender<Finish>) -> Self {
        Self { engine, finish, looks: None, peer: Peer::default(), full: None, held: None }
    }

    /// The same service, that says on `looks` when shares may have changed.
    #[must_use]
    pub fn with_shares(self, looks: tokio::sync::mpsc::UnboundedSender<Look>) -> Self {
        Self { looks: Some(looks), ..self }
    }

    /// The same service for those who come in by a shared socket: one for all agents where it is the system's.
    #[must_use]
    pub fn shared(&self, id: &str, system: bool) -> Self {
        Self { peer: Peer { pid: None, gate: Gate::share(id, system) }, ..self.clone() }
    }

    /// The same service, for the process at the other end of this socket.
    #[must_use]
    pub fn of(&self, socket: BorrowedFd<'_>) -> Self {
        Self { peer: Peer { pid: peer_pid(socket), gate: self.peer.gate.clone() }, ..self.clone() }
    }

    /// The same service on a connection too many: questions are answered, and calls refused.
    #[must_use]
    pub fn without_room(self, most: usize) -> Self {
        Self { full: Some(most), ..self }
    }

    /// The same service, that keeps something for as long as its connection lives: longer than HTTP is spoken there, where
    /// it becomes a WebSocket or a door.
    #[must_use]
    pub fn holding<T: Send + Sync + 'static>(self, held: Arc<T>) -> Self {
        Self { held: Some(held), ..self }
    }

    /// Answers one request; an error is an answer too.
    pub async fn answer(&self, request: Request<Incoming>) -> HttpResponse<AnswerBody> {
        if matches!(self.peer.gate, Gate::Share { .. }) {
            return self.answer_guest(request).await;
        }
        let answered = if request.uri().path() == DOOR_PATH && request.headers().contains_key(header::UPGRADE) {
            self.door(request).await
        } else if is_call(&request) {
            self.call(request).await
        } else {
            self.question(request).await
        };
        answered.unwrap_or_else(|error| refusal(&error))
    }

    async fn call(&self, mut request: Request<Incoming>) -> Result<HttpResponse<AnswerBody>> {
        self.full.map_or(Ok(()), |most| Err(too_many(most)))?;
        let (mut call, selection, whole) = CallHeader::read(&request)?;
        let asked = call.url.clone();
        let buffered = call.buffered;
        // A stranger's body is not even read.
        let entrant = self.engine.let_in(&call, &selection, &self.peer)?;
        let edited = call.injections.iter().any(|injection| in_body(&injection.auth));
        let stream = call.websocket.is_some().then(|| hyper::upgrade::on(&mut request));
        call.body = received(request.into_body(), whole, edited).await?;
        let mut response = self.engine.call(call, entrant).await?;
        let upgraded = response.upgrade.take().zip(stream);
        let mut answer = answer(response, &asked, buffered).await?;
        if let Some((upgrade, stream)) = upgraded {
            super::stream::relay(&mut answer, upgrade, stream, self.held.clone());
        }
        Ok(answer)
    }

    /// Agrees to a conversation about a door; everything else, a refusal too, is said in it.
    async fn door(&self, mut request: Request<Incoming>) -> Result<HttpResponse<AnswerBody>> {
        let body = Limited::new(request.body_mut(), MAX_DOOR).collect().await;
        let body = body.map_err(|_| broken("the request is too long, or broke off"))?.to_bytes();
        let said: DoorRequest = serde_json::from_slice(&body).map_err(|_| broken("the request is not readable"))?;
        let (answer, stream) = super::door::agree(request);
        let (engine, peer, held) = (Arc::clone(&self.engine), self.peer.pid, self.held.clone());
        tokio::spawn(async move {
            let _held = held;
            let wanted = said.descriptors();
            let received = in_background(receiving(stream.await?, wanted)).await?;
            engine.door(said, received.1, received.0, peer).await;
            Result::<()>::Ok(())
        });
        let (parts, ()) = answer.into_parts();
        Ok(assembled(parts.status, parts.headers, AnswerBody::none()))
    }

    /// Ends every WebSocket.
    pub async fn end_sockets(&self) {
        self.engine.end_sockets().await;
    }

    /// Ends every child that was given a value.
    pub fn end_children(&self) {
        self.engine.end_children();
    }

    async fn question(&self, request: Request<Incoming>) -> Result<HttpResponse<AnswerBody>> {
        let (parts, body) = request.into_parts();
        let value = match (&parts.method, parts.uri.path()) {
            (&Method::POST, ASK_PATH) => {
                let question: Question = serde_json::from_slice(&limited(body).await?)
                    .map_err(|_| broken("the question is not readable"))?;
                let stops = matches!(question.ask, Ask::StopShare { .. });
                if matches!(question.ask, Ask::Shares | Ask::Status) {
                    self.look().await;
                }
                let answer = self.engine.ask_at(question, &self.peer).await?;
                if stops {
                    self.look().await;
                }
                answer
            }
            (&Method::POST, SET_PATH) => {
                let said = parts.headers.get(CALL).ok_or_else(|| broken("the set header is missing"))?;
                let said: SetRequest =
                    serde_json::from_slice(said.as_bytes()).map_err(|_| broken("the set header is not readable"))?;
                let value = SecretInput::from_bytes(Vec::from(limited(body).await?))?;
                serde_json::to_value(self.engine.set(&said, value).await?)
                    .map_err(|_| broken("an answer cannot be written"))?
            }
            (&Method::POST, ENROL_PATH) => {
                let label = parts.headers.get(CALL).ok_or_else(|| broken("the machine's name is missing"))?;
                let label: String = serde_json::from_slice(label.as_bytes())
                    .map_err(|_| broken("the machine's name is not readable"))?;
                let code = SecretInput::from_bytes(Vec::from(limited(body).await?))?;
                serde_json::to_value(self.engine.enrol(code, &label).await?)
                    .map_err(|_| broken("an answer cannot be written"))?
            }
            (&Method::POST, SET_MANY_PATH) => {
                let (said, values) = many(body).await?;
                serde_json::to_value(self.engine.set_many(&said, values).await?)
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
        told(&value)
    }
}

/// An answer to a question.
fn told(value: &serde_json::Value) -> Result<HttpResponse<AnswerBody>> {
    let text = serde_json::to_vec(value).map_err(|_| broken("an answer cannot be written"))?;
    Ok(plain(StatusCode::OK, HeaderMap::new(), text.into()))
}

/// Waits, but not for ever, for the descriptors that follow.
fn receiving(
    stream: UnixStream,
    wanted: usize,
) -> impl FnOnce() -> Result<(UnixStream, Vec<OwnedFd>)> + Send + 'static {
    move || {
        let failed = |_| broken("the descriptors did not come");
        stream.set_read_timeout(Some(PASSING)).map_err(failed)?;
        let passed = super::descriptors::receive(&stream, wanted).map_err(failed)?;
        stream.set_read_timeout(None).map_err(failed)?;
        Ok((stream, passed))
    }
}

/// The upstream's answer as it crosses the socket.
async fn answer(mut response: Response, asked: &crate::SafeUrl, buffered: bool) -> Result<HttpResponse<AnswerBody>> {
    // What has no body has no trailer either to say the rest in.
    let gathered = if buffered || response.body.is_over() { gather(&mut response).await? } else { Gathered::default() };
    let mut headers = std::mem::take(&mut response.headers);
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
    let body = AnswerBody::streaming(gathered.bytes, response.body);
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
    assembled(status, headers, AnswerBody::whole(bytes))
}

fn assembled(status: StatusCode, headers: HeaderMap, body: AnswerBody) -> HttpResponse<AnswerBody> {
    let mut answer = HttpResponse::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

fn too_many(most: usize) -> Error {
    let why = format!("the broker has {most} connections, as many as its limit of open files allows");
    Error::new(ErrorCode::BrokerUnavailable, why)
        .with_hint("raise the hard limit (ulimit -Hn), then: agentsecrets broker stop")
}

fn refusal(error: &Error) -> HttpResponse<AnswerBody> {
    let mut headers = HeaderMap::new();
    if let Ok(value) = json_header(&WireError::of(error)) {
        headers.insert(ERROR, value);
    }
    plain(status_of(error), headers, Bytes::from(format!("{error}\n")))
}

/// Whether a request is a call, and no question.
fn is_call<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(CALL) && request.uri().scheme().is_some()
}

fn in_body(auth: &Auth) -> bool {
    matches!(auth.style(), Style::BodyField | Style::FormField)
}
