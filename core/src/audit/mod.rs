//! Around every call: evidence of what was asked, decided and done.
//!
//! A folder of JSON Lines segments (`000001.jsonl`, …), a `state` page that says where the chain stands, and one lock
//! file per writing process in `writers/`. A record is one line with these fields, always all of them, in this order:
//!
//! `id`, `call`, `phase`, `prev`, `time`, `act`, `agent`, `identity`, `isolation`, `workspace`, `project`,
//! `environment`, `secrets`, `styles`, `method`, `origin`, `path`, `status`, `outcome`, `reason`, `redacted`,
//! `duration_ms`, `mac`
//!
//! What does not apply is `null`, or `[]` for a list. `act` is `call`, for a change of the deny overlay `deny` or
//! `deny_lifted`, for what a human decided of a call `approval`, for a home put back from a backup `restored`, or `tail_lost` for records that were never synced and
//! went with the machine (`crash.rs`). `id` and `call` are version 7 UUIDs (RFC 9562, section 5.7): the last twelve digits of an `id` are the
//! record's place in the chain, counted from 1, those of a `call` name its writer. `chain.rs` says what `prev` and
//! `mac` are made of.

mod append;
mod boot;
mod chain;
mod crash;
mod event;
mod files;
mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod log;
mod outside;
mod page;
mod read;
mod record;
mod recover;
mod snapshot;
mod state;
mod sync;
mod template;
mod turn;
mod verdict;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use chain::FirstKey;
pub(crate) use event::{DenyChange, Ended, Event, MethodName, Reason};
pub(crate) use log::{AuditLog, Begun, Options};
pub(crate) use outside::{Outside, anchors_in};
pub(crate) use read::{list, records, show};
pub(crate) use template::PathTemplate;
pub(crate) use verify::verify;

pub(crate) use event::Isolation;
pub use event::{AgentName, Identity, Outcome};
pub use forward::{Export, Follow, Line};
pub use read::{Entry, LogsQuery};
pub use record::{Phase, Record};
pub use state::Anchor;
pub use verdict::{FirstBad, Verdict};
