//! Calls that wait for a human. The broker holds them; it answers a signed decision and no other.

use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::caller::{Admitted, Caller};
use super::doors::Visitor;
use super::open::Engine;
use crate::audit::{Event, Isolation};
use crate::call::Style;
use crate::context::Place;
use crate::control::{SignedDecision, WaitingCall};
use crate::error::{Error, ErrorCode, Result};
use crate::owner;
use crate::policy::Checked;
use crate::release;
use crate::secret_ref::{Label, SecretName};

/// The longest a call waits, whatever its own deadline.
const LONGEST: Duration = Duration::from_secs(300);
/// How much earlier than its deadline a call is given up, so that the caller hears what it waited for.
const MARGIN: Duration = Duration::from_millis(100);
/// How many calls may wait at once; more would be a flood and no question.
const MOST: usize = 128;
/// How often it is looked whether somebody still stands at a door.
const LOOK: Duration = Duration::from_millis(100);

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
        self.decided(&call, &admitted.event, end).await
    }

    /// Waits for a human at a door that wants one; `opening` says to whom the values would be given.
    ///
    /// # Errors
    /// `approval_required`, as for a call; `cancelled` where whoever asked has gone meanwhile.
    pub(super) async fn approved_at_door(
        &self,
        event: &Event,
        place: &Place,
        opening: String,
        visitor: &Visitor<'_>,
    ) -> Result<()> {
        let end = Instant::now() + LONGEST;
        let style = event.styles.first().copied().unwrap_or(Style::Env);
        let value = |name: &SecretName| format!("{}/{}/{name} as {}", place.project, place.environment, style.as_str());
        let call = WaitingCall {
            values: event.secrets.iter().map(value).collect(),
            method: if style == Style::Exec { "answer" } else { "run" }.to_owned(),
            origin: opening,
            path: String::new(),
            discloses: true,
            ..waiting_of(event, place, visitor.peer, end)
        };
        tokio::select! {
            decided = self.decided(&call, event, end) => decided,
            () = gone(visitor.caller) => Err(Error::new(ErrorCode::Cancelled, "whoever asked has gone")),
        }
    }

    /// Holds a place until a human has decided.
    async fn decided(&self, call: &WaitingCall, event: &Event, end: Instant) -> Result<()> {
        let (_seat, decided) = self.waiting.hold(call, event)?;
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
        Ok(WaitingCall { values, ..waiting_of(event, &caller.place, caller.peer.pid, end) })
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

/// What the audit's event and the kernel say of something that waits.
fn waiting_of(event: &Event, place: &Place, peer: Option<u32>, end: Instant) -> WaitingCall {
    let since = Timestamp::now();
    let wait = end.saturating_duration_since(Instant::now());
    WaitingCall {
        values: Vec::new(),
        id: Uuid::new_v4().simple().to_string(),
        agent: event.agent.as_ref().and_then(|agent| Label::parse(agent.as_str()).ok()),
        pid: peer,
        process: peer.map_or_else(|| "unknown".to_owned(), owner::process_tree),
        project: place.project.clone(),
        environment: place.environment.clone(),
        secrets: event.secrets.clone(),
        method: event.method.map_or("", |method| method.as_str()).to_owned(),
        origin: event.origin.as_ref().map(ToString::to_string).unwrap_or_default(),
        path: event.path.as_ref().map(|path| path.as_str().to_owned()).unwrap_or_default(),
        discloses: false,
        since,
        until: since.checked_add(wait).unwrap_or(Timestamp::MAX),
    }
}

/// Until whoever stands at a door has gone. Nothing is read: what is said there is for whoever watches the child.
async fn gone(caller: &UnixStream) {
    while !release::is_closed(caller) {
        tokio::time::sleep(LOOK).await;
    }
}

fn required(why: &'static str) -> Error {
    Error::new(ErrorCode::ApprovalRequired, why)
}
