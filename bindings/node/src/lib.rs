//! The native module of the npm package `agentsecrets`: conversion between JavaScript and the bridge, and nothing else.
//!
//! Work runs on the bridge's runtime. What is done is put in a mailbox, and one wake-up of the event loop brings a whole
//! batch of it to JavaScript.

#![allow(clippy::needless_pass_by_value)] // What JavaScript hands over is owned.
#![cfg_attr(test, allow(dead_code, reason = "a test build leaves out the registration that leads to all of it"))]
#![allow(unreachable_pub)] // The macro wants `pub`, and exports by itself.

mod answer;
mod call;
mod child;
mod client;
mod feed;
mod mailbox;
mod piece;
mod refusal;
mod stream;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use napi::{Env, Result};
use napi_derive::napi;

use crate::refusal::Refusal;

/// How long the end of the process waits for work that was given up.
const END_LIMIT: Duration = Duration::from_millis(500);

/// Environments (the main thread and its workers) that have loaded the module and not ended.
static ENVIRONMENTS: AtomicUsize = AtomicUsize::new(0);

#[napi(module_exports)]
fn loaded(_exports: napi::bindgen_prelude::Object<'_>, env: Env) -> Result<()> {
    agentsecrets_bridge::install();
    ENVIRONMENTS.fetch_add(1, Ordering::AcqRel);
    env.add_env_cleanup_hook((), |()| {
        // The runtime ends with the last environment: its threads must not outlive what they would wake.
        if ENVIRONMENTS.fetch_sub(1, Ordering::AcqRel) == 1 {
            agentsecrets_bridge::end(END_LIMIT);
        }
    })?;
    Ok(())
}

/// A reference, parsed: the name, its scope, and the text it is written as.
#[napi(object, object_from_js = false)]
pub struct Reference {
    /// The secret's name.
    pub name: String,
    /// The workspace, where one is named.
    pub workspace: Option<String>,
    /// The project, where one is named.
    pub project: Option<String>,
    /// The environment, where one is named.
    pub environment: Option<String>,
    /// The canonical text.
    pub text: String,
    /// What a library may be given in the value's place; a scoped reference has none.
    pub placeholder: Option<String>,
}

/// Parses a reference, and the pattern around its value where there is one.
#[napi]
pub fn parse_reference(text: String, pattern: Option<String>) -> napi::Either<Reference, Refusal> {
    match call::reference(&text, pattern.as_deref()) {
        Err(error) => napi::Either::B(Refusal::from(&error)),
        Ok(found) => napi::Either::A(Reference {
            name: found.name().to_string(),
            workspace: found.scope().workspace.as_ref().map(ToString::to_string),
            project: found.scope().project.as_ref().map(ToString::to_string),
            environment: found.scope().environment.as_ref().map(ToString::to_string),
            text: found.to_string(),
            placeholder: found.placeholder().ok(),
        }),
    }
}

/// What is wrong with a call, as sending it would say before anything is sent. Its streams are not touched.
#[napi]
pub fn check_call(call: call::CallSpec) -> Option<Refusal> {
    call::parse(call, None, &mut |_| Some(agentsecrets_bridge::feed(None).1)).err().map(|error| Refusal::from(&error))
}
