//! What arrived, kept as it arrived.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// At most so much of one body is kept; its length and hash always cover the whole.
pub(crate) const KEPT_BODY: usize = 8 << 20;
/// At most so many requests are kept; the oldest go first.
pub(crate) const KEPT_REQUESTS: usize = 16_384;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Neither answered nor given up yet.
    Running,
    /// The whole answer was written.
    Answered,
    /// The client went away first: its connection closed, or it reset the stream.
    ClientClosed,
    /// The upstream broke off, as the route asked.
    BrokenOff,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Answered => "answered",
            Self::ClientClosed => "client_closed",
            Self::BrokenOff => "broken_off",
        }
    }
}

/// One request, byte for byte.
#[derive(Clone)]
pub struct Received {
    /// Counts from 1 in the order of arrival.
    pub id: u64,
    /// The connection it came on; equal numbers prove reuse.
    pub connection: u64,
    /// When its head was read.
    pub at: SystemTime,
    /// `HTTP/1.1` (or what the client wrote there) or `HTTP/2`.
    pub version: String,
    /// Whether the connection is under TLS.
    pub tls: bool,
    /// The name asked for in the TLS handshake.
    pub server_name: Option<String>,
    /// The method.
    pub method: String,
    /// The request target as sent, each byte one character (Latin-1).
    pub target: String,
    /// Names and values in the order received; HTTP/1.1 names keep their case. HTTP/2 groups equal names.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole head with its line ends, in HTTP/1.1.
    pub head: Vec<u8>,
    /// The first 8 MiB of the body, without the framing.
    pub body: Vec<u8>,
    /// The length of the body read so far.
    pub body_length: u64,
    /// The SHA-256 of the whole body in hex, once it has ended.
    pub body_sha256: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Received {
    /// The first value of a header, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The raw query, without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    fn to_json(&self) -> Value {
        let at = self.at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
        let headers: Vec<Value> = self.headers.iter().map(|(name, value)| json!([name, latin1(value)])).collect();
        json!({
            "id": self.id,
            "connection": self.connection,
            "at_ms": at,
            "version": self.version,
            "tls": self.tls,
            "server_name": self.server_name,
            "method": self.method,
            "target": self.target,
            "path": self.path(),
            "query": self.query(),
            "headers": headers,
            "head_base64": STANDARD.encode(&self.head),
            "body_base64": STANDARD.encode(&self.body),
            "body_length": self.body_length,
            "body_sha256": self.body_sha256,
            "outcome": self.outcome.as_str(),
        })
    }
}

/// Names only: a failed assertion must not print what a test keeps secret.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Received")
            .field("id", &self.id)
            .field("connection", &self.connection)
            .field("version", &self.version)
            .field("method", &self.method)
            .field("path", &self.path())
            .field("headers", &names)
            .field("body_length", &self.body_length)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// Connections and requests in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Connections open now.
    pub open_connections: u64,
    /// Connections opened so far.
    pub connections: u64,
    /// Connections whose TLS handshake failed.
    pub refused_handshakes: u64,
    /// Requests neither answered nor given up.
    pub running: u64,
    /// Requests given up by their client.
    pub client_closed: u64,
}

/// Each byte as the character of its number.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The memory shared by every connection.
#[derive(Clone)]
pub(crate) struct Recorder(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) recording: bool,
    pub(crate) requests: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) closed: AtomicU64,
    refused: AtomicU64,
    kept: Mutex<VecDeque<Received>>,
    planted: Mutex<HashMap<String, Vec<u8>>>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    pub(crate) fn new(recording: bool) -> Self {
        Self(Arc::new(Shared {
            recording,
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            kept: Mutex::default(),
            planted: Mutex::default(),
        }))
    }

    pub(crate) fn kept(&self) -> MutexGuard<'_, VecDeque<Received>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn planted(&self) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.0.planted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.kept().iter().cloned().collect()
    }

    pub(crate) fn to_json(&self) -> Value {
        Value::Array(self.kept().iter().map(Received::to_json).collect())
    }

    pub(crate) fn clear(&self) {
        self.kept().clear();
        self.planted().clear();
    }

    pub(crate) fn refused_handshake(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn state(&self) -> State {
        let kept = self.kept();
        let count = |outcome| kept.iter().filter(|request| request.outcome == outcome).count() as u64;
        let connections = self.0.connections.load(Ordering::SeqCst);
        State {
            open_connections: connections.saturating_sub(self.0.closed.load(Ordering::SeqCst)),
            connections,
            refused_handshakes: self.0.refused.load(Ordering::Relaxed),
            running: count(Outcome::Running),
            client_closed: count(Outcome::ClientClosed),
        }
    }

    pub(crate) fn state_json(&self) -> Value {
        let state = self.state();
        let requests: Vec<Value> = self
            .kept()
            .iter()
            .map(|one| json!({ "id": one.id, "path": one.path(), "outcome": one.outcome.as_str() }))
            .collect();
        json!({
            "open_connections": state.open_connections,
            "connections": state.connections,
            "refused_handshakes": state.refused_handshakes,
            "running": state.running,
            "client_closed": state.client_closed,
            "requests": requests,
        })
    }

    pub(crate) fn change(&self, id: u64, change: impl FnOnce(&mut Received)) {
        let mut kept = self.kept();
        let Some(first) = kept.front().map(|request| request.id) else { return };
        let at = usize::try_from(id.wrapping_sub(first)).unwrap_or(usize::MAX);
        if let Some(request) = kept.get_mut(at) {
            change(request);
        }
    }
}
