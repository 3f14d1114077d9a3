//! The pipeline: the stages in order, and nothing else.
//!
//! `caller` says who asks, `gate` where they come in, `follow` repeats it, `closing` ends the record, `answers` are no calls, `doors` other ways out.

mod agents;
mod answers;
mod approvals;
mod asking;
mod caller;
mod closing;
mod copy;
mod doors;
mod follow;
pub(crate) mod gate;
mod limits;
mod loaded;
mod needles;
mod open;
mod place;
pub(crate) mod placeholders;
mod setting;
mod sources;
mod state;

use std::sync::Arc;

pub use open::Engine;

use crate::audit::Begun;
use crate::call::Call;
use crate::error::Result;
use crate::inject::arm;
use crate::redact::{Head, RedactedBody, redact};
use crate::resolve::resolve;
use crate::response::Response;
use crate::send::Unsent;
use caller::{Admitted, Caller};
use loaded::Loaded;

impl Engine {
    /// One request: policy, resolve, inject, send, redact, with the audit around them.
    async fn once(&self, call: Call, caller: &Caller) -> Result<Response> {
        let loaded = self.loaded()?;
        let mut admitted = self.admit(&loaded, &call, caller)?;
        self.count(&loaded, &mut admitted, caller).await?;
        let begun = self.audit.begin(&admitted.event)?;
        let (url, limits) = (call.url.clone(), closing::Limits::of(&call, caller.started));
        match limits.hold(self.through(call, caller, loaded, admitted, &begun)).await {
            Ok((head, body)) => Ok(closing::response(head, body, url, begun, limits, &self.sockets)),
            Err(why) => Err(closing::failed(begun, why)),
        }
    }

    async fn through(
        &self,
        call: Call,
        caller: &Caller,
        mut loaded: Arc<Loaded>,
        mut admitted: Box<Admitted>,
        _begun: &Begun,
    ) -> Result<(Head, RedactedBody)> {
        if self.approved(&admitted, caller).await? {
            // A human takes a while: whatever was changed meanwhile counts.
            loaded = self.loaded()?;
            admitted = self.permit(&loaded, &call, caller).map_err(|(_, why)| why)?;
        }
        self.audit.make_durable().await?;
        let (place, Admitted { permitted, visible, .. }) = (&caller.place, *admitted);
        let linked = self.linked(&loaded, place, &permitted).await?;
        let resolved = resolve(self.vault()?, permitted, linked).await?;
        let injections = call.injections.clone();
        let (armed, forms) = arm(call, &resolved)?;
        let scanner = self.needles.scanner(self.vault()?, &loaded, place, visible, &resolved, &forms).await?;
        match loaded.sender.send(armed, resolved.scope()).await {
            Ok(raw) => redact(raw, scanner),
            Err(Unsent::Address(ip)) => Err(resolved.refused_address(ip, &injections)),
            Err(Unsent::Failed(why)) => Err(needles::redacted(why, &scanner)),
        }
    }
}
