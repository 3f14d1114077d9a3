//! Reading the log: newest first, from the end, without the lock and without loading it all.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::{AgentName, Outcome};
use super::files::{self, unavailable};
use super::forward::Line;
use super::record::{Phase, Record};
use crate::error::Result;
use crate::secret_ref::{Label, SecretName};

/// Which records are asked for. What is absent asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LogsQuery {
    /// At most this many, the newest.
    pub last: Option<usize>,
    /// Calls that ended so.
    pub outcome: Option<Outcome>,
    /// Calls that named this secret, or got its value redacted.
    pub secret: Option<SecretName>,
    /// Calls of this agent.
    pub agent: Option<AgentName>,
    /// Calls in this project.
    pub project: Option<Label>,
    /// Calls in this environment.
    pub environment: Option<Label>,
    /// Records written then or later, by the clock of the machine.
    pub since: Option<Timestamp>,
    /// Records written before then.
    pub until: Option<Timestamp>,
    /// The call of this id.
    pub call: Option<String>,
}

impl LogsQuery {
    pub(super) fn asks_for(&self, record: &Record) -> bool {
        fn same<T: PartialEq>(asked: Option<&T>, found: Option<&T>) -> bool {
            asked.is_none() || asked == found
        }
        let named = |name| record.secrets.contains(name) || record.redacted.contains(name);
        same(self.outcome.as_ref(), record.outcome.as_ref())
            && self.secret.as_ref().is_none_or(named)
            && same(self.agent.as_ref(), record.agent.as_ref())
            && same(self.project.as_ref(), record.project.as_ref())
            && same(self.environment.as_ref(), record.environment.as_ref())
            && self.since.is_none_or(|since| record.written_at().is_some_and(|time| time >= since))
            && self.until.is_none_or(|until| record.written_at().is_some_and(|time| time < until))
            && same(self.call.as_ref(), Some(&record.call))
    }
}

/// A call as a human looks at it: its last record, and when it was asked for and over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// When it was asked for.
    pub began: Option<Timestamp>,
    /// When it was over; absent where it is under way, or its process died and nobody opened the log since.
    pub ended: Option<Timestamp>,
    /// `ended` where there is one, else `begun`.
    #[serde(flatten)]
    pub record: Record,
}

impl Entry {
    fn new(record: Record) -> Self {
        let began = Uuid::try_parse(&record.call).ok().and_then(|call| call.get_timestamp()).and_then(|time| {
            let (seconds, nanoseconds) = time.to_unix();
            Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
        });
        let ended = if record.phase == Phase::Ended { record.written_at() } else { None };
        Self { began, ended, record }
    }
}

/// The calls asked for, the last written first. A call under way is among them.
///
/// # Errors
/// `audit_unavailable`.
pub(crate) fn list(dir: &Path, query: &LogsQuery) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut over = HashSet::new();
    let mut log = Backwards::open(dir)?;
    while entries.len() < query.last.unwrap_or(usize::MAX) {
        let Some(record) = log.next_record()? else { break };
        let is_last_of_call = match record.phase {
            Phase::Ended => over.insert(record.call.clone()),
            Phase::Begun => !over.remove(&record.call),
        };
        if is_last_of_call && query.asks_for(&record) {
            entries.push(Entry::new(record));
        }
    }
    Ok(entries)
}

/// The records asked for, newest first.
///
/// # Errors
/// `audit_unavailable`.
pub(crate) fn records(dir: &Path, query: &LogsQuery) -> Result<Vec<Record>> {
    let mut found = Vec::new();
    let mut log = Backwards::open(dir)?;
    while found.len() < query.last.unwrap_or(usize::MAX) {
        let Some(record) = log.next_record()? else { break };
        if query.asks_for(&record) {
            found.push(record);
        }
    }
    Ok(found)
}

/// The newest lines asked for, oldest first.
pub(super) fn newest(dir: &Path, query: &LogsQuery) -> Result<Vec<Line>> {
    let mut found = Vec::new();
    let mut log = Backwards::open(dir)?;
    while found.len() < query.last.unwrap_or(usize::MAX) {
        let Some(bytes) = log.next_line().map_err(|why| unavailable("read", &why))? else { break };
        found.extend(Line::parse(&bytes).filter(|line| query.asks_for(&line.record)));
    }
    found.reverse();
    Ok(found)
}

/// The records of the calls whose id, or that of one of their records, begins or ends with `part`, oldest first.
///
/// # Errors
/// `audit_unavailable`.
pub(crate) fn show(dir: &Path, part: &str) -> Result<Vec<Record>> {
    let part = part.to_ascii_lowercase();
    if part.is_empty() {
        return Ok(Vec::new());
    }
    let is_meant = |id: &str| id.starts_with(&part) || id.ends_with(&part);
    let mut calls = HashSet::new();
    let mut log = Backwards::open(dir)?;
    while let Some(record) = log.next_record()? {
        if is_meant(&record.call) || is_meant(&record.id) {
            calls.insert(record.call);
        }
    }
    // The `ended` of a call stands behind its `begun`, so it was passed before anything was known of it.
    let mut found = Vec::new();
    let mut log = Backwards::open(dir)?;
    while let Some(record) = log.next_record()? {
        if calls.contains(&record.call) {
            found.push(record);
        }
    }
    found.reverse();
    Ok(found)
}

/// The lines of all segments, last first.
struct Backwards {
    dir: PathBuf,
    /// Not yet opened.
    segments: Vec<u32>,
    file: Option<File>,
    /// Where the unread part of the file ends, and what follows it up to the line last given.
    unread: u64,
    buffer: Vec<u8>,
}

impl Backwards {
    const CHUNK: u64 = 1 << 16;

    fn open(dir: &Path) -> Result<Self> {
        let segments = files::segments(dir).map_err(|why| unavailable("read", &why))?;
        Ok(Self { dir: dir.to_owned(), segments, file: None, unread: 0, buffer: Vec::new() })
    }

    /// The record before the one last given. What is no record is passed over; `verify` names it.
    fn next_record(&mut self) -> Result<Option<Record>> {
        loop {
            match self.next_line().map_err(|why| unavailable("read", &why))? {
                None => return Ok(None),
                Some(line) => {
                    if let Some(record) = Record::parse(&line) {
                        return Ok(Some(record));
                    }
                }
            }
        }
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let before_last = self.buffer.len().saturating_sub(1);
            if let Some(at) = memchr::memrchr(b'\n', &self.buffer[..before_last]) {
                return Ok(Some(self.buffer.split_off(at + 1)));
            }
            if self.unread > 0 {
                self.read_chunk()?;
            } else if !self.buffer.is_empty() {
                return Ok(Some(std::mem::take(&mut self.buffer)));
            } else {
                let Some(number) = self.segments.pop() else { return Ok(None) };
                let file = files::options().open(files::segment_path(&self.dir, number))?;
                self.unread = file.metadata()?.len();
                self.file = Some(file);
            }
        }
    }

    fn read_chunk(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let from = self.unread.saturating_sub(Self::CHUNK);
        let mut bytes = vec![0; usize::try_from(self.unread - from).map_err(|_| io::ErrorKind::InvalidData)?];
        files::read_at(file, &mut bytes, from)?;
        bytes.append(&mut self.buffer);
        (self.buffer, self.unread) = (bytes, from);
        Ok(())
    }
}
