//! Records that were written and never reached the disk: told in the log, once the machine is up again.
//!
//! After a power failure the page of the state may count more than the log has. Records up to the one last synced are
//! there; whatever lacks one of those was cut by somebody. Behind it, what is missing is at most what was written in the
//! last moments, and nobody can say what it was: a record `tail_lost` stands for it. Its place is the one behind all
//! that the state counted, so that the places which are missing are the records that were lost, and its MAC is made
//! with the key of that place, so that the ratchet never goes back.

use std::io;
use std::path::Path;

use uuid::Uuid;

use super::append::Second;
use super::chain::{self, Digest};
use super::event::{Ended, Event, Identity, Isolation, Outcome};
use super::files::{self, Lines};
use super::record::{self, Links, Phase};
use super::recover::{Recovered, keep_tail, set_aside};
use super::state::{State, StatePage};

/// Where a log ends that lost its last records.
struct Left {
    segment: u32,
    length: u64,
    seq: u64,
    last: Digest,
}

/// Goes on behind what is left of a log whose machine went down, and says whether there was anything to mend. To be
/// called under the lock.
pub(super) fn mend(dir: &Path, page: &mut StatePage, state: &State, recovered: &mut Recovered) -> io::Result<bool> {
    let left = end_of(dir, state)?;
    if left.seq >= state.seq || left.seq < page.synced().get() {
        return Ok(false);
    }
    recovered.lost = state.seq - left.seq;
    recovered.torn = move_rest_aside(dir, &left, state)?;
    let after = State { segment: left.segment, length: left.length, last: left.last, ..state.clone() };
    let after = write_loss(dir, after)?;
    page.store(&after);
    page.set_pending(false);
    page.note_boot();
    page.file().sync_data()?; // A page from before would take the record just written for one more that was lost.
    Ok(true)
}

/// The last whole record that follows from the one before it.
fn end_of(dir: &Path, state: &State) -> io::Result<Left> {
    for number in (1..=state.segment).rev() {
        let file = match files::options().open(files::segment_path(dir, number)) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let length = file.metadata()?.len();
        if let Some(left) = last_linked(&mut Lines::between(file, 0, length)?, number, state.seq)? {
            return Ok(left);
        }
    }
    Ok(Left { segment: 1, length: 0, seq: 0, last: Digest::default() })
}

fn last_linked(lines: &mut Lines, segment: u32, most: u64) -> io::Result<Option<Left>> {
    let mut left: Option<Left> = None;
    while let Some(line) = lines.next_line()? {
        let Some(body) = line.strip_suffix(b"\n") else { break };
        let Some(links) = Links::parse(body) else { break };
        let follows = left.as_ref().is_none_or(|left| links.prev() == Some(left.last));
        // A place behind the state's: of a `tail_lost` that was not counted before the machine went down again.
        let Some(seq) = links.place().filter(|place| follows && *place <= most) else { break };
        let before = left.map_or(0, |left| left.length);
        left = Some(Left { segment, length: before + line.len() as u64, seq, last: Digest::of(body) });
    }
    Ok(left)
}

/// Moves aside what stands behind the end, and returns how many bytes that were.
fn move_rest_aside(dir: &Path, left: &Left, state: &State) -> io::Result<u64> {
    let mut moved = 0;
    for number in left.segment..=state.segment + 1 {
        let path = files::segment_path(dir, number);
        let file = match files::options().write(true).open(&path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let (keep, size) = (if number == left.segment { left.length } else { 0 }, file.metadata()?.len());
        moved += size - keep;
        if size > keep && keep > 0 {
            keep_tail(dir, &file, &State { segment: number, length: keep, ..state.clone() }, size)?;
        } else if size > keep {
            set_aside(dir, number, state.seq)?;
        }
    }
    Ok(moved)
}

/// Writes the record that stands for the lost ones, to the disk, and returns the state behind it.
fn write_loss(dir: &Path, mut state: State) -> io::Result<State> {
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
    let ended = Ended { outcome: Outcome::Failed, status: None, reason: None, redacted: Vec::new(), duration_ms: None };
    let id = record::make_id(now, 0, state.seq + 1);
    let mut line = Vec::with_capacity(1024);
    let mut second = Second::default();
    record::write_head(&mut line, id, Uuid::now_v7(), Phase::Ended, &state.last, second.of(now));
    let event = record::write_event(record::TAIL_LOST, &Event::new(Identity::Anonymous, Isolation::InProcess));
    line.extend_from_slice(event.as_bytes());
    record::write_end(&mut line, Some(&ended));
    let digest = chain::seal(&mut line, &state.key);
    let path = files::segment_path(dir, state.segment);
    let file = files::options().write(true).create(true).truncate(false).open(path)?;
    files::write_at(&file, &line, state.length)?;
    file.sync_all()?;
    state.advance(digest, line.len() as u64, 0);
    Ok(state)
}
