//! The open record of a request, on the connection it came by.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::record::{KEPT_BODY, KEPT_REQUESTS, Outcome, Received, Recorder};

/// One accepted connection.
pub(crate) struct Connection {
    pub(crate) recorder: Recorder,
    id: u64,
    server_name: Option<String>,
}

impl Connection {
    /// `server_name` is `None` in cleartext and empty where the client named none.
    pub(crate) fn open(recorder: &Recorder, server_name: Option<String>) -> Arc<Self> {
        let id = recorder.0.connections.fetch_add(1, Ordering::SeqCst) + 1;
        Arc::new(Self { recorder: recorder.clone(), id, server_name })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.recorder.0.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// The head of a request, as the two servers read it.
pub(crate) struct Head<'a> {
    pub(crate) version: &'a str,
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) headers: &'a [(String, Vec<u8>)],
    pub(crate) raw: &'a [u8],
}

/// The open record of one request; dropped before `finish`, the client has gone away.
pub(crate) struct Ticket {
    id: Option<u64>,
    recorder: Recorder,
    hash: Sha256,
    finished: bool,
}

impl Ticket {
    /// Control routes (`/__…`) leave no record.
    pub(crate) fn open(connection: &Connection, head: &Head<'_>) -> Self {
        let recorder = connection.recorder.clone();
        let recorded = recorder.0.recording && !head.target.starts_with("/__");
        let id = recorded.then(|| {
            let mut kept = recorder.kept();
            let id = recorder.0.requests.fetch_add(1, Ordering::SeqCst) + 1;
            kept.push_back(Received {
                id,
                connection: connection.id,
                at: SystemTime::now(),
                version: head.version.to_owned(),
                tls: connection.server_name.is_some(),
                server_name: connection.server_name.clone().filter(|name| !name.is_empty()),
                method: head.method.to_owned(),
                target: head.target.to_owned(),
                headers: head.headers.to_vec(),
                head: head.raw.to_vec(),
                body: Vec::new(),
                body_length: 0,
                body_sha256: None,
                outcome: Outcome::Running,
            });
            if kept.len() > KEPT_REQUESTS {
                kept.pop_front();
            }
            id
        });
        Self { id, recorder, hash: Sha256::new(), finished: false }
    }

    pub(crate) fn body(&mut self, chunk: &[u8]) {
        let Some(id) = self.id else { return };
        self.hash.update(chunk);
        self.recorder.change(id, |request| {
            request.body_length += chunk.len() as u64;
            let room = KEPT_BODY.saturating_sub(request.body.len()).min(chunk.len());
            request.body.extend_from_slice(&chunk[..room]);
        });
    }

    pub(crate) fn body_ended(&mut self) {
        let Some(id) = self.id else { return };
        let hash = hex::encode(self.hash.clone().finalize());
        self.recorder.change(id, |request| request.body_sha256 = Some(hash));
    }

    pub(crate) fn plant(&self, name: &str, value: &[u8]) {
        self.recorder.planted().insert(name.to_owned(), value.to_vec());
    }

    pub(crate) fn find_planted(&self, name: &str) -> Option<Vec<u8>> {
        self.recorder.planted().get(name).cloned()
    }

    pub(crate) fn finish(&mut self, outcome: Outcome) {
        self.finished = true;
        if let Some(id) = self.id {
            self.recorder.change(id, |request| request.outcome = outcome);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.finished {
            self.finish(Outcome::ClientClosed);
        }
    }
}
