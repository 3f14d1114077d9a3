//! Where the chain stands: one page, shared by all writing processes and guarded by its file's lock.
//!
//! A process may be killed between any two stores to the page, so the state is written to the slot not in use, which
//! then becomes the one in use; the other is overwritten, as it holds a key that must be gone. A checksum tells which
//! slot is whole.
//!
//! The kernel writes the page to the disk when it likes, before or after the records it counts. So it also says up to
//! which record the log was synced, and in which start of the machine: after a power failure, records behind that one
//! may be gone, and none before it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{Ordering, compiler_fence};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::boot::{self, BootId};
use super::chain::{Digest, Key};
use super::files;
use super::page::{Number, Page};

const MAGIC: u64 = u64::from_le_bytes(*b"asaudit1");
/// Magic, five numbers, key, digest, checksum.
const SLOT_LEN: usize = 8 + 5 * 8 + 32 + 32 + 8;
const SLOTS: [usize; 2] = [0, 256];
const SYNCED: usize = 128;
const BOOT: usize = 136;
const OWNER: usize = 160;
const BUSY: usize = 168;
const PENDING: usize = 512;
const ACTIVE: usize = 520;
const PAGE_LEN: usize = 4096;

/// What was last known of a log: kept by a running broker, or written elsewhere, to find a cut or rolled-back log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// How many records there were.
    pub seq: u64,
    /// SHA-256 of the last one's line, in hex.
    pub hash: String,
    /// When it was taken.
    pub time: Timestamp,
}

/// Where the chain stands.
#[derive(Clone)]
pub(super) struct State {
    /// How many records there are.
    pub(super) seq: u64,
    /// The key of the next record.
    pub(super) key: Key,
    /// The digest of the last line.
    pub(super) last: Digest,
    /// The segment being written.
    pub(super) segment: u32,
    /// Its length in bytes.
    pub(super) length: u64,
    /// How often the deny overlay was changed.
    pub(super) denies: u64,
}

impl State {
    pub(super) fn first(key: Key) -> Self {
        Self { seq: 0, key, last: Digest::default(), segment: 1, length: 0, denies: 0 }
    }

    /// The state after a line of `len` bytes with this digest.
    pub(super) fn advance(&mut self, digest: Digest, len: u64, denies: u64) {
        self.seq += 1;
        self.key = self.key.next();
        self.last = digest;
        self.length += len;
        self.denies += denies;
    }

    fn encode(&self) -> Zeroizing<[u8; SLOT_LEN]> {
        let mut slot = Zeroizing::new([0; SLOT_LEN]);
        let numbers = [MAGIC, self.seq, u64::from(self.segment), self.length, self.denies, 0];
        for (at, number) in numbers.into_iter().enumerate() {
            slot[at * 8..at * 8 + 8].copy_from_slice(&number.to_le_bytes());
        }
        slot[48..80].copy_from_slice(self.key.0.as_slice());
        slot[80..112].copy_from_slice(&self.last.0);
        let sum = checksum(&slot[..112]);
        slot[112..].copy_from_slice(&sum.to_le_bytes());
        slot
    }

    fn decode(slot: &[u8; SLOT_LEN]) -> Option<Self> {
        let number = |at: usize| slot[at..at + 8].try_into().map(u64::from_le_bytes).unwrap_or_default();
        if number(0) != MAGIC || number(112) != checksum(&slot[..112]) {
            return None;
        }
        let mut key = Key(Zeroizing::new([0; 32]));
        key.0.copy_from_slice(&slot[48..80]);
        let mut last = Digest::default();
        last.0.copy_from_slice(&slot[80..112]);
        let segment = u32::try_from(number(16)).ok()?;
        Some(Self { seq: number(8), key, last, segment, length: number(24), denies: number(32) })
    }
}

/// Tells a whole slot from a half-written one; it is no protection against anyone.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(8).fold(MAGIC, |sum, word| {
        let word = word.try_into().map(u64::from_le_bytes).unwrap_or_default();
        (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}

/// What a look at the page tells.
#[derive(Default)]
pub(super) struct Peeked {
    pub(super) state: Option<State>,
    /// Up to which record the log is known to have been on the disk.
    pub(super) synced: u64,
    /// Whether the machine went down since.
    pub(super) went_down: bool,
    /// Whether somebody writes, or died while writing.
    pub(super) busy: bool,
}

impl Peeked {
    /// How many records the state counts.
    pub(super) fn seq(&self) -> Option<u64> {
        self.state.as_ref().map(|state| state.seq)
    }
}

/// The page in its file.
pub(super) struct StatePage {
    page: Page,
}

impl StatePage {
    /// Makes the file, whole or not at all.
    pub(super) fn create(dir: &Path, state: &State) -> io::Result<()> {
        let staged = dir.join("state.new");
        let mut bytes = Zeroizing::new(vec![0; PAGE_LEN]);
        bytes[..SLOT_LEN].copy_from_slice(state.encode().as_slice());
        let file = files::options().write(true).create(true).truncate(true).open(&staged)?;
        files::write_at(&file, &bytes, 0)?;
        file.sync_all()?;
        std::fs::rename(&staged, dir.join("state"))
    }

    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let file = files::options().write(true).open(dir.join("state"))?;
        if file.metadata()?.len() < PAGE_LEN as u64 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { page: Page::map(file, PAGE_LEN)? })
    }

    /// Reads the page without the right to change it.
    pub(super) fn peek(file: &File) -> io::Result<Peeked> {
        let mut bytes = Zeroizing::new(vec![0; PAGE_LEN]);
        files::read_at(file, &mut bytes, 0)?;
        let state = load_from(|at, slot| slot.copy_from_slice(&bytes[at..at + slot.len()]));
        let mut synced = [0; 8];
        synced.copy_from_slice(&bytes[SYNCED..SYNCED + 8]);
        let mut boot = BootId::default();
        boot.copy_from_slice(&bytes[BOOT..BOOT + 16]);
        let busy = bytes[BUSY..BUSY + 8].iter().any(|byte| *byte != 0);
        Ok(Peeked { state, synced: u64::from_ne_bytes(synced), went_down: boot::went_down_since(boot), busy })
    }

    /// Up to which record the log is known to be on the disk.
    pub(super) fn synced(&self) -> Number {
        self.page.number(SYNCED)
    }

    /// The tag of the only writer, and of the one that writes without the lock of the file; see `turn.rs`.
    pub(super) fn turn(&self) -> (Number, Number) {
        (self.page.number(OWNER), self.page.number(BUSY))
    }

    /// Whether the machine went down since the page was last written.
    pub(super) fn went_down(&self) -> bool {
        let mut boot = BootId::default();
        self.page.read(BOOT, &mut boot);
        boot::went_down_since(boot)
    }

    /// Notes that what the page says from now on is of this start of the machine.
    pub(super) fn note_boot(&mut self) {
        self.page.write(BOOT, &boot::current());
    }

    pub(super) fn file(&self) -> &File {
        self.page.file()
    }

    pub(super) fn load(&self) -> Option<State> {
        load_from(|at, bytes| self.page.read(at, bytes))
    }

    pub(super) fn store(&mut self, state: &State) {
        let in_use = usize::from(self.byte(ACTIVE) == 1);
        let free = 1 - in_use;
        self.page.write(SLOTS[free], state.encode().as_slice());
        compiler_fence(Ordering::SeqCst);
        self.page.write(ACTIVE, &[u8::from(free == 1)]);
        compiler_fence(Ordering::SeqCst);
        self.page.write(SLOTS[in_use], &[0; SLOT_LEN]);
        compiler_fence(Ordering::SeqCst);
    }

    /// Whether a writer died between announcing a record and counting it.
    pub(super) fn is_pending(&self) -> bool {
        self.byte(PENDING) != 0
    }

    pub(super) fn set_pending(&mut self, pending: bool) {
        compiler_fence(Ordering::SeqCst);
        self.page.write(PENDING, &[u8::from(pending)]);
        compiler_fence(Ordering::SeqCst);
    }

    fn byte(&self, at: usize) -> u8 {
        let mut byte = [0];
        self.page.read(at, &mut byte);
        byte[0]
    }
}

/// The state of the slot in use, or of the other where that one is not whole.
fn load_from(read: impl Fn(usize, &mut [u8])) -> Option<State> {
    let mut active = [0];
    read(ACTIVE, &mut active);
    let in_use = usize::from(active[0] == 1);
    [in_use, 1 - in_use].into_iter().find_map(|slot| {
        let mut bytes = [0; SLOT_LEN];
        read(SLOTS[slot], &mut bytes);
        let state = State::decode(&bytes);
        bytes.zeroize();
        state
    })
}
