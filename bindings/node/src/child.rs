//! A granted command that runs as the broker's child.

use std::path::PathBuf;
use std::sync::Arc;

use agentsecrets_bridge::{Child, Ended, SpawnDescription, StreamDescription, guard};
use bytes::Bytes;
use napi_derive::napi;

use crate::answer::Outcome;
use crate::client::refused;
use crate::mailbox::Shared;
use crate::piece::Piece;
use crate::refusal::Refusal;

/// A child as JavaScript describes it.
#[napi(object, object_to_js = false)]
pub struct SpawnSpec {
    /// The command, exactly as it was granted.
    pub argv: Vec<String>,
    /// The names wanted.
    pub secrets: Vec<String>,
    /// For stdin, stdout and stderr: a descriptor, or -1 to inherit, -2 for nothing, -3 to capture.
    pub streams: Vec<i32>,
    /// Names and values in turn.
    pub variables: Option<Vec<String>>,
    /// The working directory.
    pub directory: Option<String>,
}

impl SpawnSpec {
    pub(crate) fn read(self) -> SpawnDescription {
        let stream = |at: usize| match self.streams.get(at).copied().unwrap_or(-1) {
            -1 => StreamDescription::Inherit,
            -2 => StreamDescription::Null,
            -3 => StreamDescription::Capture,
            number => StreamDescription::Descriptor(number),
        };
        let streams = [stream(0), stream(1), stream(2)];
        let pairs = |flat: Vec<String>| flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        SpawnDescription {
            argv: self.argv,
            secrets: self.secrets,
            streams,
            variables: self.variables.map(pairs),
            directory: self.directory.map(PathBuf::from),
        }
    }
}

/// How a child ended, and what it wrote where that was captured.
#[napi(object, object_from_js = false)]
pub struct Exit {
    /// Its exit code, unless a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: Option<Piece>,
    /// What it wrote to stderr.
    pub stderr: Option<Piece>,
}

impl Exit {
    pub(crate) fn of(ended: Ended) -> Self {
        let piece = |output: Option<Vec<u8>>| output.map(|bytes| Piece::whole(Bytes::from(bytes)));
        Self { code: ended.code, signal: ended.signal, stdout: piece(ended.stdout), stderr: piece(ended.stderr) }
    }
}

/// A child that was started.
#[napi]
pub struct NativeChild {
    child: Arc<Child>,
    mailbox: Arc<Shared>,
}

impl NativeChild {
    pub(crate) fn new(child: Child, mailbox: Arc<Shared>) -> Self {
        Self { child: Arc::new(child), mailbox }
    }
}

#[napi]
impl NativeChild {
    /// The process id.
    #[napi(getter)]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the child and its group.
    #[napi]
    pub fn signal(&self, signal: i32) {
        self.child.signal(signal);
    }

    /// Waits for the end, which is delivered.
    #[napi]
    pub fn wait(&self, id: u32) -> Option<Refusal> {
        let child = Arc::clone(&self.child);
        refused(guard(|| self.mailbox.begin(id, async move { Ok(Outcome::Exited(child.wait().await?)) })))
    }
}
