use crate::Errno;

/// What the run may still write, in bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
}

/// What a name or a symlink costs beside its bytes: about what it takes here
/// and in the result.
pub(super) const ENTRY_BYTES: u64 = 256;

impl Budget {
    pub(super) const fn new(bytes: u64) -> Self {
        Self { left: bytes }
    }

    /// Whether there are so many left.
    pub(super) const fn check(&self, bytes: u64) -> Result<(), Errno> {
        match bytes <= self.left {
            true => Ok(()),
            false => Err(Errno::Nospc),
        }
    }

    /// Takes bytes, all or none.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), Errno> {
        self.check(bytes)?;
        self.left -= bytes;
        Ok(())
    }

    pub(super) const fn give_back(&mut self, bytes: u64) {
        self.left = self.left.saturating_add(bytes);
    }

    pub(crate) const fn left(&self) -> u64 {
        self.left
    }
}
