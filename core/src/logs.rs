//! Reading and verifying the audit log of a home. It needs no key, and works while the store is locked.

use crate::audit;
use crate::error::{Error, ErrorCode, Result};
use crate::home::Home;

pub use crate::audit::{
    AgentName, Anchor, Entry, Export, FirstBad, Follow, Identity, Line, LogsQuery, Outcome, Phase, Record, Verdict,
};

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

/// The records of the log as they stand there, the oldest first, over its whole history.
///
/// # Errors
/// `audit_unavailable` where the log cannot be read.
pub fn export(home: &Home, query: LogsQuery) -> Result<Export> {
    Export::open(&home.audit(), query)
}

/// The records that are written from now on.
///
/// # Errors
/// `audit_unavailable` where the log cannot be read.
pub fn follow(home: &Home) -> Result<Follow> {
    Follow::from_end(&home.audit())
}

/// Verifies the chain, its counter, and the anchors that are known. The MACs need the owner: see
/// [`Owner::verify_logs`](crate::owner::Owner::verify_logs).
///
/// # Errors
/// `audit_unavailable` where the log cannot be read.
pub fn verify<'a>(home: &Home, anchors: impl IntoIterator<Item = &'a Anchor>) -> Result<Verdict> {
    audit::verify(&home.audit(), None, anchors)
}

/// The anchors of this home that stand in a text, as `journalctl -t agentsecrets -o cat` gives it.
///
/// # Errors
/// `not_initialized`, and `invalid_call` where the text cannot be read.
pub fn anchors_in(home: &Home, text: impl std::io::BufRead) -> Result<Vec<Anchor>> {
    audit::anchors_in(home.config()?.id, text)
        .map_err(|why| Error::new(ErrorCode::InvalidCall, format!("the anchors cannot be read: {}", why.kind())))
}
