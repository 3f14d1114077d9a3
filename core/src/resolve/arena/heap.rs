//! Slots on the ordinary heap, wiped when freed: for systems where the guarded pages are not written yet. Untested.

use std::sync::atomic::{AtomicUsize, Ordering};

use zeroize::Zeroize;

use super::MemoryReport;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// A block of memory for one value.
pub(crate) struct Slot(Box<[u8]>);

impl Slot {
    /// A zeroed slot of at least `len` bytes.
    pub(crate) fn new(len: usize) -> Self {
        IN_USE.fetch_add(len, Ordering::Relaxed);
        Self(vec![0; len].into_boxed_slice())
    }

    /// The slot's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The slot's bytes, to be written.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.zeroize();
        IN_USE.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

pub(super) fn report() -> MemoryReport {
    let bytes = IN_USE.load(Ordering::Relaxed);
    MemoryReport { locked: 0, unlocked: bytes, unguarded: bytes }
}
