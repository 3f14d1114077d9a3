//! A door over the broker's socket: a request that becomes a conversation, and carries descriptors.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;

use bytes::Bytes;
use http::{Request, Response as HttpResponse, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::link::Link;
use super::protocol::{DOOR_PATH, DOOR_PROTOCOL, ERROR, broken, read_error};
use crate::error::{Error, ErrorCode, Result};
use crate::release::{DoorRequest, Event, Order};

/// The caller's end of a door that was opened.
pub(crate) struct Door {
    socket: BufReader<UnixStream>,
    /// As much of a line as had come when the last wait was given up.
    line: Vec<u8>,
}

impl Link {
    /// Asks for a door and passes the descriptors it wants.
    ///
    /// # Errors
    /// `broker_unavailable`, `broker_outdated`. Whether the door opens, the first event tells.
    pub(crate) async fn door(&self, said: &DoorRequest, passed: &[OwnedFd]) -> Result<Door> {
        self.private()?;
        let stream = upgraded(self.dial().await?, said).await?;
        let stream = stream.into_std().map_err(|_| broken("the connection cannot be used"))?;
        let passed: Vec<BorrowedFd<'_>> = passed.iter().map(AsFd::as_fd).collect();
        // One byte into an empty socket never waits.
        super::descriptors::send(&stream, &passed).map_err(|_| broken("descriptors cannot be passed"))?;
        let stream = UnixStream::from_std(stream).map_err(|_| broken("the connection cannot be used"))?;
        Ok(Door { socket: BufReader::new(stream), line: Vec::new() })
    }
}

async fn upgraded(stream: UnixStream, said: &DoorRequest) -> Result<UnixStream> {
    let (mut sender, driver) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|why| super::connection::gone(&why))?;
    let driver = tokio::spawn(driver.with_upgrades());
    let text = serde_json::to_vec(said).map_err(|_| broken("a request cannot be written"))?;
    let request = Request::post(DOOR_PATH)
        .header(header::HOST, "broker")
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, DOOR_PROTOCOL)
        .body(Full::new(Bytes::from(text)))
        .map_err(|_| broken("a request cannot be written"))?;
    let answer = sender.send_request(request).await.map_err(|why| super::connection::gone(&why))?;
    if let Some(error) = answer.headers().get(&ERROR) {
        driver.abort();
        return Err(read_error(error)?);
    }
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        driver.abort();
        return Err(Error::new(ErrorCode::BrokerOutdated, "the broker that runs knows no doors"));
    }
    raw(hyper::upgrade::on(answer).await)
}

fn raw(upgraded: hyper::Result<hyper::upgrade::Upgraded>) -> Result<UnixStream> {
    let upgraded = upgraded.map_err(|why| super::connection::gone(&why))?;
    let parts = upgraded.downcast::<TokioIo<UnixStream>>().map_err(|_| broken("the connection is of another kind"))?;
    // Who speaks before the descriptors came has another protocol.
    if parts.read_buf.is_empty() { Ok(parts.io.into_inner()) } else { Err(broken("the other side spoke too early")) }
}

impl Door {
    /// The next thing the broker says.
    pub(crate) async fn next(&mut self) -> Result<Event> {
        let read = self.socket.read_until(b'\n', &mut self.line).await;
        let line = std::mem::take(&mut self.line);
        if !matches!(read, Ok(1..)) {
            return Err(Error::new(ErrorCode::BrokerUnavailable, "the broker ended, and the command with it"));
        }
        serde_json::from_slice(&line).map_err(|_| broken("an event is not readable"))
    }

    /// Says something to the broker.
    pub(crate) async fn say(&mut self, order: Order) -> Result<()> {
        let mut line = serde_json::to_vec(&order).map_err(|_| broken("an order cannot be written"))?;
        line.push(b'\n');
        self.socket.get_mut().write_all(&line).await.map_err(|why| super::connection::gone(&why))
    }
}

/// The broker's side: agrees to the conversation, and receives what was passed when the caller has heard so.
pub(super) fn agree(request: Request<Incoming>) -> (HttpResponse<()>, impl Future<Output = Result<StdStream>>) {
    let mut answer = HttpResponse::new(());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    answer.headers_mut().insert(header::CONNECTION, http::HeaderValue::from_static("upgrade"));
    answer.headers_mut().insert(header::UPGRADE, http::HeaderValue::from_static(DOOR_PROTOCOL));
    let stream = async move {
        let stream = raw(hyper::upgrade::on(request).await)?;
        let stream = stream.into_std().map_err(|_| broken("the connection cannot be used"))?;
        stream.set_nonblocking(false).map_err(|_| broken("the connection cannot be used"))?;
        Ok(stream)
    };
    (answer, stream)
}
