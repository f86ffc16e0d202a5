//! An allocator that never frees, and what happens on a panic.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;

/// Hands out memory upwards from the end of what the linker laid out: first what
/// the module begins with, then what it grows by.
///
/// Windows ([`crate::Handle::bytes`]) grow memory too; the next allocation then
/// goes on above them.
struct Bump(UnsafeCell<Bounds>);

struct Bounds {
    next: usize,
    end: usize,
}

// SAFETY: there are no threads.
unsafe impl Sync for Bump {}

#[global_allocator]
static HEAP: Bump = Bump(UnsafeCell::new(Bounds { next: 0, end: 0 }));

const PAGE: usize = 1 << 16;

unsafe extern "C" {
    /// Where the linker's data ends.
    static __heap_base: u8;
}

impl Bounds {
    fn take(&mut self, size: usize, align: usize) -> Option<usize> {
        let at = self.next.checked_next_multiple_of(align)?;
        let next = at.checked_add(size)?;
        if next > self.end {
            return self.grow(size, align);
        }
        self.next = next;
        Some(at)
    }

    #[cold]
    fn grow(&mut self, size: usize, align: usize) -> Option<usize> {
        let top = core::arch::wasm32::memory_size(0) * PAGE;
        if self.end == 0 {
            (self.next, self.end) = (&raw const __heap_base as usize, top);
            return self.take(size, align);
        }
        if self.end != top {
            // A window stands at the old end: begin anew above it.
            (self.next, self.end) = (top, top);
        }
        let at = self.next.checked_next_multiple_of(align)?;
        let next = at.checked_add(size)?;
        let pages = (next - self.end).div_ceil(PAGE);
        if core::arch::wasm32::memory_grow(0, pages) == usize::MAX {
            return None;
        }
        self.end += pages * PAGE;
        self.next = next;
        Some(at)
    }
}

// SAFETY: every block is handed out once and lies in memory.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there are no threads and `take` calls nothing that allocates.
        let bounds = unsafe { &mut *self.0.get() };
        bounds.take(layout.size(), layout.align()).map_or(ptr::null_mut(), |at| at as *mut u8)
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let bounds = unsafe { &mut *self.0.get() };
        let (at, end) = (block as usize, block as usize + layout.size());
        // The latest block grows where it stands.
        if end == bounds.next && at + size <= bounds.end {
            bounds.next = at + size;
            return block;
        }
        let Some(new) = bounds.take(size, layout.align()) else { return ptr::null_mut() };
        let new = new as *mut u8;
        // SAFETY: both are blocks of at least so many bytes, and apart.
        unsafe { ptr::copy_nonoverlapping(block, new, layout.size().min(size)) };
        new
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
