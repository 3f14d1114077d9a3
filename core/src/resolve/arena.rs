//! Memory that holds values: kept out of core dumps and swap, wiped when freed and in forked children.
//!
//! A slot is handed out of pages of its size class, so that ten thousand short values do not cost a page each. On
//! Linux the pages are guarded (`guarded`); elsewhere a slot is a heap block that is wiped when freed (`heap`), which
//! compiles but is not tested by us.

#[cfg(target_os = "linux")]
mod guarded;
#[cfg(not(target_os = "linux"))]
mod heap;

#[cfg(target_os = "linux")]
pub(crate) use guarded::Slot;
#[cfg(not(target_os = "linux"))]
pub(crate) use heap::Slot;

use crate::control::MemoryReport;

/// How much of the memory that holds values is locked at this moment.
pub(crate) fn memory_report() -> MemoryReport {
    #[cfg(target_os = "linux")]
    let report = guarded::report();
    #[cfg(not(target_os = "linux"))]
    let report = heap::report();
    report
}
