//! The functions of WASI preview 1, each under its row of the table.

mod args;
mod clock;
mod fd;
mod file;
mod iovec;
mod path;
mod poll;
mod process;
mod readdir;
mod stat;
mod table;
mod tree;

pub use table::{CALLS, Call, MODULE, Wasm};

use crate::Errno;
use crate::direct::Direct;
use crate::fs::Ino;
use crate::memory::Memory;
use crate::process::Process;
use crate::source::{Halt, Source};
use crate::types::SYMLINK_FOLLOW;

/// What a call works on.
pub(crate) struct Run<'a> {
    pub(crate) process: &'a mut Process,
    pub(crate) source: &'a mut dyn Source,
    pub(crate) memory: Memory<'a>,
    pub(crate) arguments: &'a [u64],
}

/// How a call ends: what else it has to tell stands in memory.
pub(crate) type Done = Result<(), Halt>;

impl Run<'_> {
    fn u64(&self, at: usize) -> u64 {
        self.arguments.get(at).copied().unwrap_or(0)
    }

    fn u32(&self, at: usize) -> u32 {
        self.u64(at) as u32
    }

    /// The bytes whose address and length are two arguments in a row.
    fn text(&self, at: usize) -> Result<Vec<u8>, Errno> {
        // Longer ones are no path anyway, and need not be copied.
        const COPIED_MAX: usize = 1 << 16;
        let bytes = self.memory.bytes(self.u32(at), self.u32(at + 1))?;
        match bytes.len() {
            0..=COPIED_MAX => Ok(bytes.to_vec()),
            _ => Err(Errno::Nametoolong),
        }
    }

    fn direct(&mut self) -> Direct<'_> {
        Direct { process: &mut *self.process, source: &mut *self.source }
    }

    fn directory(&self, fd: u32) -> Result<Ino, Errno> {
        Ok(self.process.fds.directory(fd)?.ino)
    }
}

fn follows(flags: u32) -> Result<bool, Errno> {
    match flags & !SYMLINK_FOLLOW {
        0 => Ok(flags != 0),
        _ => Err(Errno::Inval),
    }
}
