//! Slots in guarded pages.
//!
//! A region is an anonymous private mapping between two pages that cannot be touched. It is left out of core dumps,
//! reads as zeros in a forked child, is locked as far as the limit allows, and begins with a mark: where the mark is
//! gone, the process was forked and the region holds nothing any more.

use std::ptr::NonNull;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

use super::MemoryReport;

/// The bytes before the first slot of a region: the mark, and the alignment of what follows.
const HEADER: usize = 64;
const MARK: u8 = 0xA5;
const SMALLEST: usize = 32;
/// Longer slots have a mapping of their own.
const LARGEST_SHARED: usize = 64 << 10;
/// The first region of a size class; each further one is twice as large, so that many values need few mappings.
const FIRST_REGION: usize = 16 << 10;
const LARGEST_REGION: usize = 1 << 20;

static ARENA: Mutex<Arena> = Mutex::new(Arena { regions: Vec::new() });

/// A block of guarded memory for one value, wiped when dropped.
pub(crate) struct Slot {
    start: NonNull<u8>,
    len: usize,
    region: usize,
    base: NonNull<u8>,
}

// SAFETY: a slot owns its bytes alone; they are written through `&mut` only, and its region is never unmapped before it.
unsafe impl Send for Slot {}
// SAFETY: as above; shared references only read.
unsafe impl Sync for Slot {}

impl Slot {
    /// A zeroed slot of at least `len` bytes.
    ///
    /// # Panics
    /// Where the system has no memory left, as every allocation does.
    pub(crate) fn new(len: usize) -> Self {
        arena().take(len)
    }

    /// The slot's bytes.
    ///
    /// # Panics
    /// In a process forked after the slot was made: its value is gone, and zeros must never pass for a value.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.assert_alive();
        // SAFETY: `start` points to `len` mapped bytes that this slot owns, and no `&mut` lives beside `&self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The slot's bytes, to be written.
    ///
    /// # Panics
    /// As [`bytes`](Self::bytes).
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.assert_alive();
        // SAFETY: `start` points to `len` mapped bytes that this slot owns, borrowed uniquely by `&mut self`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }

    fn assert_alive(&self) {
        assert!(is_marked(self.base), "a value does not survive a fork: open the store again in the child");
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: as in `bytes_mut`; in a forked child the bytes are zeros already and stay writable.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }.zeroize();
        arena().give_back(self.region, self.start);
    }
}

/// How much is locked at this moment.
pub(super) fn report() -> MemoryReport {
    let arena = arena();
    let mut report = MemoryReport::default();
    for region in arena.regions.iter().flatten() {
        *(if region.locked { &mut report.locked } else { &mut report.unlocked }) += region.len;
        report.unguarded += if region.guarded { 0 } else { region.len };
    }
    report
}

fn arena() -> MutexGuard<'static, Arena> {
    // The lists stay consistent between any two statements, so a panic elsewhere under the lock spoils nothing.
    ARENA.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_marked(base: NonNull<u8>) -> bool {
    // SAFETY: `base` is the first byte of a region that stays mapped while a slot or the arena refers to it. The read
    // is volatile because a fork changes the byte behind the compiler's back.
    unsafe { base.as_ptr().read_volatile() == MARK }
}

struct Arena {
    regions: Vec<Option<Region>>,
}

struct Region {
    base: NonNull<u8>,
    len: usize,
    slot_len: usize,
    slots: usize,
    free: Vec<u32>,
    locked: bool,
    guarded: bool,
}

// SAFETY: the pointer is only an address here; regions are touched under the arena's lock.
unsafe impl Send for Region {}

impl Arena {
    fn take(&mut self, len: usize) -> Slot {
        let slot_len = slot_len(len);
        let usable = |region: &Region| region.slot_len == slot_len && !region.free.is_empty() && is_marked(region.base);
        let found = self.regions.iter().position(|region| region.as_ref().is_some_and(usable));
        let index = found.unwrap_or_else(|| self.grow(slot_len));
        let region = self.regions[index].as_mut().expect("the region was found or made just now");
        let slot = region.free.pop().expect("the region was chosen for its free slots");
        Slot { start: region.slot(slot), len: slot_len, region: index, base: region.base }
    }

    fn grow(&mut self, slot_len: usize) -> usize {
        let beside = self.regions.iter().flatten().filter(|region| region.slot_len == slot_len).count();
        let wanted = (FIRST_REGION << beside.min(8)).min(LARGEST_REGION);
        let slots = if slot_len > LARGEST_SHARED { 1 } else { (wanted / slot_len).max(1) };
        let region = Some(Region::map(slot_len, slots));
        match self.regions.iter().position(Option::is_none) {
            Some(index) => {
                self.regions[index] = region;
                index
            }
            None => {
                self.regions.push(region);
                self.regions.len() - 1
            }
        }
    }

    fn give_back(&mut self, index: usize, start: NonNull<u8>) {
        let region = self.regions[index].as_mut().expect("a region outlives its slots");
        region.free.push(region.number_of(start));
        let (slot_len, marked) = (region.slot_len, is_marked(region.base));
        if region.free.len() < region.slots {
            return;
        }
        // One empty region a class is kept for the next value, unless a fork has emptied it or it is a large one.
        let spare = |region: &Region| region.slot_len == slot_len && region.free.len() == region.slots;
        if !marked || slot_len > LARGEST_SHARED || self.regions.iter().flatten().filter(|r| spare(r)).count() > 1 {
            self.regions[index] = None;
        }
    }
}

impl Region {
    fn map(slot_len: usize, slots: usize) -> Self {
        let page = page_size();
        let len = (HEADER + slot_len * slots).next_multiple_of(page);
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let whole = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len + 2 * page,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert!(whole != libc::MAP_FAILED, "no memory for values");
        // SAFETY: the mapping is `len + 2 * page` long, so one page in lies inside it.
        let base = unsafe { whole.cast::<u8>().add(page) };
        let (locked, guarded) = open(base, len);
        let base = NonNull::new(base).expect("a mapping is not at address zero");
        // SAFETY: the first byte of a region of at least one page, writable since `open`.
        unsafe { base.as_ptr().write_volatile(MARK) };
        let count = u32::try_from(slots).expect("a region has at most 32768 slots");
        Self { base, len, slot_len, slots, free: (0..count).rev().collect(), locked, guarded }
    }

    fn slot(&self, number: u32) -> NonNull<u8> {
        // SAFETY: `number < slots`, and the region is `HEADER + slot_len * slots` bytes long or longer.
        unsafe { self.base.add(HEADER + self.slot_len * number as usize) }
    }

    fn number_of(&self, start: NonNull<u8>) -> u32 {
        let offset = start.as_ptr() as usize - self.base.as_ptr() as usize - HEADER;
        u32::try_from(offset / self.slot_len).expect("a region has at most 32768 slots")
    }
}

/// Makes the inner pages usable, and says whether they could be locked and guarded.
fn open(base: *mut u8, len: usize) -> (bool, bool) {
    // SAFETY: `base` and `len` are the inner pages of a mapping just made; nobody refers to them yet.
    unsafe {
        let usable = libc::mprotect(base.cast(), len, libc::PROT_READ | libc::PROT_WRITE) == 0;
        assert!(usable, "no memory for values");
        let undumped = libc::madvise(base.cast(), len, libc::MADV_DONTDUMP) == 0;
        let wiped = libc::madvise(base.cast(), len, libc::MADV_WIPEONFORK) == 0;
        let locked = libc::mlock(base.cast(), len) == 0;
        (locked, undumped && wiped)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        let page = page_size();
        // SAFETY: the region has no slots in use any more; what is unmapped is the mapping made in `map`.
        unsafe { libc::munmap(self.base.as_ptr().sub(page).cast(), self.len + 2 * page) };
    }
}

fn slot_len(len: usize) -> usize {
    match len {
        ..=LARGEST_SHARED => len.next_power_of_two().max(SMALLEST),
        _ => len.next_multiple_of(page_size()),
    }
}

fn page_size() -> usize {
    // SAFETY: `sysconf` only reads.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("a page has a size")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flags of the mapping that holds `address`, as the kernel shows them.
    fn flags_of(address: usize) -> (String, String) {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("procfs");
        let mut held = None;
        for line in maps.lines() {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            if let Some((from, to)) = range
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                held = (from..to).contains(&address).then(|| line.to_owned());
            } else if let (Some(map), Some(flags)) = (&held, line.strip_prefix("VmFlags:")) {
                return (map.clone(), flags.to_owned());
            }
        }
        panic!("the address is not mapped");
    }

    #[test]
    fn pages_are_kept_out_of_dumps_and_children() {
        let slot = Slot::new(100);
        let (map, flags) = flags_of(slot.start.as_ptr() as usize);
        assert!(map.contains("rw-p"), "{map}");
        assert!(flags.split_whitespace().any(|flag| flag == "dd"), "not dumped: {flags}");
        assert!(flags.split_whitespace().any(|flag| flag == "wf"), "wiped on fork: {flags}");
        let (guard, _) = flags_of(slot.base.as_ptr() as usize - 1);
        assert!(guard.contains("---p"), "{guard}");
    }

    #[test]
    fn a_freed_slot_is_wiped_before_it_is_used_again() {
        // A neighbour keeps the region mapped. Another test may take the freed slot first; then it is tried again.
        let neighbour = Slot::new(20_000);
        let used_again = (0..100).any(|_| {
            let mut slot = Slot::new(20_000);
            slot.bytes_mut().fill(7);
            let start = slot.start;
            drop(slot);
            let again = Slot::new(20_000);
            assert!(again.bytes().iter().all(|byte| *byte == 0));
            again.start == start
        });
        assert!(used_again);
        assert!(neighbour.bytes().iter().all(|byte| *byte == 0));
    }

    #[test]
    fn many_values_share_pages_and_keep_apart() {
        let before = report();
        let mut slots: Vec<Slot> = (0..10_000).map(|_| Slot::new(60)).collect();
        for (number, slot) in slots.iter_mut().enumerate() {
            slot.bytes_mut().fill(u8::try_from(number % 251).expect("small"));
        }
        for (number, slot) in slots.iter().enumerate() {
            assert!(slot.bytes().iter().all(|byte| usize::from(*byte) == number % 251));
            assert_eq!(slot.start.as_ptr() as usize % 32, 0);
        }
        let after = report();
        let grown = (after.locked + after.unlocked) - (before.locked + before.unlocked);
        assert!(grown < 4 << 20, "ten thousand 64-byte slots cost {grown} bytes");
        assert_eq!(after.unguarded, 0);
    }

    #[test]
    fn long_values_have_room() {
        let mut slot = Slot::new(300_001);
        assert!(slot.bytes().len() >= 300_001);
        slot.bytes_mut().fill(1);
    }

    #[test]
    fn a_forked_child_reads_nothing_and_can_start_anew() {
        let mut slot = Slot::new(64);
        slot.bytes_mut().fill(9);
        // SAFETY: the child calls only what is written here, allocates nothing on the heap, and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: the slot's bytes stay mapped in the child.
            let bytes = unsafe { std::slice::from_raw_parts(slot.start.as_ptr(), slot.len) };
            let gone = bytes.iter().all(|byte| *byte == 0) && !is_marked(slot.base);
            // SAFETY: leaves the child at once, without the parent's destructors.
            unsafe { libc::_exit(if gone { 0 } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 0);
        assert!(slot.bytes().iter().all(|byte| *byte == 9), "the parent keeps its value");
    }
}
