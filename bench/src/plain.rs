//! Baselines that are not to be had without `unsafe`: a plain mapping of a file,
//! for large Blobs, and a module that plain wasmtime has compiled before.
//!
//! JUSTIFICATION: what a mapping costs cannot be had without one, and it is not
//! to be the store's own, which is what is measured. The same goes for what was
//! compiled.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::slice;

use wasmtime::{Engine, Module};

/// A file in memory, mapped without precautions: nobody else has it.
pub(crate) struct Plain {
    start: NonNull<u8>,
    length: usize,
}

impl Plain {
    pub(crate) fn map(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let (read, private) = (libc::PROT_READ, libc::MAP_PRIVATE);
        // SAFETY: without MAP_FIXED the kernel picks a range that nobody has.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), length, read, private, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, length })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped for reading as long as `self` is
        // there, and the file is one that only this process has.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `map` and nothing borrows it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// A module from the file that holds what [`Module::serialize`] gave.
pub(crate) fn deserialize(engine: &Engine, path: &Path) -> wasmtime::Result<Module> {
    // SAFETY: the file was written by this bench, from such a module, into a
    // directory of its own, and is only removed after the run.
    unsafe { Module::deserialize_file(engine, path) }
}
