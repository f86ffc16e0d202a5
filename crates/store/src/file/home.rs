//! What all parts of one open store share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::StoreId;
use crate::StoreError;
use crate::disk::Disk;

/// How a store is cut into files. What stands in the files does not depend on
/// it: a store may be opened with other options each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A pack that is longer gets no more records.
    pub pack_bytes_max: u64,
    /// How many objects and relations wait in memory, at 16 bytes each, before
    /// they are written to a sorted run.
    pub flush_entries: usize,
    /// After how many bytes of the log they are written in any case, so that
    /// the next one who opens the store has no more to read.
    pub flush_bytes: u64,
    /// From how many bytes on a Blob is a file of its own.
    pub large_bytes_min: u64,
    /// A pack up to this many bytes is rewritten by a collection for anything
    /// in it that goes; a longer one only if that is a good part of it.
    pub short_bytes_max: u64,
    /// Whether runs are written by a thread of their own. If not, whoever puts
    /// waits for it, and all happens in the same order each time.
    pub background: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pack_bytes_max: 1 << 30,
            flush_entries: 1 << 18,
            flush_bytes: 1 << 28,
            large_bytes_min: 1 << 20,
            short_bytes_max: 64 << 20,
            background: true,
        }
    }
}

/// The directory of the Blobs that are files of their own.
pub(super) const LARGE: &str = "large";

/// Where a store is, and which.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) id: StoreId,
    pub(crate) options: Options,
}

impl Home {
    pub(crate) fn manifest(&self) -> PathBuf {
        self.directory.join("store")
    }

    pub(crate) fn synced(&self) -> PathBuf {
        self.directory.join("synced")
    }

    pub(crate) fn broken(&self) -> PathBuf {
        self.directory.join("broken")
    }

    pub(crate) fn packs(&self) -> PathBuf {
        self.directory.join("packs")
    }

    pub(crate) fn pack(&self, number: u32) -> PathBuf {
        self.packs().join(file_name(number))
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.directory.join("index")
    }

    pub(crate) fn run(&self, number: u32) -> PathBuf {
        self.index().join(file_name(number))
    }

    pub(crate) fn large(&self) -> PathBuf {
        self.directory.join(LARGE)
    }
}

/// The numbers of the files in a directory of packs or runs, in order.
pub(crate) fn numbers(disk: &dyn Disk, directory: &Path) -> Result<Vec<u32>, StoreError> {
    let names = disk.list(directory)?;
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| name.parse().ok().filter(|number| file_name(*number) == *name))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

fn file_name(number: u32) -> String {
    format!("{number:06}")
}
