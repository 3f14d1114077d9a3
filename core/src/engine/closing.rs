//! The end of a call: whichever way it goes, its audit record is closed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;

use crate::audit::{Begun, Ended, Outcome, Reason};
use crate::call::{Call, DEFAULT_TIMEOUT};
use crate::error::{Error, ErrorCode, Result};
use crate::log_safe::SafeUrl;
use crate::redact::{Found, Head, RedactedBody};
use crate::response::{self, Response, SafeBody, Tail, Upgrade, too_large};

mod relay;

use relay::Relay;
pub(super) use relay::Sockets;

/// What a call may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    started: Instant,
    timeout: Duration,
    max_response: u64,
    buffered: bool,
}

impl Limits {
    pub(super) fn of(call: &Call, started: Instant) -> Self {
        Self {
            started,
            timeout: call.timeout.unwrap_or(DEFAULT_TIMEOUT),
            max_response: call.max_response,
            buffered: call.buffered,
        }
    }
}

impl Limits {
    /// The moment the call's time is over.
    pub(super) fn deadline(&self) -> tokio::time::Instant {
        // A deadline too far to be said is none.
        let far = Duration::from_secs(365 * 86_400);
        tokio::time::Instant::from_std(self.started + self.timeout.min(far))
    }

    /// Runs a part of the call within its deadline.
    pub(super) async fn hold<T>(&self, part: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout_at(self.deadline(), part).await {
            Ok(result) => result,
            Err(_) => Err(crate::send::timed_out(self.timeout)),
        }
    }
}

/// The answer, with the open record in its body or in its socket.
pub(super) fn response(
    head: Head,
    mut body: RedactedBody,
    url: SafeUrl,
    begun: Begun,
    limits: Limits,
    sockets: &Sockets,
) -> Response {
    let mut begun = Some(begun);
    let upgrade = body.take_socket().zip(begun.take_if(|_| head.status == StatusCode::SWITCHING_PROTOCOLS));
    let upgrade = upgrade.map(|(socket, begun)| {
        let relay: Box<dyn response::Relay> = Box::new(Relay::new(socket, sockets.open(), begun));
        Upgrade::Relay(relay)
    });
    let deadline = limits.buffered.then(|| Box::pin(tokio::time::sleep_until(limits.deadline())));
    let mut headers = head.headers;
    let mut body = Closing { body, status: head.status.as_u16(), begun, limits, deadline, seen: 0, incomplete: false };
    if body.body.is_over() {
        body.close(Outcome::Ok, None);
    } else if !limits.buffered {
        // What is taken out changes the length, and a stream's is not known before its end.
        headers.remove(http::header::CONTENT_LENGTH);
    }
    Response {
        status: head.status,
        reason: head.reason,
        headers,
        url,
        body: Box::new(body),
        max_response: limits.max_response,
        started: limits.started,
        upgrade,
    }
}

/// Closes the record of a call that failed before it was answered.
pub(super) fn failed(begun: Begun, why: Error) -> Error {
    // What was refused is told apart from what went wrong.
    let outcome = match why.code() {
        ErrorCode::Cancelled => Outcome::Cancelled,
        code if matches!(code.exit_code(), 3 | 5) => Outcome::Denied,
        _ => Outcome::Failed,
    };
    let ended = Ended {
        outcome,
        status: None,
        reason: Some(Reason::Code(why.code())),
        redacted: Vec::new(),
        duration_ms: Some(millis(begun.elapsed())),
    };
    begun.end(ended).err().unwrap_or(why)
}

/// Closes the record of a WebSocket.
pub(super) fn end(begun: Begun, outcome: Outcome, code: Option<ErrorCode>, status: u16, found: &Found) -> Result<()> {
    let ended = Ended {
        outcome,
        status: Some(status),
        reason: code.map(Reason::Code).or(found.any().then_some(Reason::CredentialEcho)),
        redacted: found.names().cloned().collect(),
        duration_ms: Some(millis(begun.elapsed())),
    };
    begun.end(ended)
}

/// A body that closes the call's record at its end, its failure or its drop.
struct Closing {
    body: RedactedBody,
    status: u16,
    begun: Option<Begun>,
    limits: Limits,
    deadline: Option<Pin<Box<tokio::time::Sleep>>>,
    seen: u64,
    incomplete: bool,
}

impl Closing {
    fn close(&mut self, outcome: Outcome, code: Option<ErrorCode>) {
        let Some(begun) = self.begun.take() else { return };
        self.incomplete = end(begun, outcome, code, self.status, &self.body.found()).is_err();
    }

    fn fail(&mut self, why: Error) -> Poll<Option<Result<Bytes>>> {
        self.close(Outcome::Failed, Some(why.code()));
        Poll::Ready(Some(Err(why)))
    }
}

impl SafeBody for Closing {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        match self.body.poll_chunk(cx) {
            Poll::Ready(Some(Ok(chunk))) => {
                self.seen += chunk.len() as u64;
                if self.limits.buffered && self.seen > self.limits.max_response {
                    return self.fail(too_large(self.limits.max_response));
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(Some(Err(why))) => self.fail(why),
            Poll::Ready(None) => {
                self.close(Outcome::Ok, None);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let passed = self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready());
                if passed { self.fail(crate::send::timed_out(self.limits.timeout)) } else { Poll::Pending }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.body.is_over()
    }

    fn pass_over(&mut self) {
        self.close(Outcome::Ok, None);
    }

    fn tail(&self) -> Tail {
        Tail { audit_incomplete: self.incomplete, ..self.body.tail() }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.close(Outcome::Cancelled, Some(ErrorCode::Cancelled));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
