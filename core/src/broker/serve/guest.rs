//! Those who come in by a shared socket: calls and a few questions, each with the token of an agent, and nothing else.

use std::time::Duration;

use http::{Method, Request, Response as HttpResponse};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::super::protocol::{ASK_PATH, broken};
use super::{AnswerBody, Service, is_call, refusal, told};
use crate::control::Question;
use crate::engine::gate::not_shared;
use crate::error::{Error, Result};

/// The longest question of a stranger, in bytes: it is read before its token can be.
const MAX_QUESTION: usize = 64 << 10;
/// How long whoever asked for a share waits for the listening side.
const LOOKING: Duration = Duration::from_secs(5);

impl Service {
    pub(super) async fn answer_guest(&self, request: Request<Incoming>) -> HttpResponse<AnswerBody> {
        let answered = if is_call(&request) { self.call(request).await } else { self.guest_question(request).await };
        answered.unwrap_or_else(|error| refusal(&for_guest(error)))
    }

    async fn guest_question(&self, request: Request<Incoming>) -> Result<HttpResponse<AnswerBody>> {
        let (parts, body) = request.into_parts();
        if (&parts.method, parts.uri.path()) != (&Method::POST, ASK_PATH) {
            return Err(not_shared());
        }
        let body = Limited::new(body, MAX_QUESTION).collect().await;
        let body = body.map_err(|_| broken("the question is too long, or broke off"))?.to_bytes();
        let question: Question = serde_json::from_slice(&body).map_err(|_| broken("the question is not readable"))?;
        told(&self.engine.ask_at(question, &self.peer).await?)
    }

    /// Has the listening side look at the shares, so that what is told of them is so.
    pub(super) async fn look(&self) {
        let Some(looks) = &self.looks else { return };
        let (done, looked) = tokio::sync::oneshot::channel();
        if looks.send(done).is_ok() {
            let _ = tokio::time::timeout(LOOKING, looked).await;
        }
    }
}

/// The same, with a hint for somebody who is not where the command helps.
fn for_guest(error: Error) -> Error {
    match error.hint().filter(|hint| hint.starts_with("agentsecrets ")) {
        Some(hint) => {
            let hint = format!("where the broker runs: {hint}");
            error.with_hint(hint)
        }
        None => error,
    }
}
