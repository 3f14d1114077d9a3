//! Reading and verifying the audit log of a home. It needs no key, and works while the store is locked.

use crate::audit;
use crate::error::Result;
use crate::home::Home;

pub use crate::audit::{AgentName, Anchor, Entry, FirstBad, Identity, LogsQuery, Outcome, Phase, Record, Verdict};

/// The calls of the log, the newest first, each with how it began and ended.
///
/// # Errors
/// `audit_unavailable` where the log cannot be read.
pub fn list(home: &Home, query: &LogsQuery) -> Result<Vec<Entry>> {
    audit::list(&home.audit(), query)
}

/// The records of the log, the newest first.
///
/// # Errors
/// `audit_unavailable` where the log cannot be read.
pub fn records(home: &Home, query: &LogsQuery) -> Result<Vec<Record>> {
    audit::records(&home.audit(), query)
}

/// The records whose id, or whose call's id, has this beginning or end.
///
/// # Errors
/// `audit_unavailable` where the log cannot be read.
pub fn show(home: &Home, id: &str) -> Result<Vec<Record>> {
    audit::show(&home.audit(), id)
}

/// Verifies the chain, its counter, and an anchor where one is known. The MACs need the owner: see
/// [`Owner::verify_logs`](crate::owner::Owner::verify_logs).
///
/// # Errors
/// `audit_unavailable` where the log cannot be read.
pub fn verify(home: &Home, anchor: Option<&Anchor>) -> Result<Verdict> {
    audit::verify(&home.audit(), None, anchor)
}
