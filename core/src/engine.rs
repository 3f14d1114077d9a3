//! The pipeline: the stages in order, and nothing else.
//!
//! `follow` repeats it for redirects and retries, `closing` ends the audit record with the body, `loaded` holds the
//! policy in force, `needles` what is looked for, `answers` what is asked besides calls.

mod answers;
mod closing;
mod follow;
mod loaded;
mod needles;
mod open;
mod place;
mod state;

use std::borrow::Cow;
use std::time::Instant;

use http::{HeaderMap, header};
use jiff::Timestamp;

pub use open::Engine;

use crate::audit::Begun;
use crate::call::{Auth, Call};
use crate::context::Place;
use crate::error::{Error, Result};
use crate::inject::arm;
use crate::policy::{Asked, Permitted};
use crate::redact::redact;
use crate::resolve::resolve;
use crate::response::Response;

impl Engine {
    /// One request: policy, resolve, inject, send, redact, with the audit around them.
    async fn once(&self, call: Call, place: &Place, started: Instant) -> Result<Response> {
        let loaded = self.loaded()?;
        let permitted = loaded
            .policy
            .check(&asked(&call, &own_headers(&call), place))
            .map_err(|why| self.denied(&call, place, why, started))?;
        let begun = self.audit.begin(&self.event(&call, place, Some(&permitted)))?;
        let (url, limits) = (call.url.clone(), closing::Limits::of(&call, started));
        match limits.hold(self.through(call, place, &loaded, permitted, &begun)).await {
            Ok((head, body)) => Ok(closing::response(head, body, url, begun, limits)),
            Err(why) => Err(closing::failed(begun, why)),
        }
    }

    async fn through(
        &self,
        call: Call,
        place: &Place,
        loaded: &loaded::Loaded,
        permitted: Permitted,
        _begun: &Begun,
    ) -> Result<(crate::redact::Head, crate::redact::RedactedBody)> {
        self.audit.make_durable().await?;
        let resolved = resolve(self.vault()?, place.workspace_id, permitted).await?;
        let (armed, forms) = arm(call, &resolved)?;
        let scanner = self.needles.scanner(self.vault()?, loaded, place, &resolved, &forms).await?;
        let raw = loaded.sender.send(armed, resolved.scope()).await.map_err(|why| needles::redacted(why, &scanner))?;
        redact(raw, scanner)
    }

    /// Records a call that was refused before it began.
    fn denied(&self, call: &Call, place: &Place, why: Error, started: Instant) -> Error {
        let why = self.unknown_name(call, place).unwrap_or(why);
        let event = self.event(call, place, None);
        self.audit.denied(&event, why.code(), started.elapsed()).err().unwrap_or(why)
    }
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

fn asked<'a>(call: &'a Call, headers: &'a HeaderMap, place: &'a Place) -> Asked<'a> {
    Asked {
        project: place.project_id,
        project_name: &place.project,
        environment: &place.environment,
        method: &call.method,
        url: &call.url,
        headers,
        injections: &call.injections,
        now: Timestamp::now(),
    }
}
