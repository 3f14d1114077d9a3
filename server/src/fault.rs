//! Points at which a debug build can be made to die, so that tests see what a crash leaves behind.

/// The points: before and after the commit of each kind of write.
pub(crate) const NAMES: [&str; 10] = [
    "account.before",
    "account.after",
    "session.before",
    "session.after",
    "chain.before",
    "chain.after",
    "record.before",
    "record.after",
    "heartbeat.before",
    "heartbeat.after",
];

/// Aborts the process where `AGENTSECRETS_SERVER_FAULT` says so, as `NAME:N`, when it comes here for the Nth time.
#[cfg(debug_assertions)]
pub(crate) fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("AGENTSECRETS_SERVER_FAULT").ok()?;
        let (name, count) = text.split_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });
    if let Some((wanted, count)) = wanted
        && wanted == name
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        std::process::abort();
    }
}

/// Nothing, in what is shipped.
#[cfg(not(debug_assertions))]
pub(crate) const fn point(_name: &'static str) {}
