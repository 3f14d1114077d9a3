//! The client side: calls and questions over pooled bare connections, with the broker started where none runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response as HttpResponse, StatusCode, header};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::connection::{Connection, LinkBody, Pool, Unopened, Unsent, dial_own};
use super::protocol::{
    ANSWER, ASK_PATH, AnswerHeader, CALL, CallHeader, ENROL_PATH, ERROR, FINISH_PATH, Finish, SET_MANY_PATH, SET_PATH,
    TAIL, TailHeader, broken, json_header, read_error,
};
use super::shared::SharedSocket;
use super::start::{Launch, socket_path};
use crate::call::{Body, ByteStream, Call, DEFAULT_TIMEOUT};
use crate::context::Selection;
use crate::control::{Question, SetManyRequest, SetRequest};
use crate::engine::gate::not_shared;
use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;
use crate::log_safe::SafeUrl;
use crate::resolve::SecretInput;
use crate::response::{NoBody, Response, SafeBody, Tail, Upgrade};

/// The way to a broker.
pub(crate) struct Link {
    way: Way,
    pool: Arc<Pool>,
}

enum Way {
    /// A home's own, which is started where it does not run.
    Home { socket: PathBuf, launch: Launch },
    /// One of another user or outside this container, which serves one kind of request and is started by nobody here.
    Shared(SharedSocket),
}

impl Link {
    /// A link to the broker of `home`. Nothing is connected or started yet.
    pub(crate) fn new(home: &Home, executable: Option<&Path>) -> Result<Self> {
        home.config()?;
        let way = Way::Home { socket: socket_path(home), launch: Launch::new(home, executable) };
        Ok(Self { way, pool: Arc::default() })
    }

    /// A link to a broker whose socket was named outright. Nothing is connected yet.
    pub(crate) fn shared(socket: SharedSocket) -> Self {
        Self { way: Way::Shared(socket), pool: Arc::default() }
    }

    pub(crate) async fn call(&self, call: Call, selection: &Selection) -> Result<Response> {
        let started = Instant::now();
        let deadline = call.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let (request, url, max_response) = request_of(call, selection)?;
        // The broker holds the deadline; a second more here tells its own death from the upstream's silence.
        let grace = deadline.saturating_add(std::time::Duration::from_secs(1));
        let exchange = tokio::time::timeout(grace, self.exchange(request)).await;
        let (connection, answer) = exchange.map_err(|_| crate::send::timed_out(deadline))??;
        self.response(connection, answer, url, max_response, started).await
    }

    async fn response(
        &self,
        connection: Connection,
        answer: HttpResponse<Incoming>,
        asked: SafeUrl,
        max_response: u64,
        started: Instant,
    ) -> Result<Response> {
        let (mut parts, body) = answer.into_parts();
        if let Some(error) = parts.headers.get(&ERROR) {
            return Err(read_error(error)?);
        }
        let said = parts.headers.remove(ANSWER).ok_or_else(|| broken("the answer header is missing"))?;
        let said: AnswerHeader =
            serde_json::from_slice(said.as_bytes()).map_err(|_| broken("the answer header is not readable"))?;
        let (tail, error) = match parts.headers.remove(TAIL) {
            Some(tail) => TailHeader::read(&tail)?,
            None => (Tail::default(), None),
        };
        if let Some(error) = error {
            return Err(error);
        }
        crate::call::strip_hop(&mut parts.headers);
        let url = said.url.as_deref().map(SafeUrl::parse).transpose()?.unwrap_or(asked);
        let (body, upgrade): (Box<dyn SafeBody>, _) = if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            (Box::new(NoBody), Some(Upgrade::Stream(Box::new(connection.into_stream().await?))))
        } else {
            (Box::new(LinkBody::new(connection, Arc::clone(&self.pool), body, tail)), None)
        };
        Ok(Response {
            status: parts.status,
            reason: said.reason,
            headers: parts.headers,
            url,
            body,
            max_response,
            started,
            upgrade,
        })
    }

    pub(crate) async fn ask(&self, question: &Question) -> Result<serde_json::Value> {
        let text = serde_json::to_vec(question).map_err(|_| broken("a question cannot be written"))?;
        let request = Request::post(ASK_PATH).header(header::HOST, "broker").body(Body::from(text));
        self.answered(request.map_err(|_| broken("a question cannot be written"))?).await
    }

    pub(crate) async fn set<T: DeserializeOwned>(&self, said: &SetRequest, value: SecretInput) -> Result<T> {
        // A value does not even set out for a socket that takes none.
        self.private()?;
        let request = Request::post(SET_PATH).header(header::HOST, "broker").header(CALL, json_header(said)?);
        let request = request.body(Body::Bytes(value.into_bytes())).map_err(|_| broken("a value cannot be sent"))?;
        self.answered(request).await
    }

    /// A machine's enrolment, and what the machine is called.
    pub(crate) async fn enrol<T: DeserializeOwned>(&self, label: &str, code: SecretInput) -> Result<T> {
        self.private()?;
        let request = Request::post(ENROL_PATH).header(header::HOST, "broker").header(CALL, json_header(&label)?);
        let request = request.body(Body::Bytes(code.into_bytes())).map_err(|_| broken("a code cannot be sent"))?;
        self.answered(request).await
    }

    /// The request as a length and JSON, then every value: names by the thousand fit in no header.
    pub(crate) async fn set_many<T: DeserializeOwned>(
        &self,
        said: &SetManyRequest,
        values: Vec<SecretInput>,
    ) -> Result<T> {
        self.private()?;
        let text = serde_json::to_vec(said).map_err(|_| broken("a value cannot be sent"))?;
        let length = u32::try_from(text.len()).map_err(|_| broken("there are too many names"))?;
        let head = Bytes::from([&length.to_be_bytes()[..], &text].concat());
        let whole = head.len() as u64 + values.iter().map(|value| value.len() as u64).sum::<u64>();
        let pieces = std::iter::once(head).chain(values.into_iter().map(SecretInput::into_bytes));
        let chunks = ByteStream::of(pieces);
        let request = Request::post(SET_MANY_PATH).header(header::HOST, "broker");
        let request = request.body(Body::Stream { chunks, length: Some(whole) });
        self.answered(request.map_err(|_| broken("a value cannot be sent"))?).await
    }

    /// Tells a running broker to end. `false` where none runs.
    pub(crate) async fn finish(&self, how: Finish) -> Result<bool> {
        let Ok(stream) = dial_own(self.private()?).await else { return Ok(false) };
        let Ok(connection) = Connection::over(stream).await else { return Ok(false) };
        let text = serde_json::to_vec(&how).map_err(|_| broken("a question cannot be written"))?;
        let request = Request::post(FINISH_PATH).header(header::HOST, "broker").body(Body::from(text));
        let request = request.map_err(|_| broken("a question cannot be written"))?;
        let (connection, answer) = self.over(connection, request).await.map_err(Unsent::into_error)?;
        self.read(connection, answer).await
    }

    async fn answered<T: DeserializeOwned>(&self, request: Request<Body>) -> Result<T> {
        let (connection, answer) = self.exchange(request).await?;
        self.read(connection, answer).await
    }

    async fn read<T: DeserializeOwned>(&self, connection: Connection, answer: HttpResponse<Incoming>) -> Result<T> {
        let (parts, body) = answer.into_parts();
        if let Some(error) = parts.headers.get(&ERROR) {
            return Err(read_error(error)?);
        }
        let mut body = LinkBody::new(connection, Arc::clone(&self.pool), body, Tail::default());
        let mut text = Vec::new();
        while let Some(chunk) = std::future::poll_fn(|cx| body.poll_chunk(cx)).await {
            text.extend_from_slice(&chunk?);
        }
        serde_json::from_slice(&text).map_err(|_| broken("an answer is not readable"))
    }

    /// Sends over an idle connection, else a new one, else starts the broker.
    async fn exchange(&self, request: Request<Body>) -> Result<(Connection, HttpResponse<Incoming>)> {
        let mut request = request;
        while let Some(mut idle) = self.pool.take() {
            if !idle.ready().await {
                continue;
            }
            match self.over(idle, request).await {
                Ok(done) => return Ok(done),
                Err(Unsent::Returned(back)) => request = *back,
                Err(Unsent::Failed(error)) => return Err(error),
            }
        }
        let connection = Connection::over(self.dial().await?).await?;
        self.over(connection, request).await.map_err(Unsent::into_error)
    }

    /// The home's own socket.
    ///
    /// # Errors
    /// `not_shared` for what a shared socket never serves.
    pub(super) fn private(&self) -> Result<&Path> {
        match &self.way {
            Way::Home { socket, .. } => Ok(socket),
            Way::Shared(_) => Err(not_shared()),
        }
    }

    /// A connection to the broker, which is started where it is the home's own and does not run.
    pub(super) async fn dial(&self) -> Result<UnixStream> {
        let (socket, launch) = match &self.way {
            Way::Home { socket, launch } => (socket, launch),
            Way::Shared(socket) => return socket.connect().await,
        };
        match dial_own(socket).await {
            Ok(stream) => Ok(stream),
            Err(Unopened::Absent(_)) => {
                launch.start().await?;
                dial_own(socket).await.map_err(Unopened::into_error)
            }
            Err(Unopened::Failed(why)) => Err(why),
        }
    }

    async fn over(
        &self,
        mut connection: Connection,
        request: Request<Body>,
    ) -> Result<(Connection, HttpResponse<Incoming>), Unsent> {
        let answer = connection.exchange(request).await?;
        Ok((connection, answer))
    }
}

/// The request a call is on the socket, and what of the call the answer needs.
fn request_of(call: Call, selection: &Selection) -> Result<(Request<Body>, SafeUrl, u64)> {
    let header = json_header(&CallHeader::of(&call, selection))?;
    let mut request = Request::builder().method(call.method).uri(call.url.to_wire());
    if let Some(headers) = request.headers_mut() {
        *headers = call.headers;
        headers.insert(CALL, header);
        headers.insert(header::TE, http::HeaderValue::from_static("trailers"));
        if let Some(handshake) = &call.websocket {
            handshake.write(headers);
        }
    }
    let request = request.body(call.body).map_err(|_| {
        Error::new(ErrorCode::InvalidCall, "the URL has a character that HTTP does not allow")
            .with_hint("percent-encode it")
    })?;
    Ok((request, call.url, call.max_response))
}
