//! An allocator that wipes what it frees.
//!
//! HTTP and TLS libraries copy header bytes into buffers of their own; those copies end with the buffer.

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator, with zeros over every block that is given back.
pub(crate) struct WipeOnFree;

// SAFETY: every block comes from `System` and goes back to it with the layout it was made with.
unsafe impl GlobalAlloc for WipeOnFree {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is live, `layout.size()` bytes long and nobody else's; after this it is given back.
        unsafe {
            wipe(block, layout.size());
            System.dealloc(block, layout);
        }
    }
    // `realloc` is the trait's own: allocate, copy, free through `dealloc`, so a moved block is wiped where it was.
}

/// Zeros over a block, at the speed of `memset` and nevertheless kept by the optimiser.
///
/// # Safety
/// `block` leads to `length` bytes that may be written.
unsafe fn wipe(block: *mut u8, length: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::write_bytes(block, 0, length) };
    // SAFETY: no instruction at all; to the compiler it may read what was written, so the writes are not dead.
    unsafe { std::arch::asm!("/* {0} */", in(reg) block, options(nostack, preserves_flags)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grown_vector_keeps_its_bytes() {
        let mut bytes = Vec::new();
        for round in 0..10_000_u32 {
            bytes.extend_from_slice(&round.to_le_bytes());
        }
        assert!(bytes.chunks_exact(4).zip(0_u32..).all(|(chunk, round)| chunk == round.to_le_bytes()));
    }

    #[test]
    fn a_wiped_block_holds_nothing_and_its_neighbours_stay() {
        let mut block = [0x5a_u8; 64];
        // SAFETY: the range lies within the array.
        unsafe { wipe(block.as_mut_ptr().add(8), 48) };
        assert!(block[8..56].iter().all(|byte| *byte == 0));
        assert!(block[..8].iter().chain(&block[56..]).all(|byte| *byte == 0x5a));
    }
}
