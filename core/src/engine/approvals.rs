//! Calls that wait for a human. The broker holds them; it answers a signed decision and no other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::caller::{Admitted, Caller};
use super::open::Engine;
use crate::audit::{Event, Isolation};
use crate::call::Style;
use crate::control::{SignedDecision, WaitingCall};
use crate::error::{Error, ErrorCode, Result};
use crate::owner;
use crate::policy::Checked;
use crate::secret_ref::Label;

/// The longest a call waits, whatever its own deadline.
const LONGEST: Duration = Duration::from_secs(300);
/// How much earlier than its deadline a call is given up, so that the caller hears what it waited for.
const MARGIN: Duration = Duration::from_millis(100);
/// How many calls may wait at once; more would be a flood and no question.
const MOST: usize = 128;

/// The calls that wait now.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Vec<Held>>);

struct Held {
    call: WaitingCall,
    event: Event,
    decide: oneshot::Sender<bool>,
}

/// A call's place among them, given up however its waiting ends.
struct Seat<'w> {
    waiting: &'w Waiting,
    id: String,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.waiting.lock().retain(|held| held.call.id != self.id);
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, call: &WaitingCall, event: &Event) -> Result<(Seat<'_>, oneshot::Receiver<bool>)> {
        let (decide, decided) = oneshot::channel();
        let mut held = self.lock();
        if held.len() >= MOST {
            return Err(required("too many calls wait for a human already"));
        }
        held.push(Held { call: call.clone(), event: event.clone(), decide });
        Ok((Seat { waiting: self, id: call.id.clone() }, decided))
    }
}

impl Engine {
    /// Waits for a human where the grant wants one; says whether it had to.
    ///
    /// # Errors
    /// `approval_required` where nobody approved in time, the call was denied, or no broker holds it.
    pub(super) async fn approved(&self, admitted: &Admitted, caller: &Caller) -> Result<bool> {
        if !admitted.permitted.wants_approval() {
            return Ok(false);
        }
        // In a box, as nearly no call waits: every call's future would be larger by it.
        Box::pin(self.wait(admitted, caller)).await.map(|()| true)
    }

    async fn wait(&self, admitted: &Admitted, caller: &Caller) -> Result<()> {
        if self.isolation == Isolation::InProcess {
            return Err(required("a human approves each call of this grant, and only a broker can wait for one")
                .with_hint("use isolation \"broker\", and: agentsecrets approve"));
        }
        let end = admitted.deadline.checked_sub(MARGIN).unwrap_or(admitted.deadline).min(Instant::now() + LONGEST);
        let call = self.waiting_call(admitted, caller, end)?;
        let (_seat, decided) = self.waiting.hold(&call, &admitted.event)?;
        match tokio::time::timeout_at(end, decided).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(required("a human denied the call").with_retryable(false)),
            Ok(Err(_)) | Err(_) => Err(required("no human approved the call in time")),
        }
    }

    fn waiting_call(&self, admitted: &Admitted, caller: &Caller, end: Instant) -> Result<WaitingCall> {
        let (event, loaded) = (&admitted.event, self.loaded()?);
        // As they were checked: a scoped name takes its value from elsewhere than the call is made in.
        let value = |(checked, style): (&Checked, &Style)| {
            let project = loaded.document.project(checked.project).map_or("?", |project| project.name.as_str());
            format!("{project}/{}/{} as {}", checked.environment, checked.secret, style.as_str())
        };
        let values = admitted.permitted.checked().iter().zip(&event.styles).map(value).collect();
        let since = Timestamp::now();
        let wait = end.saturating_duration_since(Instant::now());
        Ok(WaitingCall {
            values,
            id: Uuid::new_v4().simple().to_string(),
            agent: event.agent.as_ref().and_then(|agent| Label::parse(agent.as_str()).ok()),
            pid: caller.peer.pid,
            process: caller.peer.pid.map_or_else(|| "unknown".to_owned(), owner::process_tree),
            project: caller.place.project.clone(),
            environment: caller.place.environment.clone(),
            secrets: event.secrets.clone(),
            method: event.method.map_or("", |method| method.as_str()).to_owned(),
            origin: event.origin.as_ref().map(ToString::to_string).unwrap_or_default(),
            path: event.path.as_ref().map(|path| path.as_str().to_owned()).unwrap_or_default(),
            since,
            until: since.checked_add(wait).unwrap_or(Timestamp::MAX),
        })
    }

    /// The calls that wait.
    pub(super) fn waiting_calls(&self) -> Vec<WaitingCall> {
        self.waiting.lock().iter().map(|held| held.call.clone()).collect()
    }

    /// Lets a call go on, or refuses it, as the owner signed.
    ///
    /// # Errors
    /// `owner_required` for a signature that is not the owner's or is over other terms, `invalid_call` where the call
    /// waits no more, `audit_unavailable`: without a record nothing is approved.
    pub(super) fn decide(&self, signed: &SignedDecision) -> Result<()> {
        let decision = owner::verify_decision(&self.config, signed)?;
        let mut waiting = self.waiting.lock();
        let Some(at) = waiting.iter().position(|held| held.call.id == decision.call.id) else {
            return Err(Error::new(ErrorCode::InvalidCall, "no call of this id waits any more")
                .with_hint("agentsecrets approve  # lists those that wait"));
        };
        if waiting[at].call != decision.call {
            return Err(Error::new(ErrorCode::OwnerRequired, "the owner signed other terms than the call's"));
        }
        self.audit.decided(decision.approve, &waiting[at].event)?;
        let held = waiting.swap_remove(at);
        // A caller that just went away hears nothing of it.
        let _ = held.decide.send(decision.approve);
        Ok(())
    }
}

fn required(why: &'static str) -> Error {
    Error::new(ErrorCode::ApprovalRequired, why)
}
