//! Mapped bytes at another place too: in the memory of a function that reads
//! them.

use std::fs::File;
use std::sync::Arc;

use super::large::{self, Mapped};
use super::slots::{self, Slot};
use crate::disk::DiskFile;

/// The file that some bytes are a mapping of, opened again to be mapped once
/// more, and the guard over where that is done.
///
/// # Contract
/// Whoever asked for it maps nothing but [`Window::file`] from
/// [`Window::offset`] on at the range that was named, privately and to be
/// written, and has something else there before this is dropped. What is read
/// there while it is mapped is as good as the bytes themselves: a file cut short
/// gives zeros, and is counted by [`poisoned`](super::poisoned).
#[derive(Debug)]
pub struct Window {
    file: Arc<dyn DiskFile>,
    offset: u64,
    mapped: Arc<Mapped>,
    slot: &'static Slot,
}

/// A window onto these bytes, to be mapped at an address, with whole pages at
/// both; `None` if they are not of a mapped file, or if that cannot be had again
/// as it was.
#[must_use]
pub fn window(bytes: &[u8], address: usize) -> Option<Window> {
    if slots::to_pages(address) != Some(address) || slots::to_pages(bytes.len())? != bytes.len() {
        return None;
    }
    let (mapped, offset) = large::around(bytes)?;
    let file = mapped.open_again()?;
    file.as_file()?;
    let slot = slots::take(address, bytes.len(), slots::Use::Written);
    Some(Window { file, offset, mapped, slot })
}

impl Window {
    /// What to map.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.file.as_file()
    }

    /// Where in it the bytes begin.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // Who forgets what is poisoned asks the Blob's own mapping.
        if self.slot.is_poisoned() {
            self.mapped.poison();
        }
        slots::give_back(self.slot);
    }
}
