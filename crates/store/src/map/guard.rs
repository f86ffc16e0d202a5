//! What stands between SIGBUS and the end of the process.

use std::io;
use std::mem;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::slots;

static POISONED: AtomicU64 = AtomicU64::new(0);
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();

/// How many mapped files have been found cut short, unreadable or changed since
/// this process began.
///
/// # Contract
/// Who computes from content that a backend has returned compares this before
/// and after. If it has grown, some bytes may have been others in between: what
/// was computed is to be forgotten. A file that was written to in place is
/// counted when a [`Backend::get`](crate::Backend::get) finds it, or
/// [`look_again`](super::look_again) does.
#[must_use]
pub fn poisoned() -> u64 {
    POISONED.load(SeqCst)
}

pub(super) fn count() {
    POISONED.fetch_add(1, SeqCst);
}

/// Installs the handler, once in a process.
pub(super) fn install() -> io::Result<()> {
    INSTALLED.get_or_init(try_install).map_err(io::Error::from_raw_os_error)
}

fn try_install() -> Result<(), i32> {
    let failed = |()| io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
    // The one before first, so that the handler finds it from its first call.
    // SAFETY: a `sigaction` of zeros is one; the call only writes to it.
    let previous = unsafe {
        let mut previous: libc::sigaction = mem::zeroed();
        (libc::sigaction(libc::SIGBUS, ptr::null(), &mut previous) == 0).then_some(previous)
    };
    PREVIOUS.get_or_init(|| previous.unwrap_or(DEFAULT));
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, and does
    // only what a handler may do. SA_ONSTACK: the fault may have come with
    // little stack left, and Rust's threads have one for signals.
    let installed = unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        action.sa_sigaction = on_bus_error as *const () as usize;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &action, ptr::null_mut())
    };
    (installed == 0).then_some(()).ok_or(()).map_err(failed)
}

// SAFETY: all zeros is the default action, without flags.
const DEFAULT: libc::sigaction = unsafe { mem::zeroed() };

/// Contract: loads and stores of atomics, and system calls; no lock, no
/// allocation, no panic. The thread goes on where it was.
extern "C" fn on_bus_error(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes an information that is there; of a fault (a
    // positive code: nobody sent it) it has the address.
    let address = unsafe { ((*info).si_code > 0).then(|| (*info).si_addr() as usize) };
    let found = address.and_then(slots::find);
    let covered = found.is_some_and(|(slot, start, bytes)| {
        if slot.poison() {
            count();
        }
        cover(start, bytes, slot.is_written())
    });
    if !covered {
        pass_on(signal, info, context);
    }
}

// Zeros in the place of a whole mapping: its owner goes on owning the range.
fn cover(start: usize, bytes: usize, written: bool) -> bool {
    let protection = if written { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE;
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    // SAFETY: the range is that of a `Mapping` or `Window` which the faulting
    // thread reads from, so it is mapped, nothing else is in it, and it stays
    // its owner's.
    // Two threads may do this at once; the second maps zeros over zeros.
    let at = unsafe { libc::mmap(start as *mut libc::c_void, bytes, protection, flags, -1, 0) };
    set_errno(errno);
    at != libc::MAP_FAILED
}

// The interrupted code may be between a system call and its look at `errno`.
fn set_errno(errno: i32) {
    #[cfg(target_os = "linux")]
    // SAFETY: the thread's own, always there.
    unsafe {
        *libc::__errno_location() = errno;
    }
    #[cfg(target_os = "macos")]
    // SAFETY: as above.
    unsafe {
        *libc::__error() = errno;
    }
}

// No mapping of ours: as if this handler was not there.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = PREVIOUS.get().unwrap_or(&DEFAULT);
    let handler = previous.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // The instruction runs again, and then it is as it would have been.
        // SAFETY: puts back what was installed, or the default. A fault is
        // never ignored by the kernel; a signal that was sent is gone, so it
        // is sent again.
        unsafe {
            libc::sigaction(signal, previous, ptr::null_mut());
            if (*info).si_code <= 0 {
                libc::raise(signal);
            }
        }
    } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: who installed it said by the flag that it has this type.
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: without the flag it has this one.
        let handler: extern "C" fn(libc::c_int) = unsafe { mem::transmute(handler) };
        handler(signal);
    }
}
