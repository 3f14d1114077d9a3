//! One direction of a WebSocket: reads, has it searched, writes. What has been read and not written is never more than a
//! little: whoever reads slowly is waited for.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::redact::Messages;
use crate::websocket::{Close, Fault};

/// How much is read at a time.
const READ: usize = 16 << 10;
/// How long the last words may take, each of writing them and of hearing that they came.
const FAREWELL: Duration = Duration::from_secs(2);

/// A direction, with what lies in it: given up in the middle, it goes on where it was.
pub(super) struct Flow<R, W> {
    from: R,
    to: W,
    pub(super) messages: Messages,
    input: BytesMut,
    output: Bytes,
    /// Whether the messages may have more to say about what was read.
    more: bool,
}

/// Why a direction came to its end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// Its last frame was passed on.
    Closed,
    /// Nothing more comes from where it comes from.
    Gone,
    /// Nothing more goes to where it goes.
    Unwritable,
    /// The side it comes from broke the protocol.
    Fault(Fault),
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Flow<R, W> {
    pub(super) fn new(from: R, to: W, messages: Messages) -> Self {
        Self { from, to, messages, input: BytesMut::new(), output: Bytes::new(), more: false }
    }

    /// Passes on until the next message may begin, and something has come for it.
    pub(super) async fn next(&mut self) -> Result<(), Stop> {
        loop {
            self.write().await.map_err(|_| Stop::Unwritable)?;
            if self.messages.has_closed() {
                return Err(Stop::Closed);
            }
            if self.input.is_empty() && !self.more {
                self.input.reserve(READ);
                if !matches!(self.from.read_buf(&mut self.input).await, Ok(1..)) {
                    return Err(Stop::Gone);
                }
            }
            if self.messages.is_between_messages() && !self.more {
                return Ok(());
            }
            self.pass_on()?;
        }
    }

    /// Has what came searched.
    pub(super) fn pass_on(&mut self) -> Result<(), Stop> {
        let mut output = Vec::new();
        let taken = self.messages.push(&self.input, &mut output).map_err(Stop::Fault);
        self.more = Messages::is_full(&output);
        self.output = output.into();
        self.input.advance(taken?);
        Ok(())
    }

    /// Says the last words, unless they were said.
    pub(super) async fn close(&mut self, close: Option<&Close>) {
        let last = async {
            self.write().await?;
            if let Some(close) = close {
                let mut output = Vec::new();
                self.messages.close(close, &mut output);
                self.output = output.into();
                self.write().await?;
            }
            self.to.shutdown().await
        };
        let _ = tokio::time::timeout(FAREWELL, last).await;
    }

    /// Reads what still comes, and throws it away: a socket that is closed with something unread takes back what was
    /// written last.
    pub(super) async fn drain(&mut self) {
        let rest = async {
            self.input.clear();
            while matches!(self.from.read_buf(&mut self.input).await, Ok(1..)) {
                self.input.clear();
            }
        };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
    }

    async fn write(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        while self.output.has_remaining() {
            if self.to.write_buf(&mut self.output).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        self.to.flush().await
    }
}
