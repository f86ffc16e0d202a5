//! Faults of memory, handled by a thread of ours: `userfaultfd(2)`.
//!
//! Only those that happen outside the kernel are seen here, which anybody may ask for.
//! So no system call may be given memory that has pages to come: it would fail.
//!
//! JUSTIFICATION: memory that has no pages yet, and whose owner waits for them, is
//! not to be had from the standard library.

use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use linux_raw_sys::general::{
    _UFFDIO_COPY, UFFD_API, UFFD_EVENT_PAGEFAULT, UFFD_USER_MODE_ONLY,
    UFFDIO_REGISTER_MODE_MISSING, uffd_msg, uffdio_api, uffdio_copy, uffdio_range, uffdio_register,
};
use linux_raw_sys::ioctl::{
    UFFDIO_API, UFFDIO_COPY, UFFDIO_REGISTER, UFFDIO_UNREGISTER, UFFDIO_WAKE,
};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, read, write};
use rustix::ioctl::{Updater, ioctl};
use rustix::mm::{UserfaultfdFlags, userfaultfd};
use rustix::param::page_size;

use super::PAGE_BYTES;

/// Of memories of one run.
pub(in super::super) struct Faults {
    faults: OwnedFd,
    end: OwnedFd,
}

/// What happened.
pub(super) enum Seen {
    /// Somebody waits for the page at an address.
    Fault(usize),
    /// Nothing for a while.
    Nothing,
    End,
}

/// So long nothing is waited for: an interruption is seen as late.
const WHILE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

impl Faults {
    /// `None` where the system does not let us, or has pages of another size.
    pub(in super::super) fn new() -> Option<Self> {
        if page_size() != PAGE_BYTES {
            return None;
        }
        let user_only = UserfaultfdFlags::from_bits_retain(UFFD_USER_MODE_ONLY);
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK | user_only;
        // SAFETY: it is only used here, for memory that is handed to `watch`.
        let faults = unsafe { userfaultfd(flags) }.ok()?;
        let mut api = uffdio_api { api: u64::from(UFFD_API), features: 0, ioctls: 0 };
        // SAFETY: the call takes this struct, and the descriptor is of its kind.
        unsafe { ioctl(&faults, Updater::<{ UFFDIO_API }, _>::new(&mut api)) }.ok()?;
        let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
        Some(Self { faults, end })
    }

    /// Has faults in a range of whole pages seen here, until something else is mapped
    /// there; whether that can be.
    ///
    /// # Safety
    /// The range is mapped without pages. Whoever touches it waits, so as long as
    /// somebody does faults are seen by [`Faults::next`] and answered.
    pub(super) unsafe fn watch(&self, range: NonNull<[u8]>) -> bool {
        let range = range_of(range.cast::<u8>().addr().get(), range.len());
        let mode = u64::from(UFFDIO_REGISTER_MODE_MISSING);
        let mut register = uffdio_register { range, mode, ioctls: 0 };
        // SAFETY: the call takes this struct, and the descriptor is of its kind; what it
        // does to the range is the contract of this function.
        let done =
            unsafe { ioctl(&self.faults, Updater::<{ UFFDIO_REGISTER }, _>::new(&mut register)) };
        done.is_ok() && register.ioctls & (1 << _UFFDIO_COPY) != 0
    }

    /// Waits for what happens next.
    pub(super) fn next(&self) -> Seen {
        let mut both =
            [PollFd::new(&self.faults, PollFlags::IN), PollFd::new(&self.end, PollFlags::IN)];
        let polled = poll(&mut both, Some(&WHILE)).is_ok();
        let [faults, end] = both.map(|one| polled && one.revents().contains(PollFlags::IN));
        match (faults, end) {
            // Whoever waits for a page has not ended.
            (true, _) => self.fault(),
            (false, true) => Seen::End,
            (false, false) => Seen::Nothing,
        }
    }

    fn fault(&self) -> Seen {
        let mut raw = [0; size_of::<uffd_msg>()];
        if read(&self.faults, &mut raw) != Ok(raw.len()) {
            return Seen::Nothing;
        }
        // SAFETY: any bytes are a message: it is made of integers.
        let message: uffd_msg = unsafe { std::mem::transmute(raw) };
        if u32::from(message.event) != UFFD_EVENT_PAGEFAULT {
            return Seen::Nothing;
        }
        // SAFETY: as of the message.
        Seen::Fault(unsafe { message.arg.pagefault.address } as usize)
    }

    /// Puts pages where there are none, and wakes whoever waits for one of them. If the
    /// system cannot, there are zeros, and `false` is said.
    ///
    /// # Safety
    /// The pages are within a range that was handed to [`Faults::watch`] and where
    /// nothing else is mapped.
    pub(super) unsafe fn fill(&self, address: usize, pages: &[u8]) -> bool {
        let mut done = 0;
        while done < pages.len() {
            let (dst, rest) = (address + done, &pages[done..]);
            let mut copy = uffdio_copy {
                dst: dst as u64,
                src: rest.as_ptr().addr() as u64,
                len: rest.len() as u64,
                mode: 0,
                copy: 0,
            };
            // SAFETY: the call takes this struct, and the descriptor is of its kind. It
            // reads the pages, and writes where there are none yet, which is in the
            // range by the contract of this function.
            let copied =
                unsafe { ioctl(&self.faults, Updater::<{ UFFDIO_COPY }, _>::new(&mut copy)) };
            let bytes = usize::try_from(copy.copy).unwrap_or(0);
            match copied {
                // All of them; or some, as the process's mappings change at this moment.
                Ok(()) | Err(Errno::AGAIN) => done += bytes,
                Err(Errno::EXIST) => {
                    self.wake(dst, PAGE_BYTES);
                    done += PAGE_BYTES;
                }
                Err(_) => {
                    self.let_be(address, pages.len());
                    return false;
                }
            }
        }
        true
    }

    fn wake(&self, address: usize, bytes: usize) {
        let mut range = range_of(address, bytes);
        // SAFETY: the call takes this struct, and the descriptor is of its kind. Who is
        // woken looks again.
        let _ = unsafe { ioctl(&self.faults, Updater::<{ UFFDIO_WAKE }, _>::new(&mut range)) };
    }

    /// Has the system put zeros there, as in other memory, and whoever waits go on.
    fn let_be(&self, address: usize, bytes: usize) {
        let mut range = range_of(address, bytes);
        // SAFETY: the call takes this struct, and the descriptor is of its kind.
        let done =
            unsafe { ioctl(&self.faults, Updater::<{ UFFDIO_UNREGISTER }, _>::new(&mut range)) };
        if done.is_err() {
            // A thread would wait that nothing can end.
            std::process::abort();
        }
    }

    /// Ends the waiting when what is returned is dropped.
    pub(super) fn end_when_dropped(&self) -> End<'_> {
        End(self)
    }
}

fn range_of(start: usize, bytes: usize) -> uffdio_range {
    uffdio_range { start: start as u64, len: bytes as u64 }
}

pub(super) struct End<'a>(&'a Faults);

impl Drop for End<'_> {
    fn drop(&mut self) {
        // It has room for one.
        let _ = write(&self.0.end, &1_u64.to_ne_bytes());
    }
}
