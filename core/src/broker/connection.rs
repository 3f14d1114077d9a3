//! One connection to the broker, driven by whoever uses it.
//!
//! There is no task behind it: the future that waits for an answer also moves the bytes, so a call costs no wake-up of
//! another thread, and dropping the call closes the socket, which is how the broker learns of a cancellation.

use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use super::peer::{check_peer, short_of_descriptors, socket_address};
use super::protocol::{TAIL, TailHeader};
use super::stream::LinkStream;
use crate::call::Body;
use crate::error::{Error, ErrorCode, Result};
use crate::response::{SafeBody, Tail};

/// How many idle connections are kept; more would only hold descriptors of a broker that is idle too.
const MAX_IDLE: usize = 64;
/// How long a full queue before the broker is waited for, and how often it is looked at.
const QUEUE_LIMIT: Duration = Duration::from_secs(10);
const QUEUE_PAUSE: Duration = Duration::from_millis(2);
/// The most header lines of an answer: over HTTP/2 an upstream may send hundreds.
const MAX_HEADERS: usize = 1024;

pub(crate) struct Connection {
    sender: http1::SendRequest<Body>,
    /// Dropped before what it drives.
    line: Line,
    driver: Pin<Box<http1::Connection<TokioIo<UnixStream>, Body>>>,
}

/// A socket that something beside this owns, and the process that opened it.
pub(super) struct Line {
    socket: RawFd,
    pid: u32,
}

impl Drop for Line {
    /// Ends the conversation, and not only this end of it: a child forked meanwhile holds a copy of the descriptor, and
    /// the broker would not learn that the call was given up.
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // SAFETY: whoever owns the descriptor is dropped after this.
            unsafe { libc::shutdown(self.socket, libc::SHUT_RDWR) };
        }
    }
}

/// Why there is no connection.
pub(crate) enum Unopened {
    /// Nobody listens: a broker may be started.
    Absent(Error),
    /// Somebody may, and cannot be reached.
    Failed(Error),
}

impl From<Error> for Unopened {
    fn from(why: Error) -> Self {
        Self::Failed(why)
    }
}

impl Unopened {
    pub(crate) fn into_error(self) -> Error {
        let (Self::Absent(why) | Self::Failed(why)) = self;
        why
    }
}

/// Connects to the private socket of a home, where this user's own broker listens.
pub(super) async fn dial_own(socket: &Path) -> Result<UnixStream, Unopened> {
    let (address, _folder) = socket_address(socket).map_err(|why| match socket.parent() {
        Some(folder) if !folder.exists() => Unopened::Absent(why),
        _ => Unopened::Failed(why),
    })?;
    let stream = dial(&address).await?;
    check_peer(stream.as_fd())?;
    Ok(stream)
}

/// Connects, and waits its turn where many do at once.
pub(super) async fn dial(address: &Path) -> Result<UnixStream, Unopened> {
    let started = Instant::now();
    loop {
        match UnixStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            // The queue before the broker is full; it is emptied as fast as the broker takes connections.
            Err(why) if why.raw_os_error() == Some(libc::EAGAIN) && started.elapsed() < QUEUE_LIMIT => {
                tokio::time::sleep(QUEUE_PAUSE).await;
            }
            Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                return Err(Unopened::Absent(gone(&why)));
            }
            Err(why) => return Err(short_of_descriptors(&why).unwrap_or_else(|| gone(&why)).into()),
        }
    }
}

/// What became of an exchange that did not succeed.
pub(crate) enum Unsent {
    /// Nothing was written: the request may go over another connection.
    Returned(Box<Request<Body>>),
    /// Something was written, or it cannot be known.
    Failed(Error),
}

impl Unsent {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Failed(error) => error,
            Self::Returned(_) => Error::new(ErrorCode::BrokerUnavailable, "the broker closed a new connection"),
        }
    }
}

impl Connection {
    /// HTTP over a connection to a broker.
    pub(super) async fn over(stream: UnixStream) -> Result<Self> {
        let socket = stream.as_raw_fd();
        let (sender, driver) = http1::Builder::new()
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|why| gone(&why))?;
        Ok(Self { sender, line: Line { socket, pid: std::process::id() }, driver: Box::pin(driver) })
    }

    /// Whether the connection can take a request. An idle one that the broker closed says so here.
    pub(crate) async fn ready(&mut self) -> bool {
        if self.is_hung_up() {
            return false;
        }
        std::future::poll_fn(|cx| {
            let ended = self.driver.as_mut().poll(cx).is_ready();
            match self.sender.poll_ready(cx) {
                Poll::Ready(result) => Poll::Ready(result.is_ok() && !ended),
                Poll::Pending if ended => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Whether the broker has gone, by the kernel's word: a runtime that slept meanwhile has not heard of it yet. On an
    /// idle connection there is nothing else to read.
    fn is_hung_up(&self) -> bool {
        let mut asked = libc::pollfd { fd: self.line.socket, events: libc::POLLIN, revents: 0 };
        // SAFETY: one live entry, and no waiting.
        unsafe { libc::poll(&raw mut asked, 1, 0) != 0 }
    }

    /// Whether the exchange is over in both directions: an answer may come before the request's body has been sent.
    fn is_idle(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        !self.driver.as_mut().poll(&mut cx).is_ready() && matches!(self.sender.poll_ready(&mut cx), Poll::Ready(Ok(())))
    }

    pub(crate) async fn exchange(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Unsent> {
        let body = request.body().watch();
        let mut answer = std::pin::pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        std::future::poll_fn(move |cx| {
            if let Poll::Ready(result) = answer.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            let _ = driver.as_mut().poll(cx);
            answer.as_mut().poll(cx)
        })
        .await
        .map_err(|mut failed| match failed.take_message() {
            Some(request) => Unsent::Returned(Box::new(request)),
            None => Unsent::Failed(body.or(|| gone(&failed.into_error()))),
        })
    }
}

impl Connection {
    /// What is left of a connection that became something else than HTTP.
    pub(super) async fn into_stream(self) -> Result<LinkStream> {
        let Self { sender, line, mut driver } = self;
        drop(sender);
        // It may have come to its end already, with the answer; asked again it would shut the socket down.
        std::future::poll_fn(|cx| driver.poll_without_shutdown(cx)).await.map_err(|why| gone(&why))?;
        let parts = Pin::into_inner(driver).into_parts();
        Ok(LinkStream::new(line, parts.read_buf, parts.io.into_inner()))
    }
}

/// Idle connections of one process.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<Connection>>);

impl Pool {
    pub(crate) fn take(&self) -> Option<Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}

/// A body that comes through the socket; it carries its connection, and gives it back when it is read out.
pub(crate) struct LinkBody {
    connection: Option<Connection>,
    pool: Arc<Pool>,
    body: Incoming,
    tail: Tail,
}

impl LinkBody {
    pub(crate) fn new(connection: Connection, pool: Arc<Pool>, body: Incoming, tail: Tail) -> Self {
        Self { connection: Some(connection), pool, body, tail }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if let Some(connection) = &mut self.connection {
            let _ = connection.driver.as_mut().poll(cx);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn finish(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && connection.is_idle()
        {
            self.pool.give_back(connection);
        }
    }
}

impl SafeBody for LinkBody {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            if self.connection.is_none() {
                return Poll::Ready(None);
            }
            match ready!(self.poll_frame(cx)) {
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
                Some(Err(why)) => {
                    self.connection = None;
                    return Poll::Ready(Some(Err(gone(&why))));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(frame) => {
                        let Some((tail, error)) = tail_of(frame) else { continue };
                        self.tail = tail;
                        if let Some(error) = error {
                            self.finish();
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                },
            }
        }
    }

    fn tail(&self) -> Tail {
        self.tail.clone()
    }
}

fn tail_of(frame: Frame<Bytes>) -> Option<(Tail, Option<Error>)> {
    let trailers = frame.into_trailers().ok()?;
    TailHeader::read(trailers.get(TAIL)?).ok()
}

/// The broker went away; nothing of the cause's text is kept, as it may quote what was in flight.
pub(crate) fn gone(why: &(dyn std::error::Error + 'static)) -> Error {
    let kind = why
        .source()
        .unwrap_or(why)
        .downcast_ref::<std::io::Error>()
        .map_or_else(|| "it closed the connection".to_owned(), |why| why.kind().to_string());
    Error::new(ErrorCode::BrokerUnavailable, format!("the broker does not answer: {kind}"))
}
