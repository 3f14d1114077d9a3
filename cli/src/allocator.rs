//! An allocator that wipes what it frees.
//!
//! HTTP and TLS libraries copy header bytes into buffers of their own; those copies end with the buffer.

use std::alloc::{GlobalAlloc, Layout, System};

use zeroize::Zeroize;

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
            std::slice::from_raw_parts_mut(block, layout.size()).zeroize();
            System.dealloc(block, layout);
        }
    }
    // `realloc` is the trait's own: allocate, copy, free through `dealloc`, so a moved block is wiped where it was.
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
    fn a_freed_block_holds_nothing() {
        let layout = Layout::from_size_align(4096, 8).expect("a layout");
        // SAFETY: the layout has a size; the block is written within it and freed once. The last read looks at a block
        // that was wiped and is kept by us, not by the allocator, as `dealloc`'s first half alone is called.
        unsafe {
            let block = WipeOnFree.alloc(layout);
            assert!(!block.is_null());
            std::ptr::write_bytes(block, 0x5a, 4096);
            std::slice::from_raw_parts_mut(block, 4096).zeroize();
            assert!(std::slice::from_raw_parts(block, 4096).iter().all(|byte| *byte == 0));
            WipeOnFree.dealloc(block, layout);
        }
    }
}
