//! The parts that no single call shows, for `cargo xtask bench`. Compiled only with the feature `measure`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::{AuditLog, Ended, Event, FirstKey, Identity, Isolation, Options, Outcome};
use crate::error::Result;
use crate::redact::{Known, Redactor, Scanner};

/// How a body comes off a socket.
const CHUNK: usize = 64 * 1024;

/// Seconds that it takes to search a text, in chunks, for every form of the values.
#[must_use]
pub fn scan(values: &[Vec<u8>], text: &[u8]) -> f64 {
    let known: Vec<Known<'_>> = values.iter().map(|value| Known { label: None, value }).collect();
    let scanner = Arc::new(Scanner::build(&known, &[]));
    let once = || {
        let (mut redactor, mut out) = (Redactor::new(Arc::clone(&scanner)), Vec::with_capacity(2 * CHUNK));
        let began = Instant::now();
        for chunk in text.chunks(CHUNK) {
            redactor.push(chunk, &mut out);
            out.clear();
        }
        redactor.finish(&mut out);
        began.elapsed()
    };
    let mut took: Vec<Duration> = (0..5).map(|_| once()).collect();
    took.sort_unstable();
    took[took.len() / 2].as_secs_f64()
}

/// Seconds that it takes to record so many calls, two records each, in a new log.
///
/// # Errors
/// `audit_unavailable` where the folder does not take the log.
pub fn audit(folder: &Path, calls: u32) -> Result<f64> {
    AuditLog::create(folder, &FirstKey::make()?)?;
    let log = AuditLog::open(folder, Options::default())?;
    let event = Event::new(Identity::Declared, Isolation::Broker);
    let began = Instant::now();
    for _ in 0..calls {
        let ended =
            Ended { outcome: Outcome::Ok, status: Some(200), reason: None, redacted: Vec::new(), duration_ms: Some(1) };
        log.begin(&event)?.end(ended)?;
    }
    Ok(began.elapsed().as_secs_f64())
}
