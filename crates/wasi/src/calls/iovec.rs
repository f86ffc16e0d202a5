//! Lists of buffers in memory: pairs of an address and a length.

use crate::Errno;
use crate::memory::Memory;

/// As in Linux.
const COUNT_MAX: u32 = 1024;

#[derive(Clone, Copy)]
pub(super) struct Iovecs {
    at: u32,
    count: u32,
}

impl Iovecs {
    /// Checks that all of them lie in memory and their lengths fit one number.
    pub(super) fn new(memory: &Memory<'_>, at: u32, count: u32) -> Result<Self, Errno> {
        if count > COUNT_MAX {
            return Err(Errno::Inval);
        }
        let iovecs = Self { at, count };
        let mut total: u32 = 0;
        for index in 0..count {
            let (at, len) = iovecs.get(memory, index)?;
            memory.check(at, len)?;
            total = total.checked_add(len).ok_or(Errno::Inval)?;
        }
        Ok(iovecs)
    }

    fn get(self, memory: &Memory<'_>, index: u32) -> Result<(u32, u32), Errno> {
        let at = Memory::element(self.at, index, 8)?;
        let len_at = at.checked_add(4).ok_or(Errno::Fault)?;
        Ok((memory.u32(at)?, memory.u32(len_at)?))
    }

    /// Fills the buffers with bytes as far as both go; how many those were.
    /// A buffer may lie over the list itself, which is read as it then is.
    pub(super) fn fill(self, memory: &mut Memory<'_>, mut bytes: &[u8]) -> Result<u32, Errno> {
        let mut total: u32 = 0;
        for index in 0..self.count {
            let (at, len) = self.get(memory, index)?;
            let count = bytes.len().min(len as usize);
            let (here, rest) = bytes.split_at(count);
            memory.write(at, here)?;
            total = total.checked_add(count as u32).ok_or(Errno::Inval)?;
            bytes = rest;
        }
        Ok(total)
    }

    /// The bytes of each buffer in turn.
    pub(super) fn bytes<'a>(
        self,
        memory: &'a Memory<'_>,
    ) -> impl Iterator<Item = Result<&'a [u8], Errno>> {
        (0..self.count).map(move |index| {
            let (at, len) = self.get(memory, index)?;
            memory.bytes(at, len)
        })
    }
}
