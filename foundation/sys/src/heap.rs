//! A heap for programs that live for a moment: they hardly give memory back, and every page that they touch costs a fault.
//!
//! Blocks have sizes of powers of two and are cut from chunks in a row; a freed block waits for the next of its size, and chunks stay
//! until the program ends. Blocks that must be aligned to more than others are cut where that is so, and wait apart. Large blocks are
//! mappings of their own. Not for programs that serve many threads: there is one lock.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The smallest block, and what all blocks are aligned to.
const SMALLEST: usize = 16;
/// Sizes from [`SMALLEST`] to 128 KiB.
const SIZES: usize = 14;
const CHUNK: usize = 256 << 10;
/// Mappings begin at pages.
const PAGE: usize = 4096;

/// The heap, for `#[global_allocator]`.
#[derive(Debug)]
pub struct Heap {
    locked: AtomicBool,
    state: UnsafeCell<State>,
}

#[derive(Debug)]
struct State {
    /// For each class the blocks that were freed.
    free: [*mut Free; 2 * SIZES],
    /// What is left of the chunk.
    next: *mut u8,
    left: usize,
}

/// A freed block.
#[derive(Debug)]
struct Free {
    next: *mut Self,
}

// SAFETY: the state is only touched by the holder of the lock.
unsafe impl Sync for Heap {}

impl Heap {
    pub const fn new() -> Self {
        let state = State { free: [ptr::null_mut(); 2 * SIZES], next: ptr::null_mut(), left: 0 };
        Self { locked: AtomicBool::new(false), state: UnsafeCell::new(state) }
    }

    fn with<T>(&self, use_state: impl FnOnce(&mut State) -> T) -> T {
        while self.locked.swap(true, Ordering::Acquire) {
            spin_loop();
        }
        // SAFETY: this thread has the lock, and `use_state`, which is one of two below, does not come back here.
        let result = use_state(unsafe { &mut *self.state.get() });
        self.locked.store(false, Ordering::Release);
        result
    }
}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    fn take(&mut self, class: Class) -> *mut u8 {
        let freed = self.free[class.index()];
        if !freed.is_null() {
            // SAFETY: what is in the list was put there by `give`, and nobody else has it.
            self.free[class.index()] = unsafe { (*freed).next };
            return freed.cast();
        }
        let size = class.size();
        if self.left < self.gap(class) + size {
            // What is left of the chunk before was never touched, and so is no memory.
            let chunk = map(CHUNK);
            if chunk.is_null() {
                return chunk;
            }
            (self.next, self.left) = (chunk, CHUNK);
        }
        let gap = self.gap(class);
        let block = self.next.wrapping_add(gap);
        self.next = block.wrapping_add(size);
        self.left -= gap + size;
        block
    }

    /// How many bytes to leave out before the next block.
    fn gap(&self, class: Class) -> usize {
        self.next.align_offset(class.alignment())
    }

    fn give(&mut self, block: *mut u8, class: Class) {
        #[expect(clippy::cast_ptr_alignment, reason = "all blocks are aligned to SMALLEST")]
        let freed = block.cast::<Free>();
        // SAFETY: the block came from `take`, so it is aligned and large enough, and its owner has just given it up.
        unsafe { freed.write(Free { next: self.free[class.index()] }) };
        self.free[class.index()] = freed;
    }
}

/// Blocks that can stand for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Class {
    /// How often [`SMALLEST`] is doubled.
    doublings: usize,
    /// To its size or to pages, for who needs more than [`SMALLEST`].
    is_aligned: bool,
}

impl Class {
    /// `None` for a mapping of its own.
    fn of(layout: Layout) -> Option<Self> {
        let size = layout.size().max(layout.align()).max(SMALLEST).next_power_of_two();
        let doublings = (size / SMALLEST).trailing_zeros() as usize;
        let is_aligned = layout.align() > SMALLEST;
        (doublings < SIZES && layout.align() <= PAGE).then_some(Self { doublings, is_aligned })
    }

    const fn index(self) -> usize {
        self.doublings + if self.is_aligned { SIZES } else { 0 }
    }

    const fn size(self) -> usize {
        SMALLEST << self.doublings
    }

    fn alignment(self) -> usize {
        if self.is_aligned { self.size().min(PAGE) } else { SMALLEST }
    }
}

/// New memory, all zeroes; null when there is none.
fn map(size: usize) -> *mut u8 {
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: asks for a new mapping wherever there is room, so nothing that exists is touched.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), size, protection, flags, -1, 0) };
    if mapped == libc::MAP_FAILED { ptr::null_mut() } else { mapped.cast() }
}

// SAFETY: blocks are as large and as aligned as was asked, belong to one owner at a time, and stay where they are until they are freed.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Class::of(layout) {
            Some(class) => self.with(|state| state.take(class)),
            None if layout.align() <= PAGE => map(layout.size()),
            None => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match Class::of(layout) {
            Some(class) => self.with(|state| state.give(block, class)),
            None => {
                // SAFETY: by the trait's contract this is a block of `alloc` with this layout, that is, a mapping of this size.
                unsafe { libc::munmap(block.cast(), layout.size()) };
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let Ok(wanted) = Layout::from_size_align(new_size, layout.align()) else {
            return ptr::null_mut();
        };
        let class = Class::of(layout);
        if class.is_some() && class == Class::of(wanted) {
            return block;
        }
        // SAFETY: the new size is not zero by the trait's contract.
        let new = unsafe { self.alloc(wanted) };
        if !new.is_null() {
            // SAFETY: both blocks have at least that many bytes, and the new one is nobody else's.
            unsafe { ptr::copy_nonoverlapping(block, new, layout.size().min(new_size)) };
            // SAFETY: by the trait's contract this is a block of ours with this layout.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_of_all_sizes_keep_what_is_written() {
        let heap = Heap::new();
        let mut blocks = Vec::new();
        let sizes = [1, 15, 16, 17, 100, 4096, 7000, 40_000, 131_072, 131_073, 1 << 20];
        for (number, size) in sizes.into_iter().cycle().take(220).enumerate() {
            let align = [1, 8, 16, 128, 64, PAGE, 32][number % 7];
            let layout = layout(size, align);
            // SAFETY: the size is not zero.
            let block = unsafe { heap.alloc(layout) };
            assert!(!block.is_null() && block.addr() % align.max(SMALLEST) == 0, "{size} {align}");
            let mark = u8::try_from(number).unwrap();
            // SAFETY: the block has this size.
            unsafe { block.write_bytes(mark, size) };
            blocks.push((block, layout, mark));
        }
        for (block, layout, mark) in blocks {
            // SAFETY: the block has this size, and all of it was written.
            let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
            assert!(bytes.iter().all(|byte| *byte == mark));
            // SAFETY: it came from this heap with this layout.
            unsafe { heap.dealloc(block, layout) };
        }
    }

    #[test]
    fn a_freed_block_is_used_again_and_a_grown_one_keeps_its_contents() {
        let heap = Heap::new();
        let small = layout(24, 8);
        // SAFETY: the size is not zero.
        let first = unsafe { heap.alloc(small) };
        // SAFETY: the block has this size.
        unsafe { first.write_bytes(7, 24) };
        // SAFETY: it came from this heap with this layout.
        let grown = unsafe { heap.realloc(first, small, 200_000) };
        // SAFETY: the block has more bytes, and these were copied.
        assert!(unsafe { std::slice::from_raw_parts(grown, 24) }.iter().all(|byte| *byte == 7));
        // SAFETY: the size is not zero.
        assert_eq!(unsafe { heap.alloc(small) }, first);
        // SAFETY: it came from this heap with this layout.
        unsafe { heap.dealloc(grown, layout(200_000, 8)) };
    }

    #[test]
    fn large_alignments_are_kept_or_refused() {
        let heap = Heap::new();
        // SAFETY: the size is not zero.
        let page = unsafe { heap.alloc(layout(64, PAGE)) };
        assert_eq!(page.addr() % PAGE, 0);
        // SAFETY: it came from this heap with this layout.
        unsafe { heap.dealloc(page, layout(64, PAGE)) };
        // SAFETY: the size is not zero.
        assert!(unsafe { heap.alloc(layout(64, 2 * PAGE)) }.is_null());
    }
}
