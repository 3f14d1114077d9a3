//! A response's body, pulled piece by piece: nothing is read that nobody asked for.

use std::sync::Arc;

use agentsecrets_bridge::{Result, Stream, enter, guard};
use bytes::Bytes;
use napi_derive::napi;

use crate::answer::{Completion, Outcome, Tail};
use crate::mailbox::Shared;

/// A body to be read. Dropped, it ends the call.
#[napi]
pub struct BodyStream {
    stream: Arc<Stream>,
    mailbox: Arc<Shared>,
}

impl BodyStream {
    pub(crate) fn new(stream: Stream, mailbox: Arc<Shared>) -> Self {
        Self { stream: Arc::new(stream), mailbox }
    }
}

#[napi]
impl BodyStream {
    /// The next piece, where it is already there; otherwise it is delivered under `id`.
    #[napi]
    pub fn read(&self, id: u32) -> Option<Completion> {
        let done = match guard(|| self.stream.ready()) {
            Ok(Some(piece)) => outcome(&self.stream, piece),
            Ok(None) => {
                let stream = Arc::clone(&self.stream);
                match self.mailbox.begin(id, async move { outcome(&stream, stream.next().await?) }) {
                    Ok(()) => return None,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        Some(Completion::of((id, done.unwrap_or_else(Outcome::Failed))))
    }

    /// What is known so far; all of it once the body has ended.
    #[napi]
    pub fn tail(&self) -> Option<Tail> {
        self.stream.look(Tail::of).ok()
    }

    /// Ends the call.
    #[napi]
    pub fn close(&self) {
        close(&self.stream);
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        close(&self.stream);
    }
}

fn outcome(stream: &Stream, piece: Option<Bytes>) -> Result<Outcome> {
    Ok(match piece {
        Some(bytes) => Outcome::Chunk(bytes),
        None => Outcome::Ended(stream.look(Tail::of)?),
    })
}

/// Inside the runtime, where what is dropped may need it.
fn close(stream: &Stream) {
    if let Ok(_entered) = enter() {
        stream.close();
    }
}
