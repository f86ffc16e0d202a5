//! Faults of memory, handled by a thread of ours: `userfaultfd(2)`.
//!
//! Only those that happen outside the kernel are seen here, which anybody may ask for.
//! So no system call may be given memory that has pages to come: it would fail.
//!
//! JUSTIFICATION: memory that has no pages yet, and whose owner waits for them, is
//! not to be had from the standard library.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use linux_raw_sys::general::{
    _UFFDIO_COPY, UFFD_API, UFFD_EVENT_PAGEFAULT, UFFD_USER_MODE_ONLY,
    UFFDIO_REGISTER_MODE_MISSING, uffd_msg, uffdio_api, uffdio_copy, uffdio_range, uffdio_register,
};
use linux_raw_sys::ioctl::{UFFDIO_API, UFFDIO_COPY, UFFDIO_REGISTER};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::{Errno, read, write};
use rustix::ioctl::{Updater, ioctl};
use rustix::mm::{UserfaultfdFlags, userfaultfd};

/// Of memories of one run.
pub(in super::super) struct Faults {
    faults: OwnedFd,
    end: OwnedFd,
}

/// What happened.
pub(in super::super) enum Seen {
    /// Somebody waits for the page at an address.
    Fault(usize),
    /// Nothing for a while.
    Nothing,
    End,
}

/// So long nothing is waited for.
const WHILE: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

impl Faults {
    /// `None` where the system does not let us.
    pub(in super::super) fn new() -> Option<Self> {
        let user_only = UserfaultfdFlags::from_bits_retain(UFFD_USER_MODE_ONLY);
        let flags = UserfaultfdFlags::CLOEXEC | UserfaultfdFlags::NONBLOCK | user_only;
        // SAFETY: it is only used here, for memory that is handed to `handle`.
        let faults = unsafe { userfaultfd(flags) }.ok()?;
        let mut api = uffdio_api { api: u64::from(UFFD_API), features: 0, ioctls: 0 };
        // SAFETY: the call takes this struct, and the descriptor is of its kind.
        unsafe { ioctl(&faults, Updater::<{ UFFDIO_API }, _>::new(&mut api)) }.ok()?;
        let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
        Some(Self { faults, end })
    }

    /// Has faults in a range of whole pages seen here; whether that can be. Until
    /// something else is mapped there.
    pub(super) fn handle(&self, range: NonNull<[u8]>) -> bool {
        let range =
            uffdio_range { start: range.cast::<u8>().addr().get() as u64, len: range.len() as u64 };
        let mode = u64::from(UFFDIO_REGISTER_MODE_MISSING);
        let mut register = uffdio_register { range, mode, ioctls: 0 };
        // SAFETY: the call takes this struct, and the descriptor is of its kind. The
        // range is mapped without pages, and who touches it waits for `fill`.
        let done =
            unsafe { ioctl(&self.faults, Updater::<{ UFFDIO_REGISTER }, _>::new(&mut register)) };
        done.is_ok() && register.ioctls & (1 << _UFFDIO_COPY) != 0
    }

    /// Waits for what happens next.
    pub(super) fn next(&self) -> Seen {
        let mut both =
            [PollFd::new(&self.faults, PollFlags::IN), PollFd::new(&self.end, PollFlags::IN)];
        let polled = poll(&mut both, Some(&WHILE));
        let [faults, end] = both.map(|one| one.revents().contains(PollFlags::IN));
        match polled {
            // Whoever waits for a page has not ended.
            Ok(_) if faults => self.fault(),
            Ok(_) if end => Seen::End,
            Ok(_) | Err(_) => Seen::Nothing,
        }
    }

    fn fault(&self) -> Seen {
        let mut raw = [0; size_of::<uffd_msg>()];
        if read(&self.faults, &mut raw) != Ok(raw.len()) {
            return Seen::Nothing;
        }
        let mut message = MaybeUninit::<uffd_msg>::uninit();
        // SAFETY: any bytes are a message: it is made of integers.
        let message = unsafe {
            message.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(raw.as_ptr(), raw.len());
            message.assume_init()
        };
        if u32::from(message.event) != UFFD_EVENT_PAGEFAULT {
            return Seen::Nothing;
        }
        // SAFETY: as of the message.
        Seen::Fault(unsafe { message.arg.pagefault.address } as usize)
    }

    /// Gives a page to whoever waits for it.
    pub(super) fn fill(&self, address: usize, page: &[u8]) {
        loop {
            let mut copy = uffdio_copy {
                dst: address as u64,
                src: page.as_ptr().addr() as u64,
                len: page.len() as u64,
                mode: 0,
                copy: 0,
            };
            // SAFETY: the call takes this struct, and the descriptor is of its kind. It
            // reads the page, and writes where there is none yet.
            match unsafe { ioctl(&self.faults, Updater::<{ UFFDIO_COPY }, _>::new(&mut copy)) } {
                // The mappings of the process change at this moment.
                Err(Errno::AGAIN) => {}
                // Somebody would wait for ever.
                Err(error) if error != Errno::EXIST && error != Errno::NOENT => {
                    std::process::abort()
                }
                _ => return,
            }
        }
    }

    /// Ends the waiting when what is returned is dropped.
    pub(super) fn end_when_dropped(&self) -> impl Drop + '_ {
        End(self)
    }
}

struct End<'a>(&'a Faults);

impl Drop for End<'_> {
    fn drop(&mut self) {
        // It has room for one.
        let _ = write(&self.0.end, &1_u64.to_ne_bytes());
    }
}
