//! Counts what is allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, and how much it has given out.
pub struct Counting {
    live_bytes: AtomicUsize,
    peak_bytes: AtomicUsize,
}

impl Counting {
    pub const fn new() -> Self {
        Self { live_bytes: AtomicUsize::new(0), peak_bytes: AtomicUsize::new(0) }
    }

    /// What `work` returns, and how many bytes more than before were live at once while it ran. Only one thread
    /// may measure.
    pub fn peak_of<T>(&self, work: impl FnOnce() -> T) -> (T, usize) {
        let before = self.live_bytes.load(Ordering::Relaxed);
        self.peak_bytes.store(before, Ordering::Relaxed);
        let made = work();
        (made, self.peak_bytes.load(Ordering::Relaxed) - before)
    }

    fn add(&self, n_bytes: usize) {
        let live = self.live_bytes.fetch_add(n_bytes, Ordering::Relaxed) + n_bytes;
        self.peak_bytes.fetch_max(live, Ordering::Relaxed);
    }
}

// SAFETY: all memory comes from the system's allocator and goes back to it with the layout it came with.
#[expect(unsafe_code, reason = "an allocator cannot be written otherwise; it is no part of the product")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.live_bytes.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}
