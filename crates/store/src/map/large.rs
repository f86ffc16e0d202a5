//! Large Blobs, a file each: verified once, then mapped.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use weft_object::{Blob, Content, Handle};

use super::Mapping;
use crate::disk::{Access, Disk, DiskFile, Stamp};
use crate::files::{FileStamp, Stamps};
use crate::hash::HandleHash;
use crate::sync::Mutex;
use crate::{StoreError, disk};

/// The large Blobs that this process has read from one store.
///
/// A file is hashed when it is read for the first time. Then its [`Stamp`] says
/// that it is still that: later reads only ask for it. What the system cannot
/// map, it reads, and hashes each time.
#[derive(Debug, Default)]
pub(crate) struct LargeBlobs {
    known: Mutex<HashMap<Handle, Known, HandleHash>>,
    /// What other processes have found in files.
    stamps: OnceLock<Arc<Stamps>>,
    /// The latest mappings, kept also while nobody uses them: made anew they
    /// cost a page fault for each 64 KiB that is read, an eighth of the time of
    /// reading all of it.
    kept: Mutex<VecDeque<Arc<Mapped>>>,
}

/// Few, since whoever looks for changes looks at each.
const KEPT_MAX: usize = 4;

#[derive(Debug)]
struct Known {
    stamp: Stamp,
    // Whether a change after the stamp was taken would have changed it.
    settled: bool,
    mapped: Weak<Mapped>,
}

/// A mapping that knows whose it is.
#[derive(Debug)]
pub(super) struct Mapped {
    mapping: Mapping,
    path: PathBuf,
    handle: Handle,
    stamp: Mutex<Stamp>,
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.mapping.as_ref()
    }
}

/// A file as stamps know it: taken before it is read.
struct Noted<'a>(Option<(&'a Stamps, FileStamp)>);

impl<'a> Noted<'a> {
    fn of(file: &dyn DiskFile, stamps: Option<&'a Arc<Stamps>>) -> Self {
        let found = file.as_file().and_then(|file| file.metadata().ok());
        Self(stamps.zip(found).map(|(stamps, found)| (&**stamps, FileStamp::of(&found))))
    }

    fn says(&self, handle: &Handle) -> bool {
        self.0.as_ref().is_some_and(|(stamps, stamp)| stamps.find(stamp) == Some(*handle))
    }

    /// What a power cut takes of a file leaves its stamp as it was: so only what
    /// is on the disk is noted.
    fn learn(&self, file: &dyn DiskFile, handle: &Handle, read_at: SystemTime) {
        if let Some((stamps, stamp)) = &self.0
            && file.sync_data().is_ok()
        {
            stamps.learn(*stamp, *handle, read_at);
        }
    }
}

// What is mapped now, in any store, by where it begins.
static LIVE: Mutex<BTreeMap<usize, Weak<Mapped>>> = Mutex::new(BTreeMap::new());

impl LargeBlobs {
    /// Believes what is noted of files, and notes there what is read.
    pub(crate) fn rely_on(&self, stamps: &Arc<Stamps>) {
        let _ = self.stamps.set(stamps.clone());
    }

    /// The Blob of a handle, which is to be in the file at this path.
    ///
    /// # Errors
    /// [`StoreError::not_found`] if there is no file; [`StoreError::Corrupt`] if
    /// it has other bytes; or it cannot be read.
    pub(crate) fn read(
        &self,
        disk: &dyn Disk,
        path: &Path,
        handle: &Handle,
    ) -> Result<Content, StoreError> {
        let file = disk.open(path, Access::Read)?;
        let stamp = file.stamp().map_err(StoreError::io("look at", path))?;
        if let Some(mapped) = self.known_by(handle, &stamp) {
            return Ok(content(mapped));
        }
        let corrupt = || StoreError::Corrupt { path: path.into(), handle: *handle, offset: 0 };
        if handle.length() != Some(stamp.length) {
            return Err(corrupt());
        }
        let length = usize::try_from(stamp.length).map_err(|_| ErrorKind::OutOfMemory);
        let length = length.map_err(|kind| StoreError::io("map", path)(kind.into()))?;
        let Some(mapping) = file.as_file().and_then(|file| Mapping::of(file, length).ok()) else {
            let bytes = read_whole(&*file, length).map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => corrupt(),
                _ => StoreError::io("read", path)(error),
            })?;
            return Content::check(handle, bytes).map_err(|_| corrupt());
        };
        let mapped = Arc::new(Mapped {
            mapping,
            path: path.into(),
            handle: *handle,
            stamp: Mutex::new(stamp),
        });
        let noted = Noted::of(&*file, self.stamps.get());
        let verified = self.was_verified(handle, &stamp) || noted.says(handle);
        let settled = verified || has_settled(&stamp);
        if !verified {
            let read_at = SystemTime::now();
            let sound = mapped.has_its_bytes();
            let after = file.stamp().map_err(StoreError::io("look at", path))?;
            if !sound {
                return Err(corrupt());
            }
            if after != stamp {
                // Not damage: somebody gave it another mode, say.
                return Err(StoreError::Changed(path.into()));
            }
            noted.learn(&*file, handle, read_at);
        }
        self.remember(handle, Known { stamp, settled, mapped: Arc::downgrade(&mapped) });
        self.keep(&mapped);
        note_live(&mapped);
        Ok(content(mapped))
    }

    /// The Blob's file was taken away, or may have been changed by this
    /// process.
    pub(crate) fn forget(&self, handle: &Handle) {
        self.known.lock().remove(handle);
        self.kept.lock().retain(|kept| kept.handle != *handle);
    }

    fn keep(&self, mapped: &Arc<Mapped>) {
        let mut kept = self.kept.lock();
        kept.retain(|kept| kept.handle != mapped.handle);
        let oldest = (kept.len() >= KEPT_MAX).then(|| kept.pop_front());
        kept.push_back(mapped.clone());
        drop(kept);
        // Unmapping takes a while.
        drop(oldest);
    }

    // The mapping that was made of the same file before, if it is still in use.
    fn known_by(&self, handle: &Handle, stamp: &Stamp) -> Option<Arc<Mapped>> {
        let known = self.known.lock();
        let found = known.get(handle)?;
        let mapped = found.mapped.upgrade()?;
        if found.stamp == *stamp {
            return (found.settled && !mapped.mapping.is_poisoned()).then_some(mapped);
        }
        drop(known);
        mapped.look_again(stamp);
        self.kept.lock().retain(|kept| !Arc::ptr_eq(kept, &mapped));
        None
    }

    fn was_verified(&self, handle: &Handle, stamp: &Stamp) -> bool {
        let known = self.known.lock();
        let found = known.get(handle).filter(|found| found.stamp == *stamp && found.settled);
        // What was found out of one mapping is true of the next one; but not if
        // the file had no such bytes to give.
        found.is_some_and(|found| {
            found.mapped.upgrade().is_none_or(|mapped| !mapped.mapping.is_poisoned())
        })
    }

    fn remember(&self, handle: &Handle, known: Known) {
        self.known.lock().insert(*handle, known);
    }
}

impl Mapped {
    fn has_its_bytes(&self) -> bool {
        self.mapping.will_be_read_in_order();
        let digest = blake3::hash(self.as_ref());
        self.mapping.may_be_read_anywhere();
        let length = self.as_ref().len() as u64;
        let sound = Handle::of_blob_digest(digest.as_bytes(), length) == Some(self.handle);
        sound && !self.mapping.is_poisoned()
    }

    fn address(&self) -> usize {
        self.mapping.as_ref().as_ptr() as usize
    }

    pub(super) fn poison(&self) {
        self.mapping.poison();
    }

    /// Its file, if that has its name yet and nobody has done anything to it.
    pub(super) fn open_again(&self) -> Option<Arc<dyn DiskFile>> {
        let file = disk::RealDisk.open(&self.path, Access::Read).ok()?;
        let same = file.stamp().ok()? == *self.stamp.lock();
        (same && !self.mapping.is_poisoned()).then_some(file)
    }

    // Somebody did something to the file. If it was written to, nobody knows
    // what has been read of it meanwhile; a change of its mode, or a second
    // name for it, is no change of its bytes.
    fn look_again(&self, found: &Stamp) {
        let mut stamp = self.stamp.lock();
        if stamp.inode != found.inode || *stamp == *found {
            // Another file has the name now: ours is as it was.
            return;
        }
        let written = (stamp.length, stamp.modified_ns) != (found.length, found.modified_ns);
        if written || !self.has_its_bytes() {
            self.mapping.poison();
        }
        *stamp = *found;
    }
}

/// The mapping that these bytes are a part of, and where in its file they begin.
pub(super) fn around(bytes: &[u8]) -> Option<(Arc<Mapped>, u64)> {
    let address = bytes.as_ptr() as usize;
    let live = LIVE.lock();
    let mapped = live.range(..=address).rev().find_map(|(_, mapped)| mapped.upgrade())?;
    drop(live);
    let offset = address.checked_sub(mapped.address())?;
    let end = offset.checked_add(bytes.len())?;
    (end <= mapped.mapping.as_ref().len()).then_some((mapped, offset as u64))
}

/// Looks at every mapped file that is in use, poisons those that somebody wrote
/// to, and returns [`poisoned`](super::poisoned). Takes a system call or two for
/// each of them.
///
/// Whoever is about to make something last that was computed from mapped bytes
/// asks before; see there for the rest of the contract.
pub fn look_again() -> u64 {
    let live: Vec<Arc<Mapped>> = {
        let mut live = LIVE.lock();
        live.retain(|_, mapped| mapped.strong_count() > 0);
        live.values().filter_map(Weak::upgrade).collect()
    };
    for mapped in live {
        // A file without a name any more is as it was.
        let found = disk::RealDisk.open(&mapped.path, Access::Read).and_then(|file| {
            file.stamp().map_err(StoreError::io("look at", mapped.path.as_path()))
        });
        if let Ok(found) = found {
            mapped.look_again(&found);
        }
    }
    super::poisoned()
}

/// The Blobs in use whose mapped file was found changed, and these files.
/// Whoever keeps such content in memory has to forget it; the store does not
/// give it out any more.
#[must_use]
pub fn poisoned_blobs() -> Vec<(Handle, PathBuf)> {
    let live = LIVE.lock();
    let mapped = live.values().filter_map(Weak::upgrade);
    let poisoned = mapped.filter(|mapped| mapped.mapping.is_poisoned());
    poisoned.map(|mapped| (mapped.handle, mapped.path.clone())).collect()
}

fn note_live(mapped: &Arc<Mapped>) {
    let mut live = LIVE.lock();
    // Now and then, so that the list is not much longer than it has to be.
    if live.len().is_power_of_two() {
        live.retain(|_, mapped| mapped.strong_count() > 0);
    }
    live.insert(mapped.address(), Arc::downgrade(mapped));
}

fn content(mapped: Arc<Mapped>) -> Content {
    Content::Blob(Blob::new(Shared(mapped)))
}

struct Shared(Arc<Mapped>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

/// Whether a change from now on is sure to give another stamp. Clocks of file
/// systems tick: what is written in the tick of the last change looks like it.
fn has_settled(stamp: &Stamp) -> bool {
    // Those that note whole seconds may tick by two of them.
    let coarse = stamp.changed_ns % 1_000_000_000 == 0 && stamp.modified_ns % 1_000_000_000 == 0;
    let tick_ns: i128 = if coarse { 2_000_000_000 } else { 20_000_000 };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.is_ok_and(|now| {
        now.as_nanos().cast_signed() - stamp.changed_ns.max(stamp.modified_ns) > tick_ns
    })
}

// The length may be a lie of whoever made the file: memory is asked for, not
// taken, and only used as bytes come.
fn read_whole(file: &dyn DiskFile, length: usize) -> io::Result<Vec<u8>> {
    const PART: usize = 1 << 20;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| ErrorKind::OutOfMemory)?;
    while bytes.len() < length {
        let from = bytes.len();
        bytes.resize(length.min(from + PART), 0);
        file.read_exact_at(&mut bytes[from..], from as u64)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{FileExt, PermissionsExt};
    use std::ptr::NonNull;
    use std::time::Duration;

    use super::super::{Window, window};
    use super::*;
    use crate::disk::RealDisk;
    use crate::disk::crash::CrashDisk;

    const LENGTH: usize = 300_000;

    struct Scratch(PathBuf);

    impl Scratch {
        /// A file whose last change lies so far back that its stamp is sure.
        fn new(name: &str, bytes: &[u8]) -> Self {
            let path =
                std::env::temp_dir().join(format!("weft-large-{}-{name}", std::process::id()));
            fs::write(&path, bytes).unwrap();
            let scratch = Self(path);
            scratch.settle();
            scratch
        }

        fn settle(&self) {
            while !has_settled(&File::open(&self.0).unwrap().stamp().unwrap()) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }

        fn open(&self) -> File {
            File::options().read(true).write(true).open(&self.0).unwrap()
        }

        fn read(&self, large: &LargeBlobs, handle: &Handle) -> Result<Content, StoreError> {
            large.read(&RealDisk, &self.0, handle)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn example() -> (Vec<u8>, Handle) {
        let bytes: Vec<u8> = (0..LENGTH).map(|at| (at / 11) as u8).collect();
        let handle = Handle::of_blob(&bytes);
        (bytes, handle)
    }

    fn bytes_of(content: &Content) -> &[u8] {
        content.blob().map_or(&[], |blob| blob.bytes())
    }

    /// Noted at a time at which it cannot be the last tick's.
    fn note(stamps: &Stamps, file: &Scratch, handle: Handle) {
        let stamp = FileStamp::of(&fs::metadata(&file.0).unwrap());
        stamps.learn(stamp, handle, SystemTime::now() + Duration::from_secs(10));
        stamps.keep().unwrap();
    }

    #[test]
    fn what_is_noted_of_a_file_is_believed_until_it_changes() {
        let (bytes, handle) = example();
        let file = Scratch::new("noted", &bytes);
        let path = file.0.with_extension("stamps");
        // What is not so shows that nothing was hashed.
        let other = Handle::of_blob(&vec![7; LENGTH]);
        note(&Stamps::open(&path), &file, other);
        let relying = || {
            let large = LargeBlobs::default();
            large.rely_on(&Arc::new(Stamps::open(&path)));
            large
        };
        assert_eq!(bytes_of(&file.read(&relying(), &other).unwrap()), bytes);
        let unknown = file.read(&LargeBlobs::default(), &other);
        assert!(matches!(unknown, Err(StoreError::Corrupt { .. })));
        assert_eq!(bytes_of(&file.read(&relying(), &handle).unwrap()), bytes, "hashed, and right");
        file.open().write_all_at(b"!", 5).unwrap();
        for handle in [handle, other] {
            let changed = file.read(&relying(), &handle);
            assert!(matches!(changed, Err(StoreError::Corrupt { .. })));
        }
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn one_mapping_serves_all_that_read_at_once() {
        let (bytes, handle) = example();
        let (file, large) = (Scratch::new("one", &bytes), LargeBlobs::default());
        let first = file.read(&large, &handle).unwrap();
        let second = file.read(&large, &handle).unwrap();
        assert!(bytes_of(&first) == bytes);
        assert!(std::ptr::eq(bytes_of(&first), bytes_of(&second)));
        drop((first, second));
        assert!(bytes_of(&file.read(&large, &handle).unwrap()) == bytes);
    }

    #[test]
    fn a_file_of_other_bytes_is_corrupt_and_named() {
        let (bytes, handle) = example();
        let file = Scratch::new("other", &bytes);
        file.open().write_all_at(b"!", 12_345).unwrap();
        for length in [LENGTH, LENGTH - 1, LENGTH + 1, 0] {
            file.open().set_len(length as u64).unwrap();
            let error = file.read(&LargeBlobs::default(), &handle).unwrap_err();
            let StoreError::Corrupt { path, handle: named, offset: 0 } = error else {
                panic!("{error}")
            };
            assert_eq!((path, named), (file.0.clone(), handle));
        }
        fs::remove_file(&file.0).unwrap();
        assert!(file.read(&LargeBlobs::default(), &handle).unwrap_err().not_found());
    }

    // A file that was verified is hashed again when somebody wrote to it, also
    // if what is in it is sound again.
    #[test]
    fn a_change_is_found_at_the_next_read_and_by_looking() {
        let (bytes, handle) = example();
        let (file, large) = (Scratch::new("change", &bytes), LargeBlobs::default());
        let held = file.read(&large, &handle).unwrap();
        let before = look_again();
        file.open().write_all_at(b"!", 12_345).unwrap();
        assert!(look_again() > before, "written to");
        assert!(poisoned_blobs().contains(&(handle, file.0.clone())));
        assert!(matches!(file.read(&large, &handle), Err(StoreError::Corrupt { .. })));
        file.open().write_all_at(&bytes[12_345..12_346], 12_345).unwrap();
        file.settle();
        let again = file.read(&large, &handle).unwrap();
        assert!(bytes_of(&again) == bytes && !std::ptr::eq(bytes_of(&held), bytes_of(&again)));
        // Another change, found by the read itself.
        file.open().set_len(10_000).unwrap();
        let before = super::super::poisoned();
        assert!(file.read(&large, &handle).is_err());
        assert!(super::super::poisoned() > before);
        assert_eq!(bytes_of(&again)[LENGTH - 1], 0, "and no crash");
    }

    #[test]
    fn what_is_no_change_of_bytes_poisons_nothing() {
        let (bytes, handle) = example();
        let (file, large) = (Scratch::new("mode", &bytes), LargeBlobs::default());
        let held = file.read(&large, &handle).unwrap();
        let mapped = large.known.lock()[&handle].mapped.upgrade().unwrap();
        fs::set_permissions(&file.0, fs::Permissions::from_mode(0o400)).unwrap();
        look_again();
        assert!(file.read(&large, &handle).is_ok() && !mapped.mapping.is_poisoned());
        // Another file in its place: what is mapped is the old one.
        let other = Scratch::new("mode-2", b"x");
        fs::rename(&other.0, &file.0).unwrap();
        look_again();
        assert!(matches!(file.read(&large, &handle), Err(StoreError::Corrupt { .. })));
        assert!(!mapped.mapping.is_poisoned() && bytes_of(&held) == bytes);
        fs::remove_file(&file.0).unwrap();
        look_again();
        assert!(!mapped.mapping.is_poisoned() && bytes_of(&held) == bytes);
    }

    /// Pages of zeros, to be mapped over.
    struct Pages(NonNull<u8>, usize);

    impl Pages {
        fn new(bytes: usize) -> Self {
            let start = Self::map(std::ptr::null_mut(), bytes, libc::MAP_ANONYMOUS, -1, 0);
            Self(start, bytes)
        }

        fn map(at: *mut u8, bytes: usize, flags: i32, file: i32, offset: i64) -> NonNull<u8> {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | flags;
            // SAFETY: nobody has the range, or its `Pages` do and are asked.
            let start = unsafe { libc::mmap(at.cast(), bytes, protection, flags, file, offset) };
            assert!(start != libc::MAP_FAILED);
            NonNull::new(start.cast()).unwrap()
        }

        fn address(&self) -> usize {
            self.0.addr().get()
        }

        fn show(&mut self, window: &Window) {
            let file = window.file().unwrap().as_raw_fd();
            Self::map(self.0.as_ptr(), self.1, libc::MAP_FIXED, file, window.offset() as i64);
        }

        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: mapped to be read and written until the drop.
            unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr(), self.1) }
        }
    }

    impl Drop for Pages {
        fn drop(&mut self) {
            // SAFETY: nobody borrows it any more.
            unsafe { libc::munmap(self.0.as_ptr().cast(), self.1) };
        }
    }

    #[test]
    fn a_window_has_the_bytes_and_its_own_copy_of_what_is_written() {
        const PAGE: usize = 4096;
        let (bytes, handle) = example();
        let (file, large) = (Scratch::new("window", &bytes), LargeBlobs::default());
        let held = file.read(&large, &handle).unwrap();
        let shown = &bytes_of(&held)[3 * PAGE..40 * PAGE];
        let mut pages = Pages::new(shown.len());
        let open = window(shown, pages.address()).unwrap();
        assert_eq!(open.offset(), 3 * PAGE as u64);
        pages.show(&open);
        assert!(pages.bytes() == shown);
        pages.bytes()[5] = 255;
        assert!(bytes_of(&held) == bytes && fs::read(&file.0).unwrap() == bytes);
        let before = super::super::poisoned();
        file.open().set_len(10 * PAGE as u64).unwrap();
        assert_eq!(pages.bytes()[30 * PAGE], 0, "what the file has lost");
        assert_eq!(pages.bytes()[5], 0, "and all the rest");
        assert!(super::super::poisoned() > before);
        pages.bytes()[30 * PAGE] = 1;
        assert!(window(shown, pages.address()).is_none(), "not the file that it was");
        drop(pages);
        drop(open);
        assert!(poisoned_blobs().contains(&(handle, file.0.clone())));
    }

    #[test]
    fn there_is_no_window_onto_anything_else() {
        const PAGE: usize = 4096;
        let (bytes, handle) = example();
        let (file, large) = (Scratch::new("no-window", &bytes), LargeBlobs::default());
        let held = file.read(&large, &handle).unwrap();
        let pages = Pages::new(PAGE);
        let mapped = bytes_of(&held);
        assert!(window(&mapped[..PAGE], pages.address()).is_some());
        assert!(window(&mapped[..PAGE - 1], pages.address()).is_none(), "a part of a page");
        assert!(window(&mapped[..PAGE], pages.address() + 1).is_none(), "not at a page");
        let mut own = Pages::new(PAGE);
        assert!(window(own.bytes(), pages.address()).is_none(), "no file");
        // Another file in its place, and none.
        let second = Scratch::new("no-window-2", &bytes);
        fs::rename(&second.0, &file.0).unwrap();
        assert!(window(&mapped[..PAGE], pages.address()).is_none(), "another file");
        fs::remove_file(&file.0).unwrap();
        assert!(window(&mapped[..PAGE], pages.address()).is_none(), "no file of that name");
    }

    #[test]
    fn what_cannot_be_mapped_is_read() {
        let (bytes, handle) = example();
        let (disk, path) = (CrashDisk::new(), Path::new("/large"));
        disk.plant(path, &bytes);
        let large = LargeBlobs::default();
        assert!(bytes_of(&large.read(&disk, path, &handle).unwrap()) == bytes);
        let mut other = bytes.clone();
        other[7] ^= 1;
        disk.plant(path, &other);
        assert!(matches!(large.read(&disk, path, &handle), Err(StoreError::Corrupt { .. })));
    }
}
