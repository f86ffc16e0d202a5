//! What files held when they were last read.
//!
//! The operating system says of a file, without opening it, which one it is,
//! how long, and when it changed last: its [`Stamp`]. While that stays, so does
//! what it holds, and it need not be read again.
//!
//! But for one case. Times move on in steps, of up to two seconds on some file
//! systems, and what is written twice within a step can have one stamp. So a
//! stamp is noted only if it was two steps old when the file was read: whatever
//! is written after that has another.

mod table;

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use weft_object::Handle;

use self::table::{Entry, Table};
use crate::sync::Mutex;
use crate::{StoreError, open};

/// Which file, and when it changed last, as far as the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    /// Seconds since 1970 and nanoseconds.
    modified: (i64, u32),
    /// Also of its attributes; nobody can set this one.
    changed: (i64, u32),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec() as u32),
            changed: (metadata.ctime(), metadata.ctime_nsec() as u32),
        }
    }

    /// Whether what is written at this time or later has another stamp.
    fn is_settled(&self, read_at: SystemTime) -> bool {
        /// Two seconds are the longest step there is, of FAT. One more because
        /// the clock that stamps may lag behind that which is read.
        const STEPS_S: i64 = 3;
        let now_s = read_at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        self.modified.0.max(self.changed.0).saturating_add(STEPS_S) <= now_s
    }
}

/// The stamps of files that were read, with what they held, kept in one file
/// (`docs/stamps.md`). It is a fact about this machine and this user's files, so
/// it belongs into their cache and not into a store, which may come from
/// anybody. It can go at any time: then files are read again.
///
/// Several processes may have it; of what two learn at the same moment the
/// later is kept.
#[derive(Debug)]
pub struct Stamps {
    path: PathBuf,
    read: OnceLock<Table>,
    today: u32,
    /// What is to be written: what is new, and what was of use again.
    learned: Mutex<BTreeMap<(u64, u64), Entry>>,
}

/// What was of no use for so long goes.
const KEPT_DAYS: u32 = 30;
/// Noting that something was of use may wait so long.
const NOTED_DAYS: u32 = 7;
/// About 92 MB.
const ENTRIES_MAX: usize = 1 << 20;

impl Stamps {
    /// What the file at `path` holds, or nothing yet if it is not there.
    ///
    /// # Errors
    /// It cannot be read, is no such file, or of another version.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { read: load(path)?.into(), ..Self::of(path, today()) })
    }

    /// The same when it is first asked, or nothing yet if it cannot be used
    /// then: it only saves time.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self::of(path, today())
    }

    fn of(path: &Path, today: u32) -> Self {
        Self { path: path.into(), read: OnceLock::new(), today, learned: Mutex::default() }
    }

    fn known(&self) -> &Table {
        self.read.get_or_init(|| load(&self.path).unwrap_or_default())
    }

    /// Whether it has nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.known().is_empty()
    }

    /// What the file with this stamp held.
    pub(crate) fn find(&self, stamp: &Stamp) -> Option<Handle> {
        let entry = self.known().find(stamp)?;
        if self.today >= entry.used_day.saturating_add(NOTED_DAYS) {
            self.learn_entry(Entry { used_day: self.today, ..entry });
        }
        Some(entry.handle)
    }

    /// Notes what a file held that had this stamp before and after it was read,
    /// which began at `read_at`.
    pub(crate) fn learn(&self, stamp: Stamp, handle: Handle, read_at: SystemTime) {
        if stamp.is_settled(read_at) {
            self.learn_entry(Entry { stamp, handle, used_day: self.today });
        }
    }

    fn learn_entry(&self, entry: Entry) {
        self.learned.lock().insert((entry.stamp.device, entry.stamp.inode), entry);
    }

    /// Writes what was learned, if there is anything.
    ///
    /// # Errors
    /// It cannot be written; the file is as it was.
    pub fn keep(&self) -> Result<(), StoreError> {
        let learned = std::mem::take(&mut *self.learned.lock());
        if learned.is_empty() {
            return Ok(());
        }
        // Others may have written since. What cannot be read is begun anew.
        let mut entries: Vec<Entry> = load(&self.path).unwrap_or_default().entries().collect();
        entries.retain(|entry| entry.used_day.saturating_add(KEPT_DAYS) >= self.today);
        entries.extend(learned.into_values());
        self.write(&table::encode(entries, ENTRIES_MAX))
    }

    fn write(&self, bytes: &[u8]) -> Result<(), StoreError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let fail = |error| StoreError::io("write", &self.path)(error);
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let new = self.path.with_extension(format!("new-{}-{number}", process::id()));
        // Its names are nobody else's business. Not synced: what a power cut
        // leaves of it has not its check.
        let file = File::options().write(true).create_new(true).mode(0o600).open(&new);
        let done = file
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| fs::rename(&new, &self.path));
        done.map_err(|error| {
            let _ = fs::remove_file(&new);
            fail(error)
        })
    }
}

fn today() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs() / (24 * 3600)) as u32
}

fn load(path: &Path) -> Result<Table, StoreError> {
    let fail = |error| StoreError::io("read", path)(error);
    let file = match open::to_look(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Table::default()),
        Err(error) => return Err(fail(error)),
    };
    let length = file.metadata().map_err(fail)?.len();
    let table = Table::of(file, length, ENTRIES_MAX);
    table.map_err(|version| StoreError::Stamps { path: path.into(), version })
}

#[cfg(test)]
mod tests;
