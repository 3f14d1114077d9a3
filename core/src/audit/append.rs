//! Writing one record: under the lock of the log, at the place the state names, whole or not at all.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use uuid::Uuid;

use super::chain;
use super::event::Ended;
use super::files::{self, unavailable};
use super::outside::Outside;
use super::record::{self, Phase, Time};
use super::recover::{self, Recovered};
use super::state::{State, StatePage};
use super::sync::Syncer;
use super::turn::{self, Turn};
use super::writer::{Place, Writer, generation};
use crate::error::{Error, ErrorCode, Result};

/// How long a writer trusts that the folder is still the one it opened, in milliseconds.
const TRUST_MS: u64 = 1000;

/// What a log is run with; the same everywhere but in tests of rotation and of clocks.
#[derive(Clone, Copy)]
pub(super) struct Tuning {
    /// A segment of this many bytes is followed by another.
    pub(super) rotate_at: u64,
    /// Milliseconds since 1970.
    pub(super) clock: fn() -> u64,
    /// Where the end of the chain is noted outside the home.
    pub(super) outside: Option<Outside>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { rotate_at: 16 << 20, clock: unix_ms, outside: None }
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(0)
}

/// What a record says besides its place in the chain.
pub(super) struct Entry<'a> {
    pub(super) call: Uuid,
    pub(super) phase: Phase,
    /// From `record::write_event`.
    pub(super) event: &'a str,
    pub(super) end: Option<&'a Ended>,
    /// How many changes of the deny overlay it records.
    pub(super) denies: u64,
    /// Whether it ends a call that this process began.
    pub(super) closes: bool,
}

/// The open files of one writing process.
pub(super) struct Core {
    dir: PathBuf,
    tuning: Tuning,
    page: StatePage,
    turn: Turn,
    segment: (u32, Arc<File>),
    writer: Writer,
    pub(super) sync: Syncer,
    line: Vec<u8>,
    second: Second,
    /// The place and digest of the last record known to this process, which no file can make it forget.
    head: (u64, chain::Digest),
    calls: u64,
    open_calls: u64,
    noted_ms: u64,
    checked_ms: u64,
    /// Whether to look, with the next turn, if the other writers are gone.
    look_around: bool,
    generation: u64,
}

impl Core {
    pub(super) fn open(dir: &Path, tuning: Tuning) -> Result<(Self, Recovered)> {
        files::check_folder(dir).map_err(|why| unavailable("opened", &why))?;
        let mut page = StatePage::open(dir).map_err(|why| no_state(&why))?;
        turn::claim(dir, &page).map_err(|why| unavailable("locked", &why))?;
        // Closing the file on an error gives the lock back.
        let mut recovered = recover::settle(dir, &mut page)?;
        let state = page.load().ok_or_else(state_damaged)?;
        page.note_boot();
        let opened = open_segment(dir, state.segment).and_then(|file| {
            let place = Place { segment: state.segment, offset: state.length };
            let syncer = Syncer::start(unsynced(dir, state.segment, &file), page.synced(), tuning.outside)?;
            Ok((Writer::register(dir, place)?, syncer, file))
        });
        let (writer, sync, file) = opened.map_err(|why| unavailable("opened", &why))?;
        let now = (tuning.clock)();
        let mut core = Self {
            dir: dir.to_owned(),
            tuning,
            turn: Turn::new(&page, writer.tag()),
            page,
            segment: (state.segment, file),
            writer,
            sync,
            line: Vec::with_capacity(1024),
            second: Second::default(),
            head: (state.seq, state.last),
            calls: 0,
            open_calls: 0,
            noted_ms: now,
            checked_ms: now,
            look_around: false,
            generation: generation(),
        };
        recovered.closed = recover::close_calls_of_the_dead(&mut core, dir, &state)?;
        core.turn.give_and_own(core.page.file(), dir).map_err(|why| unavailable("unlocked", &why))?;
        Ok((core, recovered))
    }

    pub(super) fn now(&self) -> u64 {
        (self.tuning.clock)()
    }

    /// A new call's id. It names the writer, so that another process knows whose call it is.
    pub(super) fn make_call(&mut self) -> Result<Uuid> {
        let now = self.now();
        self.stay_current(now)?;
        self.calls += 1;
        Ok(record::make_id(now, self.calls & 0x3ff_ffff, self.writer.tag()))
    }

    /// Writes a record and returns the state behind it. On an error there is none, not even a part of one.
    pub(super) fn append(&mut self, entry: &Entry<'_>) -> Result<State> {
        let now = self.now();
        self.stay_current(now)?;
        let state = self.locked(|core, state| core.write(state, entry, now))?;
        match entry.phase {
            Phase::Begun => self.open_calls += 1,
            Phase::Ended => self.open_calls = self.open_calls.saturating_sub(u64::from(entry.closes)),
        }
        if self.open_calls == 0 && now.abs_diff(self.noted_ms) > TRUST_MS {
            self.noted_ms = now;
            // An older place only costs the next opening a longer look.
            let _ = self.writer.note(Place { segment: state.segment, offset: state.length });
        }
        Ok(state)
    }

    /// Where the chain stands, records of other processes included.
    pub(super) fn state(&mut self) -> Result<State> {
        self.stay_current(self.now())?;
        self.locked(|_, state| Ok(state))
    }

    fn locked<T>(&mut self, act: impl FnOnce(&mut Self, State) -> Result<T>) -> Result<T> {
        self.turn.take(self.page.file()).map_err(|why| unavailable("locked", &why))?;
        let done = self.settled_state().and_then(|state| act(self, state));
        let unlocked = if self.look_around && self.turn.is_shared() {
            self.look_around = false;
            self.turn.give_and_own(self.page.file(), &self.dir)
        } else {
            self.turn.give(self.page.file())
        };
        let unlocked = unlocked.map_err(|why| unavailable("unlocked", &why));
        done.and_then(|done| unlocked.map(|()| done))
    }

    /// The last record known to this process.
    pub(super) fn head(&self) -> (u64, chain::Digest) {
        self.head
    }

    /// The state, where it continues what this process knows and the segment is as long as it says.
    fn settled_state(&mut self) -> Result<State> {
        let mut state = self.page.load().ok_or_else(state_damaged)?;
        if self.page.is_pending() || !self.is_whole(&state) {
            recover::settle(&self.dir, &mut self.page)?;
            state = self.page.load().ok_or_else(state_damaged)?;
        }
        let (seq, last) = self.head;
        if state.seq < seq || (state.seq == seq && state.last != last) {
            return Err(recover::does_not_continue());
        }
        if state.segment != self.segment.0 {
            self.move_to(state.segment)?;
        }
        self.head = (state.seq, state.last);
        Ok(state)
    }

    /// Whether the segment in use has the length the state says; another one is looked at when it is opened.
    fn is_whole(&self, state: &State) -> bool {
        use io::{Seek, SeekFrom};
        state.segment != self.segment.0
            || (&*self.segment.1).seek(SeekFrom::End(0)).is_ok_and(|length| length == state.length)
    }

    /// Writes under the lock, held already, from wherever the chain stands.
    pub(super) fn write_next(&mut self, entry: &Entry<'_>) -> Result<()> {
        let state = self.settled_state()?;
        self.write(state, entry, self.now()).map(drop)
    }

    /// Writes under the lock, and returns the state behind the record.
    fn write(&mut self, mut state: State, entry: &Entry<'_>, now: u64) -> Result<State> {
        if state.length >= self.tuning.rotate_at {
            self.rotate(&mut state)?;
        }
        let digest = self.compose(&state, entry, now);
        let file = &self.segment.1;
        self.page.set_pending(true);
        if let Err(why) = files::write_at(file, &self.line, state.length) {
            if file.set_len(state.length).is_ok() {
                self.page.set_pending(false);
            }
            return Err(unavailable("written", &why));
        }
        state.advance(digest, self.line.len() as u64, entry.denies);
        self.page.store(&state);
        self.page.set_pending(false);
        self.head = (state.seq, digest);
        self.sync.written(state.seq, digest);
        Ok(state)
    }

    /// Builds the line in the reused buffer.
    fn compose(&mut self, state: &State, entry: &Entry<'_>, now: u64) -> chain::Digest {
        let id = record::make_id(now, self.writer.tag() & 0x3ff_ffff, state.seq + 1);
        self.line.clear();
        record::write_head(&mut self.line, id, entry.call, entry.phase, &state.last, self.second.of(now));
        self.line.extend_from_slice(entry.event.as_bytes());
        record::write_end(&mut self.line, entry.end);
        chain::seal(&mut self.line, &state.key)
    }

    /// Begins the next segment. The state names it only with its first record.
    fn rotate(&mut self, state: &mut State) -> Result<()> {
        let number = state.segment + 1;
        let made =
            files::options().write(true).create(true).truncate(false).open(files::segment_path(&self.dir, number));
        let length = made.and_then(|file| Ok(file.metadata()?.len())).map_err(|why| unavailable("continued", &why))?;
        if length > 0 {
            recover::set_aside(&self.dir, number, state.seq).map_err(|why| unavailable("continued", &why))?;
        }
        self.move_to(number)?;
        (state.segment, state.length) = (number, 0);
        Ok(())
    }

    /// Goes on in another segment. Those that others filled meanwhile are synced with it, and the folder with its name.
    fn move_to(&mut self, number: u32) -> Result<()> {
        let file = open_segment(&self.dir, number).map_err(|why| unavailable("continued", &why))?;
        let passed = (self.segment.0 + 1..number).map(|passed| files::segment_path(&self.dir, passed));
        let also = passed.chain([self.dir.clone()]).filter_map(|path| File::open(path).ok()).map(Arc::new);
        self.sync.moved_to(also.chain([Arc::clone(&file)]));
        self.segment = (number, file);
        Ok(())
    }

    /// Opens anew in a forked child, and where another folder lies in the place of the one opened.
    fn stay_current(&mut self, now: u64) -> Result<()> {
        let forked = self.generation != generation();
        if !forked && now.abs_diff(self.checked_ms) < TRUST_MS {
            return Ok(());
        }
        let segment = files::segment_path(&self.dir, self.segment.0);
        if forked || !is_at(self.page.file(), &self.dir.join("state")) || !is_at(&self.segment.1, &segment) {
            let (mut fresh, _) = Self::open(&self.dir, self.tuning)?;
            fresh.head = self.head;
            *self = fresh;
        }
        self.checked_ms = now;
        self.look_around = true;
        Ok(())
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.open_calls == 0 && self.generation == generation() {
            self.writer.leave();
        }
    }
}

fn open_segment(dir: &Path, number: u32) -> io::Result<Arc<File>> {
    files::options().write(true).create(true).truncate(false).open(files::segment_path(dir, number)).map(Arc::new)
}

/// What a new writer syncs with its first records: a killed one may have left the segment before unsynced too.
fn unsynced(dir: &Path, number: u32, file: &Arc<File>) -> Vec<Arc<File>> {
    let before = number.checked_sub(1).and_then(|before| File::open(files::segment_path(dir, before)).ok());
    before.map(Arc::new).into_iter().chain([Arc::clone(file)]).collect()
}

fn no_state(why: &io::Error) -> Error {
    match why.kind() {
        io::ErrorKind::InvalidData => state_damaged(),
        _ => unavailable("opened", why),
    }
}

/// Without the state there is no key: nothing can continue the chain.
pub(super) fn state_damaged() -> Error {
    Error::new(ErrorCode::AuditUnavailable, "the state of the audit log is damaged")
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    matches!((file.metadata().map(id), std::fs::symlink_metadata(path).map(id)), (Ok(ours), Ok(there)) if ours == there)
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists() // An open file cannot be replaced here.
}

/// The second last written, as text: formatting a date costs more than hashing the record.
#[derive(Default)]
pub(super) struct Second {
    unix: u64,
    text: String,
}

impl Second {
    pub(super) fn of(&mut self, unix_ms: u64) -> Time<'_> {
        let unix = unix_ms / 1000;
        if unix != self.unix || self.text.is_empty() {
            self.unix = unix;
            let time = i64::try_from(unix).ok().and_then(|unix| Timestamp::from_second(unix).ok()).unwrap_or_default();
            self.text = time.to_string();
            self.text.truncate(19);
        }
        Time { second: &self.text, millisecond: unix_ms % 1000 }
    }
}
