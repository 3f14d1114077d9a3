//! The pipeline: the stages in order, and nothing else.
//!
//! `follow` repeats it for redirects and retries, `closing` ends the audit record with the body, `loaded` holds the
//! policy in force, `needles` what is looked for, `answers` what is asked besides calls.

mod answers;
mod asking;
mod closing;
mod follow;
mod lifted;
mod loaded;
mod needles;
mod open;
mod place;
mod placeholders;
mod state;

use std::time::Instant;

pub use open::Engine;

use crate::audit::Begun;
use crate::call::Call;
use crate::context::Place;
use crate::error::Result;
use crate::inject::arm;
use crate::policy::Permitted;
use crate::redact::{Head, RedactedBody, redact};
use crate::resolve::resolve;
use crate::response::Response;
use crate::send::Unsent;
use asking::check;

impl Engine {
    /// One request: policy, resolve, inject, send, redact, with the audit around them.
    async fn once(&self, call: Call, place: &Place, started: Instant) -> Result<Response> {
        let loaded = self.loaded()?;
        let permitted = check(&loaded.policy, &call, place).map_err(|why| self.denied(&call, place, why, started))?;
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
    ) -> Result<(Head, RedactedBody)> {
        self.audit.make_durable().await?;
        let resolved = resolve(self.vault()?, place.workspace_id, permitted).await?;
        let injections = call.injections.clone();
        let (armed, forms) = arm(call, &resolved)?;
        let scanner = self.needles.scanner(self.vault()?, loaded, place, &resolved, &forms).await?;
        match loaded.sender.send(armed, resolved.scope()).await {
            Ok(raw) => redact(raw, scanner),
            Err(Unsent::Address(ip)) => Err(resolved.refused_address(ip, &injections)),
            Err(Unsent::Failed(why)) => Err(needles::redacted(why, &scanner)),
        }
    }
}
