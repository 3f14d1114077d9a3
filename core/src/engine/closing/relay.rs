//! A WebSocket between a program and an upstream, for as long as both want it. It closes the call's audit record at its
//! end, its failure or its drop.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, split};

use crate::audit::{Begun, Outcome};
use crate::error::ErrorCode;
use crate::redact::{Found, Socket};
use crate::response::{self, Wire};
use crate::websocket::{Close, Fault, code};

mod flow;
mod sockets;

use flow::{Flow, Stop};
use sockets::Open;
pub(in crate::engine) use sockets::Sockets;

/// How long a side may take to answer the other's close frame.
const CLOSING: Duration = Duration::from_secs(30);

/// A socket that was opened and not yet taken by its program.
pub(super) struct Relay {
    socket: Box<Socket>,
    open: Open,
    record: Record,
}

/// The call's open record.
struct Record {
    begun: Option<Begun>,
    found: Found,
}

/// Why a socket ended.
enum End {
    /// One side said that it was done.
    Closed,
    UpstreamGone,
    ProgramGone,
    UpstreamFault(Fault),
    ProgramFault(Fault),
    /// The engine ends.
    Stopped,
}

impl Relay {
    pub(super) fn new(socket: Box<Socket>, open: Open, begun: Begun) -> Self {
        let record = Record { begun: Some(begun), found: socket.head.clone() };
        Self { socket, open, record }
    }

    async fn relay(self, program: Box<dyn Wire>) {
        let Self { socket, mut open, mut record } = self;
        let Socket { stream, down, up, .. } = *socket;
        let (from_program, to_program) = split(program);
        let (from_upstream, to_upstream) = split(TokioIo::new(stream));
        let mut down = Flow::new(from_upstream, to_program, down);
        let mut up = Flow::new(from_program, to_upstream, up);
        let end = tokio::select! {
            end = both(&mut down, &mut up) => end,
            () = open.ended() => End::Stopped,
        };
        record.found.merge(&down.messages.found());
        record.found.merge(&up.messages.found());
        record.close(&end);
        let (to_program, to_upstream) = end.last_words();
        match end {
            // Nobody is there to be told: the other side's connection ends with ours.
            End::ProgramGone => {}
            End::UpstreamGone => down.close(None).await,
            _ => {
                tokio::join!(down.close(to_program.as_ref()), up.close(to_upstream.as_ref()));
                tokio::join!(down.drain(), up.drain());
            }
        }
    }
}

impl response::Relay for Relay {
    fn run(self: Box<Self>, program: Box<dyn Wire>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.relay(program))
    }
}

/// Runs both directions until the socket ends.
async fn both<R1, W1, R2, W2>(down: &mut Flow<R1, W1>, up: &mut Flow<R2, W2>) -> End
where
    R1: AsyncRead + Unpin,
    W1: AsyncWrite + Unpin,
    R2: AsyncRead + Unpin,
    W2: AsyncWrite + Unpin,
{
    let end = tokio::select! {
        stop = run(down) => End::of_down(stop),
        stop = run(up) => End::of_up(stop),
    };
    // Whoever is told of a close answers it, and may say before what it was saying (RFC 6455, section 5.5.1).
    if matches!(end, End::Closed) {
        let other = async { if down.messages.has_closed() { run(up).await } else { run(down).await } };
        let _ = tokio::time::timeout(CLOSING, other).await;
    }
    end
}

async fn run<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(flow: &mut Flow<R, W>) -> Stop {
    loop {
        if let Err(stop) = flow.next().await {
            return stop;
        }
        if let Err(stop) = flow.pass_on() {
            return stop;
        }
    }
}

impl End {
    fn of_down(stop: Stop) -> Self {
        match stop {
            Stop::Closed => Self::Closed,
            Stop::Gone => Self::UpstreamGone,
            Stop::Unwritable => Self::ProgramGone,
            Stop::Fault(fault) => Self::UpstreamFault(fault),
        }
    }

    fn of_up(stop: Stop) -> Self {
        match stop {
            Stop::Closed => Self::Closed,
            Stop::Gone => Self::ProgramGone,
            Stop::Unwritable => Self::UpstreamGone,
            Stop::Fault(fault) => Self::ProgramFault(fault),
        }
    }

    /// What the program is told, and what the upstream.
    fn last_words(&self) -> (Option<Close>, Option<Close>) {
        let away = || Some(Close::new(code::AWAY, ""));
        match self {
            Self::Closed | Self::UpstreamGone | Self::ProgramGone => (None, None),
            Self::UpstreamFault(fault) => {
                let why = format!("the upstream sent {}", fault.why);
                (Some(Close::new(code::FAILED, &why)), Some(Close::new(fault.code, fault.why)))
            }
            Self::ProgramFault(fault) => (Some(Close::new(fault.code, fault.why)), away()),
            Self::Stopped => (Some(Close::new(code::AWAY, "AgentSecrets was locked or stopped")), away()),
        }
    }

    fn outcome(&self) -> (Outcome, Option<ErrorCode>) {
        match self {
            Self::Closed => (Outcome::Ok, None),
            Self::UpstreamGone => (Outcome::Failed, Some(ErrorCode::UpstreamUnreachable)),
            Self::UpstreamFault(_) => (Outcome::Failed, Some(ErrorCode::UndecodableResponse)),
            Self::ProgramFault(_) => (Outcome::Failed, Some(ErrorCode::InvalidCall)),
            Self::ProgramGone | Self::Stopped => (Outcome::Cancelled, Some(ErrorCode::Cancelled)),
        }
    }
}

impl Record {
    fn close(&mut self, end: &End) {
        let (outcome, code) = end.outcome();
        self.end(outcome, code);
    }

    fn end(&mut self, outcome: Outcome, code: Option<ErrorCode>) {
        if let Some(begun) = self.begun.take() {
            // Where it cannot be written, the next call is refused; there is no answer left to say so in.
            let _ = super::end(begun, outcome, code, 101, &self.found);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled, Some(ErrorCode::Cancelled));
    }
}
