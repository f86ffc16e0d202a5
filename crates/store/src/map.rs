//! Files read through memory: mapped, and guarded.
//!
//! A mapping is a promise of the operating system that it cannot always keep:
//! when the file is cut short by somebody else, or the disk fails, a plain read
//! of memory raises SIGBUS, which ends a process. Here it does not. The signal's
//! handler puts zeros where the file was and marks the mapping *poisoned*; the
//! read goes on with what is no longer the file, and who reads has to look:
//!
//! - `Mapping::is_poisoned` says it of one mapping;
//! - [`poisoned`] counts all of them, in one load. Whoever concludes something
//!   from mapped bytes compares the count before and after, and where it has
//!   changed concludes nothing.
//!
//! That a file is written to in place raises no signal. [`look_again`] finds it,
//! by what the file system notes of every change.
//!
//! This is the one module of the crate with `unsafe` code.
//!
//! JUSTIFICATION: mapping is what makes a large Blob cost no memory of its own
//! and no copy, and what lets the second read of it run at memory speed. There
//! is no safe way to map, and none to outlive SIGBUS. The rules that keep it
//! sound are local: the address range is owned by `Mapping` alone, given back
//! only in its `drop`, and never written through. What cannot be ruled out is
//! that another process writes to the file; the files are made read-only, and
//! bytes of a mapping are only ever hashed, copied or compared, never trusted
//! for memory safety.

#![allow(unsafe_code)]

mod guard;
mod large;
mod slots;
mod window;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::slice;

pub use guard::poisoned;
pub(crate) use large::LargeBlobs;
pub use large::{look_again, poisoned_blobs};
use slots::Slot;
pub use window::{Window, window};

/// Whether these bytes are in a mapping: the system reads them when they are
/// wanted, and takes their memory back when it wants that.
pub(crate) fn is_mapped(bytes: &[u8]) -> bool {
    slots::find(bytes.as_ptr() as usize).is_some()
}

/// The bytes of a file, as long as it keeps them.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    length: usize,
    slot: &'static Slot,
}

// SAFETY: the range is mapped for reading only, belongs to no thread, and is
// unmapped by whoever drops the last owner.
unsafe impl Send for Mapping {}
// SAFETY: as above; there is no way to write through a `Mapping`.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first bytes of a file. Nothing is read yet.
    ///
    /// # Errors
    /// The length is 0, or the operating system refuses: too many mappings, a
    /// file system that has none.
    pub(crate) fn of(file: &File, length: usize) -> io::Result<Self> {
        guard::install()?;
        let rounded = slots::to_pages(length).filter(|rounded| *rounded > 0);
        let rounded = rounded.ok_or(io::ErrorKind::InvalidInput)?;
        let (read, private) = (libc::PROT_READ, libc::MAP_PRIVATE);
        // SAFETY: without MAP_FIXED the kernel picks a range that nobody has,
        // and a descriptor it does not like is an error.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, read, private, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let slot = slots::take(start.as_ptr() as usize, rounded, slots::Use::Read);
        Ok(Self { start, length, slot })
    }

    /// Says that the bytes will be read from the first to the last.
    pub(crate) fn will_be_read_in_order(&self) {
        // SAFETY: the range is ours; the advice changes no bytes. That it may
        // be refused is no matter.
        unsafe {
            libc::madvise(self.start.as_ptr().cast(), self.length, libc::MADV_SEQUENTIAL);
        }
    }

    /// Says that the bytes may be read in any order from now on.
    pub(crate) fn may_be_read_anywhere(&self) {
        // SAFETY: as above.
        unsafe {
            libc::madvise(self.start.as_ptr().cast(), self.length, libc::MADV_NORMAL);
        }
    }

    /// Whether some of its bytes are not those of the file any more.
    pub(crate) fn is_poisoned(&self) -> bool {
        self.slot.is_poisoned()
    }

    /// Says that the file was found changed: counted as by the guard.
    pub(crate) fn poison(&self) {
        if self.slot.poison() {
            guard::count();
        }
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `length` bytes from `start` are mapped for reading until the
        // drop, which this borrow outruns; where the file has lost them, the
        // guard maps zeros. That nobody writes to the file meanwhile is the
        // module's justification.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // First out of the guard's sight: the range may be somebody else's as
        // soon as it is unmapped.
        slots::give_back(self.slot);
        // SAFETY: the range came from `mmap` with this length, and with `self`
        // its last borrow has gone.
        unsafe {
            libc::munmap(self.start.as_ptr().cast(), self.length);
        }
    }
}

#[cfg(test)]
mod tests;
