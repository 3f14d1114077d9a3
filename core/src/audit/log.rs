//! The log of a home, as the pipeline uses it: no `begun`, no call; and whatever the exit, an `ended`.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use uuid::Uuid;

use super::append::{Core, Entry, Tuning};
use super::chain::FirstKey;
use super::event::{DenyChange, Ended, Event, Outcome, Reason};
use super::files::{self, unavailable};
use super::outside::Outside;
use super::record::{Phase, write_event};
use super::recover;
#[cfg(test)]
use super::recover::Recovered;
use super::state::{Anchor, State, StatePage};
use super::turn;
use super::writer::generation;
use crate::error::{Error, ErrorCode, Result};

/// How many records that could not be written are remembered; as no call begins while there is one, only calls that
/// were under way and refusals add to them.
const MOST_OWED: usize = 4096;

/// How a log is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Whether [`AuditLog::make_durable`] waits for the disk.
    pub(crate) durable: bool,
    /// Where the end of the chain is noted outside the home.
    pub(crate) outside: Option<Outside>,
}

/// The log. Cheap to clone; any number of threads and processes may write to one folder.
#[derive(Clone)]
pub(crate) struct AuditLog {
    inside: Arc<Mutex<Inside>>,
    options: Options,
    #[cfg(test)]
    recovered: Recovered,
}

struct Inside {
    core: Core,
    /// Records of calls that ended while the log could not be written.
    owed: Vec<Owed>,
    generation: u64,
}

struct Owed {
    call: Uuid,
    event: String,
    ended: Ended,
    closes: bool,
}

impl AuditLog {
    /// Makes the folder of a new log. The key of the first record is the caller's to keep: whoever has it can check
    /// every MAC, and the log itself forgets it with the first record.
    ///
    /// Where there is a log that cannot be continued, it is moved into a folder `set-aside-…` and stays readable there.
    ///
    /// # Errors
    /// `already_initialized` where there is a sound log, `audit_unavailable` where the folder cannot be written.
    pub(crate) fn create(dir: &Path, first: &FirstKey) -> Result<()> {
        files::make_folder(dir).map_err(|why| unavailable("made", &why))?;
        if let Ok(mut page) = StatePage::open(dir)
            && turn::claim(dir, &page).is_ok()
            && recover::settle(dir, &mut page).is_ok()
        {
            return Err(Error::new(ErrorCode::AlreadyInitialized, "there is an audit log already"));
        }
        set_old_log_aside(dir)
            .and_then(|()| {
                files::options().write(true).create_new(true).open(files::segment_path(dir, 1))?;
                StatePage::create(dir, &State::first(first.key()))
            })
            .map_err(|why| unavailable("made", &why))
    }

    /// Opens the log, counts what a killed process wrote, moves half a record aside, and ends the calls of dead
    /// processes as `failed`.
    ///
    /// # Errors
    /// `audit_unavailable` where it cannot be written or does not continue from its last record.
    pub(crate) fn open(dir: &Path, options: Options) -> Result<Self> {
        Self::open_with(dir, options, Tuning { outside: options.outside, ..Tuning::default() })
    }

    pub(super) fn open_with(dir: &Path, options: Options, tuning: Tuning) -> Result<Self> {
        let (core, _recovered) = Core::open(dir, tuning)?;
        let inside = Inside { core, owed: Vec::new(), generation: generation() };
        Ok(Self {
            inside: Arc::new(Mutex::new(inside)),
            options,
            #[cfg(test)]
            recovered: _recovered,
        })
    }

    /// What the opening mended.
    #[cfg(test)]
    pub(crate) fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Records that a call begins. Without this there is no call.
    ///
    /// A record that could not be written before is written first; while it cannot be, no call begins.
    ///
    /// # Errors
    /// `audit_unavailable`.
    pub(crate) fn begin(&self, event: &Event) -> Result<Begun> {
        let event = write_event("call", event);
        let mut inside = self.lock();
        inside.pay()?;
        let call = inside.core.make_call()?;
        inside.core.append(&Entry { call, phase: Phase::Begun, event: &event, end: None, denies: 0, closes: false })?;
        drop(inside);
        Ok(Begun { log: self.clone(), call, event, started: Instant::now(), generation: generation(), open: true })
    }

    /// Waits, with `durable`, until every record written so far is on the disk. Without, it returns at once.
    ///
    /// # Errors
    /// `audit_unavailable` where the disk refuses.
    pub(crate) async fn make_durable(&self) -> Result<()> {
        if !self.options.durable {
            return Ok(());
        }
        let synced = self.lock().core.sync.all_synced();
        if synced.await { Ok(()) } else { Err(not_synced()) }
    }

    /// Records a call that was refused before it began.
    ///
    /// # Errors
    /// `audit_unavailable`; the record is then owed, and written before the next call begins.
    pub(crate) fn denied(&self, event: &Event, reason: ErrorCode, duration: Duration) -> Result<()> {
        let ended = Ended {
            outcome: Outcome::Denied,
            status: None,
            reason: Some(Reason::Code(reason)),
            redacted: Vec::new(),
            duration_ms: Some(millis(duration)),
        };
        let mut inside = self.lock();
        let call = inside.core.make_call()?;
        inside.end(Owed { call, event: write_event("call", event), ended, closes: false })
    }

    /// Records a change of the deny overlay, and returns how many there have been. The overlay carries that number: one
    /// that carries another, or is missing where there was a change, is not the one that was last made.
    ///
    /// # Errors
    /// `audit_unavailable`, and nothing was counted.
    pub(crate) fn deny_changed(&self, change: DenyChange, event: &Event) -> Result<u64> {
        let act = match change {
            DenyChange::Added => "deny",
            DenyChange::Lifted => "deny_lifted",
        };
        let ended = Ended { outcome: Outcome::Ok, status: None, reason: None, redacted: Vec::new(), duration_ms: None };
        let event = write_event(act, event);
        let mut inside = self.lock();
        inside.pay()?;
        let call = inside.core.make_call()?;
        let state = inside.core.append(&Entry {
            call,
            phase: Phase::Ended,
            event: &event,
            end: Some(&ended),
            denies: 1,
            closes: false,
        })?;
        Ok(state.denies)
    }

    /// Records what a human decided of a call that waits.
    ///
    /// # Errors
    /// `audit_unavailable`, and nothing was decided.
    pub(crate) fn decided(&self, approved: bool, event: &Event) -> Result<()> {
        let outcome = if approved { Outcome::Ok } else { Outcome::Denied };
        let ended = Ended { outcome, status: None, reason: None, redacted: Vec::new(), duration_ms: None };
        let event = write_event("approval", event);
        let mut inside = self.lock();
        inside.pay()?;
        let call = inside.core.make_call()?;
        let entry = Entry { call, phase: Phase::Ended, event: &event, end: Some(&ended), denies: 0, closes: false };
        inside.core.append(&entry).map(drop)
    }

    /// Records that the home was put back from a backup.
    ///
    /// # Errors
    /// `audit_unavailable`.
    pub(crate) fn restored(&self, event: &Event) -> Result<()> {
        let outcome = Outcome::Ok;
        let ended = Ended { outcome, status: None, reason: None, redacted: Vec::new(), duration_ms: None };
        let event = write_event("restored", event);
        let mut inside = self.lock();
        inside.pay()?;
        let call = inside.core.make_call()?;
        let entry = Entry { call, phase: Phase::Ended, event: &event, end: Some(&ended), denies: 0, closes: false };
        inside.core.append(&entry).map(drop)
    }

    /// How many changes of the deny overlay the log remembers.
    ///
    /// # Errors
    /// `audit_unavailable`.
    pub(crate) fn deny_count(&self) -> Result<u64> {
        Ok(self.lock().core.state()?.denies)
    }

    /// Where the chain stands now, to be kept outside the home. Where the log was cut or rolled back, it is what this
    /// process remembers of its end, by which `verify` finds that.
    pub(crate) fn anchor(&self) -> Anchor {
        let mut inside = self.lock();
        let _ = inside.core.state(); // What the files cannot say is remembered.
        let (seq, last) = inside.core.head();
        let hash = String::from_utf8_lossy(&last.hex()).into_owned();
        Anchor { seq, hash, time: Timestamp::now() }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.generation != generation() {
            inside.generation = generation();
            inside.owed.clear(); // They are the parent's to write.
        }
        inside
    }
}

impl Inside {
    /// Writes what is owed.
    fn pay(&mut self) -> Result<()> {
        while let Some(owed) = self.owed.first() {
            let _: State = self.core.append(&owed.entry())?;
            self.owed.remove(0);
        }
        if self.core.sync.is_broken() { Err(not_synced()) } else { Ok(()) }
    }

    /// Writes an `ended`, or owes it.
    fn end(&mut self, owed: Owed) -> Result<()> {
        let written = self.core.append(&owed.entry()).map(drop);
        if written.is_err() && self.owed.len() < MOST_OWED {
            self.owed.push(owed);
        }
        written
    }
}

impl Owed {
    fn entry(&self) -> Entry<'_> {
        Entry {
            call: self.call,
            phase: Phase::Ended,
            event: &self.event,
            end: Some(&self.ended),
            denies: 0,
            closes: self.closes,
        }
    }
}

/// A call under way. Dropped without [`end`](Self::end), it is recorded as `cancelled`.
#[must_use = "dropping it records the call as cancelled"]
pub(crate) struct Begun {
    log: AuditLog,
    call: Uuid,
    event: String,
    started: Instant,
    generation: u64,
    open: bool,
}

impl Begun {
    /// The id both records of the call share.
    #[cfg(test)]
    pub(crate) fn call(&self) -> Uuid {
        self.call
    }

    /// How long the call has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Records how the call ended.
    ///
    /// # Errors
    /// `audit_unavailable`: the response is to be marked, and no call begins until the record is written after all.
    pub(crate) fn end(mut self, ended: Ended) -> Result<()> {
        self.finish(ended)
    }

    fn finish(&mut self, ended: Ended) -> Result<()> {
        self.open = false;
        if self.generation != generation() {
            return Ok(()); // A forked child's copy; the call is the parent's.
        }
        let event = std::mem::take(&mut self.event);
        self.log.lock().end(Owed { call: self.call, event, ended, closes: true })
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.open {
            let ended = Ended {
                outcome: Outcome::Cancelled,
                status: None,
                reason: Some(Reason::Code(ErrorCode::Cancelled)),
                redacted: Vec::new(),
                duration_ms: Some(millis(self.started.elapsed())),
            };
            let _ = self.finish(ended); // What cannot be written is owed, and the next call waits for it.
        }
    }
}

/// Whole milliseconds, as records have them.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn not_synced() -> Error {
    Error::new(ErrorCode::AuditUnavailable, "the disk did not take the last records of the audit log")
        .with_hint("make room on the disk of AGENTSECRETS_HOME or replace it, then: agentsecrets logs verify")
}

/// Moves everything in the folder into one inside it.
fn set_old_log_aside(dir: &Path) -> std::io::Result<()> {
    let old: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    let old = old.iter().filter(|entry| !entry.file_name().to_string_lossy().starts_with("set-aside-"));
    let mut old = old.peekable();
    if old.peek().is_none() {
        return Ok(());
    }
    let aside = dir.join(format!("set-aside-{}", Timestamp::now().as_millisecond()));
    files::make_folder(&aside)?;
    old.try_for_each(|entry| std::fs::rename(entry.path(), aside.join(entry.file_name())))
}
