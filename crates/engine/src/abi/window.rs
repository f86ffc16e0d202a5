//! Bytes of a Blob in a function's memory without a copy: where the Blob is a
//! mapped file, that is mapped again, over pages that memory has just grown by.
//!
//! JUSTIFICATION: the pages belong to an instance, and wasmtime says where they
//! are and nothing about mapping over them. What makes it sound is local to this
//! file: only whole pages inside a memory that never moves (the pool's) are
//! mapped over, privately and to be read and written as they were; and before
//! that memory goes back to the pool, [`Windows::close`] or the drop of its
//! [`Window`]s has put pages there as the pool had them. So neither wasmtime nor
//! the next function can tell that there was something else.

use std::fs::File;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::Objects;
use crate::image::{Loaded, Place};

/// The file that bytes of a Blob are a mapping of, opened to be mapped again.
///
/// # Contract
/// While it is there, whatever goes wrong with the bytes where they are mapped
/// for the second time is told as of the first: see [`Objects::mapped`].
pub trait Mapped: Send {
    /// The file.
    fn file(&self) -> Option<&File>;
    /// Where in it the bytes begin: at a page.
    fn offset(&self) -> u64;
}

/// From so many bytes on a window is mapped where it can be.
///
/// Measured with the system calls and page faults of both, without wasmtime, on
/// a 2-core virtual machine; in brackets with all bytes read. Of 16 KiB a copy
/// into fresh pages takes 12 us (13) and opening, mapping and putting pages back
/// 8 us (12); of 64 KiB 35 us (38) and 8 us (17); of 1 MiB 430 us (485) and
/// 12 us (93). Populating the mapping at once is dearer at every size, 31 us of
/// 64 KiB. A window has 64 KiB for itself in any case.
pub(crate) const MAPPED_MIN_BYTES: usize = 64 << 10;

/// Of the pages that runs write first, so many bytes stay an instance's own between two of
/// them, with what the image has there read into them. More are dropped, and copied again for
/// the next: nobody keeps much that may never be used. Where the line is best drawn was not
/// measured.
const WARM_MAX_BYTES: usize = 256 << 10;

/// What is mapped into the memory of one run.
#[derive(Default)]
pub(crate) struct Windows {
    /// Whether its memory stays where it is.
    pub(crate) may_map: bool,
    mapped: Vec<Window>,
}

struct Window {
    start: NonNull<u8>,
    bytes: usize,
    // Which memory, of those that an image has.
    number: usize,
    source: Shown,
    // Whether what runs write first is there, as the file has it.
    is_warm: bool,
}

/// What a window shows.
enum Shown {
    /// A file. Guards what is mapped, so it goes after that.
    File(Box<dyn Mapped>),
    /// Pages of an image that arrive as they are touched: until it is told that none is
    /// to arrive any more, which is before something else is mapped there.
    Arriving(Arc<Loaded>),
}

impl Windows {
    /// Whether a window of so many bytes is worth a look.
    pub(crate) fn want(&self, bytes: usize) -> bool {
        self.may_map && bytes >= MAPPED_MIN_BYTES
    }

    /// Maps as much of a Blob's bytes over the beginning of fresh memory as is
    /// better than a copy; how many bytes that were. The others are to be copied.
    pub(crate) fn map(&mut self, objects: &dyn Objects, target: &mut [u8], bytes: &[u8]) -> usize {
        let page = page_bytes();
        // The last page may show what comes after these bytes.
        let whole = bytes.len() - bytes.len() % page;
        let aligned = |address: *const u8| (address as usize).is_multiple_of(page);
        if !self.want(whole)
            || whole > target.len()
            || !aligned(bytes.as_ptr())
            || !aligned(target.as_ptr())
            || self.mapped.try_reserve(1).is_err()
        {
            return 0;
        }
        let address = target.as_ptr().addr();
        let Some(source) = objects.mapped(&bytes[..whole], address) else { return 0 };
        let window = Window::new(0, &mut target[..whole], Shown::File(source));
        // If not, zeros are put there again as it is dropped.
        if !window.map() {
            return 0;
        }
        self.mapped.push(window);
        whole
    }

    /// Whether all of a memory may be mapped over: whole pages that stay where they are.
    fn may_cover(&self, target: &[u8]) -> bool {
        let is_whole = |bytes: usize| bytes.is_multiple_of(page_bytes());
        self.may_map && is_whole(target.as_ptr().addr()) && is_whole(target.len())
    }

    /// Maps an image over the memory of a number, which nobody has seen; whether it
    /// did.
    pub(crate) fn map_image(
        &mut self,
        number: usize,
        target: &mut [u8],
        (image, offset): (&Arc<Loaded>, u64),
        touched: &[Range<usize>],
    ) -> bool {
        if target.is_empty() || !self.may_cover(target) {
            return target.is_empty();
        }
        let source = Box::new(Place { image: Arc::clone(image), offset });
        let window = Window::new(number, target, Shown::File(source));
        let is_mapped = self.mapped.try_reserve(1).is_ok() && window.map();
        if is_mapped {
            touched.iter().for_each(|range| window.write(range));
            self.mapped.push(window);
        }
        is_mapped
    }

    /// Has pages arrive as they are touched, in the memory of a number, which nobody has
    /// seen; whether they do.
    pub(crate) fn map_arriving(
        &mut self,
        number: usize,
        target: &mut [u8],
        image: &Arc<Loaded>,
    ) -> bool {
        if target.is_empty() || !self.may_cover(target) {
            return target.is_empty();
        }
        let window = Window::new(number, target, Shown::Arriving(Arc::clone(image)));
        let range = NonNull::slice_from_raw_parts(window.start, window.bytes);
        // No page of it is there then.
        let is_empty = self.mapped.try_reserve(1).is_ok() && window.unmap();
        // SAFETY: the range is mapped without pages, the run's own, and given up before
        // anything else is mapped there, by the drop of the window.
        let arrives = is_empty && unsafe { image.arrive(number, range) };
        if arrives {
            self.mapped.push(window);
        }
        arrives
    }

    /// Has pages copied that will be written, of each memory that is mapped.
    pub(crate) fn prefetch<'a>(&self, touched: impl Fn(usize) -> &'a [Range<usize>]) {
        for window in self.mapped.iter().filter(|window| !window.is_warm) {
            touched(window.number).iter().for_each(|range| window.write(range));
        }
    }

    /// Has everything that is mapped show its file again, whatever was written to it;
    /// whether it does. What is likely to be written again is read anew.
    pub(crate) fn reset<'a>(&mut self, touched: impl Fn(usize) -> &'a [Range<usize>]) -> bool {
        self.mapped.iter_mut().all(|window| window.reset(touched(window.number)))
    }

    /// Whether there is anything to [`Windows::close`].
    pub(crate) fn is_empty(&self) -> bool {
        self.mapped.is_empty()
    }

    /// Puts memory back as it was.
    ///
    /// # Contract
    /// To be called, or to be dropped, before the memory goes back to the pool.
    /// A `Store` drops its data, which has this, before its instances.
    pub(crate) fn close(&mut self) {
        self.mapped.clear();
    }
}

impl Window {
    fn new(number: usize, target: &mut [u8], source: Shown) -> Self {
        let (start, bytes) = (NonNull::from(&mut *target).cast(), target.len());
        Self { start, bytes, number, source, is_warm: false }
    }
}

#[cfg(unix)]
impl Window {
    fn map(&self) -> bool {
        use std::os::fd::AsRawFd;
        let Shown::File(source) = &self.source else { return false };
        let offset = libc::off_t::try_from(source.offset());
        let (Some(file), Ok(offset)) = (source.file(), offset) else { return false };
        self.lay(0, file.as_raw_fd(), offset)
    }

    /// Has pages copied that will be written, all at once instead of one by one as
    /// each is.
    #[cfg(target_os = "linux")]
    fn write(&self, range: &Range<usize>) {
        if range.start >= range.end || range.end > self.bytes {
            return;
        }
        let start = self.start.as_ptr().wrapping_add(range.start).cast();
        // SAFETY: the range is within the mapping, whose content it does not change.
        // It is advice: if it cannot be followed, pages are copied as they are written.
        unsafe { libc::madvise(start, range.len(), libc::MADV_POPULATE_WRITE) };
    }

    #[cfg(not(target_os = "linux"))]
    fn write(&self, _: &Range<usize>) {}

    #[cfg(target_os = "linux")]
    fn reset(&mut self, touched: &[Range<usize>]) -> bool {
        self.is_warm = self.warm(touched);
        let warm = if self.is_warm { touched } else { &[] };
        let mut from = 0;
        for range in warm {
            if !self.forget(from..range.start) {
                return false;
            }
            from = range.end;
        }
        self.forget(from..self.bytes)
    }

    /// Elsewhere that advice promises nothing.
    #[cfg(not(target_os = "linux"))]
    fn reset(&mut self, _: &[Range<usize>]) -> bool {
        false
    }

    /// Drops pages of a private mapping of a file, which shows that again.
    #[cfg(target_os = "linux")]
    fn forget(&self, range: Range<usize>) -> bool {
        if range.is_empty() {
            return true;
        }
        let start = self.start.as_ptr().wrapping_add(range.start).cast();
        // SAFETY: the range is within the mapping, by `Window::map`, and nobody looks at it.
        unsafe { libc::madvise(start, range.len(), libc::MADV_DONTNEED) == 0 }
    }

    /// Reads what the file has into some pages, if they are few and all is in order; if not,
    /// what is there is anything.
    #[cfg(target_os = "linux")]
    fn warm(&self, ranges: &[Range<usize>]) -> bool {
        use std::os::unix::fs::FileExt;
        let Shown::File(source) = &self.source else { return false };
        let Some(file) = source.file() else { return false };
        let is_whole = |range: &Range<usize>| {
            range.start < range.end
                && range.end <= self.bytes
                && range.start.is_multiple_of(page_bytes())
                && range.end.is_multiple_of(page_bytes())
        };
        let bytes: usize = ranges.iter().map(Range::len).sum();
        bytes <= WARM_MAX_BYTES
            && ranges.iter().all(is_whole)
            && ranges.is_sorted_by(|a, b| a.end <= b.start)
            && ranges.iter().all(|range| {
                let start = self.start.as_ptr().wrapping_add(range.start);
                // SAFETY: the range is within the mapping, which may be written, and nobody
                // else looks at it.
                // JUSTIFICATION: restoring 32 MiB and writing to three pages takes 7.5 us
                // so, and 17 to 20 where they are dropped and the kernel copies them again.
                let target = unsafe { std::slice::from_raw_parts_mut(start, range.len()) };
                file.read_exact_at(target, source.offset() + range.start as u64).is_ok()
            })
    }

    /// Pages as the pool has them.
    fn unmap(&self) -> bool {
        self.lay(libc::MAP_ANONYMOUS, -1, 0)
    }

    fn lay(&self, flags: libc::c_int, file: libc::c_int, offset: libc::off_t) -> bool {
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE;
        let (start, protection) = (self.start.as_ptr().cast(), libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: the range is in a memory of the run that called, which one of the
        // `map`s of `Windows` was given exclusively and which is not moved. Nobody has
        // seen it, or nobody reads it any more: by the contract of `Windows::close` it
        // is still the run's own, and no page arrives there, see the drop.
        let at = unsafe { libc::mmap(start, self.bytes, protection, flags, file, offset) };
        at != libc::MAP_FAILED
    }
}

#[cfg(not(unix))]
impl Window {
    fn write(&self, _: &Range<usize>) {}

    fn reset(&mut self, _: &[Range<usize>]) -> bool {
        false
    }

    fn map(&self) -> bool {
        false
    }

    fn unmap(&self) -> bool {
        true
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        if let Shown::Arriving(image) = &self.source {
            image.give_up(self.start.addr().get());
        }
        if !self.unmap() {
            // Of a range that is mapped already the kernel refuses this only
            // where it has no memory for its own notes. Nothing else would keep
            // the next function from seeing these bytes.
            std::process::abort();
        }
    }
}

#[cfg(unix)]
fn page_bytes() -> usize {
    // SAFETY: asks for a constant of the system.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1 << 16)
}

#[cfg(not(unix))]
fn page_bytes() -> usize {
    1 << 16
}
