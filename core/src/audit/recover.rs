//! What an opening finds after somebody was killed, and what it does about it.
//!
//! The log may be ahead of the state, by the record a killed writer did not count, or after a power failure by all that
//! the disk has and the state's page has not: records that continue the chain under the state's own key are counted.
//! What does not is half a record, or was not written by this log, and is moved aside. A log that is *behind* its state
//! lost records. Where the machine went down since and they are records that were never synced, `crash.rs` says so in
//! the log; else it is not continued, and `verify` says what is missing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use uuid::Uuid;

use super::append::{Core, Entry, state_damaged};
use super::chain::{Digest, is_sealed};
use super::crash;
use super::event::{Ended, Outcome};
use super::files::{self, Lines, unavailable};
use super::record::{Links, Phase, event_part};
use super::state::{State, StatePage};
use super::writer::{DeadWriter, tag_text};
use crate::error::{Error, ErrorCode, Result};

/// What an opening mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Records that were in the log and not yet in its state.
    pub(crate) counted: u64,
    /// Bytes that were no record, moved aside to a file `NNNNNN.torn.SEQ`.
    pub(crate) torn: u64,
    /// Records that the disk had not taken when the machine went down.
    pub(crate) lost: u64,
    /// Calls of dead processes, now ended as `failed`.
    pub(crate) closed: u64,
}

/// Brings state and log together. To be called under the lock.
pub(super) fn settle(dir: &Path, page: &mut StatePage) -> Result<Recovered> {
    let mut state = page.load().ok_or_else(state_damaged)?;
    let mut recovered = Recovered::default();
    if page.went_down() && crash::mend(dir, page, &state, &mut recovered).map_err(|why| unavailable("read", &why))? {
        return Ok(recovered);
    }
    let settled = continues(dir, &state).and_then(|continues| {
        if continues { count_the_rest(dir, &mut state, &mut recovered).map(|()| true) } else { Ok(false) }
    });
    match settled {
        Ok(true) => {}
        Ok(false) => return Err(does_not_continue()),
        Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            return Err(does_not_continue());
        }
        Err(why) => return Err(unavailable("read", &why)),
    }
    page.store(&state);
    page.set_pending(false);
    Ok(recovered)
}

/// The log is not the one whose end is known.
pub(super) fn does_not_continue() -> Error {
    Error::new(ErrorCode::AuditUnavailable, "the audit log does not continue from its last record")
}

/// Whether the log holds the last record the state knows.
pub(super) fn continues(dir: &Path, state: &State) -> io::Result<bool> {
    if state.seq == 0 {
        return Ok(true);
    }
    let file = files::options().open(files::segment_path(dir, state.segment))?;
    let line = files::line_before(&file, state.length)?;
    Ok(line.strip_suffix(b"\n").is_some_and(|line| Digest::of(line) == state.last))
}

fn count_the_rest(dir: &Path, state: &mut State, recovered: &mut Recovered) -> io::Result<()> {
    loop {
        let path = files::segment_path(dir, state.segment);
        let file = files::options().write(true).create(true).truncate(false).open(&path)?;
        let size = file.metadata()?.len();
        let mut lines = Lines::between(file.try_clone()?, state.length, size)?;
        while let Some(line) = lines.next_line()? {
            if !count(state, line) {
                break;
            }
            recovered.counted += 1;
        }
        if size > state.length {
            recovered.torn += size - state.length;
            keep_tail(dir, &file, state, size)?;
        }
        // A segment is begun only when the one before is full, so a next one that continues the chain is the log's.
        let next = files::segment_path(dir, state.segment + 1);
        if state.length == 0 || !begins_with_next(&next, state)? {
            return Ok(());
        }
        (state.segment, state.length) = (state.segment + 1, 0);
    }
}

/// Counts a line that is the next record of the chain under the state's key.
pub(super) fn count(state: &mut State, line: &[u8]) -> bool {
    let Some(body) = line.strip_suffix(b"\n") else { return false };
    let Some(links) = Links::parse(body) else { return false };
    if links.place() != Some(state.seq + 1) || links.prev() != Some(state.last) || !is_sealed(body, &state.key) {
        return false;
    }
    let denies = u64::from(links.is_deny());
    state.advance(Digest::of(body), line.len() as u64, denies);
    true
}

fn begins_with_next(path: &Path, state: &State) -> io::Result<bool> {
    let file = match files::options().open(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    let size = file.metadata()?.len();
    let mut lines = Lines::between(file, 0, size)?;
    Ok(lines.next_line()?.is_some_and(|line| count(&mut state.clone(), line)))
}

/// Moves what stands behind the last record to a file of its own.
pub(super) fn keep_tail(dir: &Path, file: &File, state: &State, size: u64) -> io::Result<()> {
    use io::{Read, Seek};
    let aside = dir.join(format!("{:06}.torn.{}", state.segment, state.seq));
    let mut tail = file.try_clone()?;
    tail.seek(io::SeekFrom::Start(state.length))?;
    let mut kept = files::options().write(true).create(true).truncate(true).open(aside)?;
    io::copy(&mut tail.take(size - state.length), &mut kept)?;
    file.set_len(state.length)
}

/// Moves a whole segment aside that stands where the next one belongs and is none.
pub(super) fn set_aside(dir: &Path, number: u32, seq: u64) -> io::Result<()> {
    fs::rename(files::segment_path(dir, number), dir.join(format!("{number:06}.torn.{seq}")))
}

/// Ends the calls that dead processes began, as `failed`. To be called under the lock.
pub(super) fn close_calls_of_the_dead(core: &mut Core, dir: &Path, state: &State) -> Result<u64> {
    let mut closed = 0;
    for writer in DeadWriter::all(dir).map_err(|why| unavailable("read", &why))? {
        let open = open_calls(dir, &writer, state).map_err(|why| unavailable("read", &why))?;
        let ended =
            Ended { outcome: Outcome::Failed, status: None, reason: None, redacted: Vec::new(), duration_ms: None };
        for (call, event) in open {
            let entry = Entry { call, phase: Phase::Ended, event: &event, end: Some(&ended), denies: 0, closes: false };
            core.write_next(&entry)?;
            closed += 1;
        }
        writer.bury();
    }
    Ok(closed)
}

/// The calls of a writer that have a `begun` and no `ended`, each with what its record says of it.
fn open_calls(dir: &Path, writer: &DeadWriter, state: &State) -> io::Result<BTreeMap<Uuid, String>> {
    let mut open = BTreeMap::new();
    let Some(place) = writer.place else { return Ok(open) };
    let tag = tag_text(writer.tag);
    for number in place.segment..=state.segment {
        let from = if number == place.segment { place.offset } else { 0 };
        let file = files::options().open(files::segment_path(dir, number))?;
        let to = if number == state.segment { state.length } else { file.metadata()?.len() };
        let mut lines = Lines::between(file, from, to)?;
        while let Some(line) = lines.next_line()? {
            // {"id":"36 characters","call":"36 characters": most lines are somebody else's.
            if line.get(77..89) == Some(tag.as_bytes()) {
                note_call(&mut open, line);
            }
        }
    }
    Ok(open)
}

fn note_call(open: &mut BTreeMap<Uuid, String>, line: &[u8]) {
    let Some(links) = Links::parse(line) else { return };
    let Ok(call) = Uuid::try_parse(links.call) else { return };
    match links.phase {
        Phase::Ended => drop(open.remove(&call)),
        Phase::Begun => {
            let event = std::str::from_utf8(line).ok().and_then(event_part);
            open.extend(event.map(|event| (call, event.to_owned())));
        }
    }
}
