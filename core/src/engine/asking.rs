//! What the policy is asked of a call.

use std::borrow::Cow;

use http::{HeaderMap, header};
use jiff::Timestamp;

use crate::call::{Auth, Call};
use crate::context::Place;
use crate::error::Result;
use crate::policy::{Agent, Asked, Permitted, Policy};

/// Asks whether a call may be made.
pub(super) fn check(policy: &Policy, call: &Call, place: &Place, agent: Option<&Agent>) -> Result<Permitted> {
    policy.check(&Asked {
        project: place.project_id,
        project_name: &place.project,
        environment: &place.environment,
        method: &call.method,
        url: &call.url,
        headers: &own_headers(call),
        injections: &call.injections,
        agent,
        now: Timestamp::now(),
    })
}

/// The caller's own headers: one that holds the placeholder of the very secret that takes its place is not its own.
fn own_headers(call: &Call) -> Cow<'_, HeaderMap> {
    let mut own = Cow::Borrowed(&call.headers);
    for injection in &call.injections {
        let name = match &injection.auth {
            Auth::Bearer | Auth::Basic => &header::AUTHORIZATION,
            Auth::Header(name) => name,
            _ => continue,
        };
        let Ok(placeholder) = injection.secret.placeholder() else { continue };
        let mut said = call.headers.get_all(name).iter().peekable();
        if said.peek().is_some() && said.all(|value| holds(value.as_bytes(), &placeholder)) {
            own.to_mut().remove(name);
        }
    }
    own
}

/// Whether the last word of a header is the placeholder, as in `Bearer AS_SECRET_KEY`.
fn holds(value: &[u8], placeholder: &str) -> bool {
    value.rsplit(|byte| *byte == b' ').next() == Some(placeholder.as_bytes())
}
