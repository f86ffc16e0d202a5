//! The store that lasts: a log of records, cut in packs, with an index.

mod backend;
mod broken;
mod collect;
mod compressed;
mod flush;
mod fsck;
mod home;
mod index;
mod large;
mod location;
mod log;
mod manifest;
mod opening;
mod pack;
mod record;
mod rewrite;
mod state;
mod store;
mod synced;
mod touched;
mod trouble;
mod version;
mod walk;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::StoreError;
use crate::disk::{Disk, Lock, RealDisk};
use crate::files::Stamps;
use collect::{Budgeting, Collecting};
pub use fsck::{Affected, Checked, Needs, Problem, Repaired, Wrong, fsck, repair};
pub use home::Options;
pub(crate) use large::path_in as large_path;
use store::Store;
pub(crate) use trouble::Tell;
pub use trouble::{Chore, Trouble};
pub(crate) use version::{OLDEST, VERSION};
pub use walk::Damage;

/// What a [`FileBackend`] is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To read what was there at that moment. Any number of processes, also
    /// beside one that writes; nothing is created and nothing locked.
    Read,
    /// To read and write: one process at a time.
    Write,
}

/// A store in a directory such as `.weft`.
///
/// A process may be killed, or the machine lose power, at any byte: the store
/// opens, with everything that a [`Backend::sync`](crate::Backend::sync) had
/// returned for. Each content is verified when it is read; damage is an error
/// about that content and leaves the rest readable.
///
/// All is a record in one *log*, which only grows at its end and is cut into
/// *packs*; only Blobs of some length are files of their own. An index says
/// where each record is; it can be made again from the log. `docs/store.md`
/// has every byte.
pub struct FileBackend {
    pub(crate) store: Arc<Store>,
    damage: Vec<Damage>,
    pub(crate) collecting: Arc<Collecting>,
    budgeting: Arc<Budgeting>,
    // Held until this is dropped.
    _lock: Option<Box<dyn Lock>>,
}

impl FileBackend {
    /// Makes a store in a directory, which is created if it is not there, and
    /// opens it for writing. One that exists is opened as it is.
    ///
    /// # Errors
    /// As of [`FileBackend::open`].
    pub fn create(directory: &Path) -> Result<Self, StoreError> {
        Self::create_on(Arc::new(RealDisk), directory, Options::default())
    }

    /// Opens the store in a directory. What a crash left unfinished at its end
    /// is cut off in [`Mode::Write`], and not seen in [`Mode::Read`].
    ///
    /// # Errors
    /// There is none, or of another version, or another process writes to it,
    /// or its first file is damaged, or the operating system refuses.
    pub fn open(directory: &Path, mode: Mode) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(RealDisk), directory, mode, Options::default())
    }

    /// Believes what is noted of large files rather than hash them once more,
    /// and notes there what was read.
    pub fn rely_on(&self, stamps: &Arc<Stamps>) {
        self.store.large.rely_on(stamps);
    }

    /// [`FileBackend::create`] on some disk.
    ///
    /// # Errors
    /// As of [`FileBackend::open`].
    pub fn create_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
    ) -> Result<Self, StoreError> {
        disk.make_directory(directory)?;
        if opening::exists(&*disk, directory)? {
            return Self::open_on(disk, directory, Mode::Write, options);
        }
        let lock = disk.lock(directory)?;
        // Somebody else may have been faster.
        if !opening::exists(&*disk, directory)? {
            opening::create(disk.clone(), directory, options)?;
        }
        Self::open_locked(&disk, directory, Mode::Write, options, Some(lock))
    }

    /// [`FileBackend::open`] on some disk.
    ///
    /// # Errors
    /// As of [`FileBackend::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        mode: Mode,
        options: Options,
    ) -> Result<Self, StoreError> {
        // Before a lock is made beside what is no store.
        opening::read_manifest(&disk, directory, mode, options)?;
        let lock = match mode {
            Mode::Read => None,
            Mode::Write => Some(disk.lock(directory)?),
        };
        Self::open_locked(&disk, directory, mode, options, lock)
    }

    fn open_locked(
        disk: &Arc<dyn Disk>,
        directory: &Path,
        mode: Mode,
        options: Options,
        lock: Option<Box<dyn Lock>>,
    ) -> Result<Self, StoreError> {
        let opened = opening::open(disk, directory, mode, options)?;
        let store = Arc::new(opened.store);
        if mode == Mode::Write {
            flush::settle(&store);
        }
        Ok(Self {
            store,
            damage: opened.damage,
            collecting: Arc::default(),
            budgeting: Arc::default(),
            _lock: lock,
        })
    }

    /// The directory that holds the store.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.store.home.directory
    }

    /// The parts of the log that were found damaged when it was opened: what
    /// they held is not in the store any more. Damage elsewhere shows when that
    /// is read.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What failed that nobody waited for, of each sort the last. What went well
    /// since is not there any more.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        self.store.troubles.last()
    }

    /// Has such things told as they fail, by whatever thread; first, those that
    /// there are. What goes on failing is told once.
    pub fn on_trouble(&self, tell: impl Fn(&Trouble) + Send + Sync + 'static) {
        self.store.troubles.tell(Arc::new(tell));
    }

    /// The bytes of the log.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.store.log_bytes()
    }

    /// How many objects are stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.tail.lock().counters.objects as usize
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FileBackend {
    /// Waits for the end of a collection in the background; none begins after it.
    pub(crate) fn end_collecting(&self) {
        self.budgeting.end();
    }
}

impl fmt::Debug for FileBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let home = &self.store.home;
        f.debug_struct("FileBackend").field("directory", &home.directory).finish_non_exhaustive()
    }
}

impl Drop for FileBackend {
    fn drop(&mut self) {
        self.budgeting.end();
        flush::stop(&self.store);
    }
}
