//! The parts that no single call shows, for `cargo xtask bench`. Compiled only with the feature `measure`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::{AuditLog, Ended, Event, FirstKey, Identity, Isolation, Options, Outcome};
use crate::error::{Error, ErrorCode, Result};
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

/// What the disk did with records that are waited for.
pub struct Durable {
    /// Records a second that were on the disk when their writer went on.
    pub records: f64,
    /// Microseconds of one append and fdatasync of as many bytes as a group has.
    pub sync_us: f64,
}

/// Writes so many records with `audit.durable`, so many of them in flight, and looks at the bare disk before and after.
///
/// # Errors
/// `audit_unavailable` where the folder does not take the log.
pub async fn durable(folder: &Path, each: u32, in_flight: u32) -> Result<Durable> {
    AuditLog::create(folder, &FirstKey::make()?)?;
    let log = AuditLog::open(folder, Options { durable: true, ..Options::default() })?;
    let before = bare_sync(folder, in_flight)?;
    let began = Instant::now();
    let tasks = (0..in_flight).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            let event = Event::new(Identity::Declared, Isolation::Broker);
            let mut open = Vec::new(); // Ended later: one record a round, the one that is waited for.
            for _ in 0..each {
                open.push(log.begin(&event)?);
                log.make_durable().await?;
            }
            Result::<_, Error>::Ok(open)
        })
    });
    let mut open = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        open.extend(task.await.map_err(|_| Error::new(ErrorCode::Internal, "a writer ended"))??);
    }
    let records = f64::from(each) * f64::from(in_flight) / began.elapsed().as_secs_f64();
    drop(open);
    Ok(Durable { records, sync_us: f64::midpoint(before, bare_sync(folder, in_flight)?) })
}

/// Microseconds that an append of a group of records takes with its sync, without any log.
fn bare_sync(folder: &Path, records: u32) -> Result<f64> {
    use std::io::Write as _;
    const ROUNDS: u32 = 50;
    let path = folder.with_extension("bare");
    let group = vec![b'x'; records as usize * 560];
    let write = || {
        let mut file = std::fs::File::create(&path)?;
        let began = Instant::now();
        for _ in 0..ROUNDS {
            file.write_all(&group)?;
            file.sync_data()?;
        }
        let took = began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
        std::fs::remove_file(&path).map(|()| took)
    };
    write().map_err(|why: std::io::Error| Error::new(ErrorCode::AuditUnavailable, format!("no bare file: {why}")))
}
