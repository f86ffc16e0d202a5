use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType, Metadata};
use std::io::{Read, Seek};
use std::num::NonZero;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use weft_object::directory::{Entry, FileKind, Name, Part, build};
use weft_object::{Blob, Content, Handle};

use crate::locate;
use crate::sync::Mutex;
use crate::{Backend, StoreError, open};

/// How far an `add` has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Files and symlinks read.
    pub files: u64,
    /// Of how many; 0 while that is not known.
    pub files_total: u64,
    /// Bytes read of them.
    pub bytes: u64,
}

/// How to add.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// How many threads read and hash; as many as there are cores if `None`.
    pub threads: Option<NonZero<usize>>,
    /// Directories left out beside every `.weft`: a store that is kept
    /// elsewhere.
    pub leave_out: &'a [PathBuf],
    /// Called now and then, from any of the threads.
    pub progress: Option<&'a (dyn Fn(Added) + Sync)>,
}

// What is longer is hashed and stored in pieces, not held.
const HELD_MAX: u64 = 8 << 20;
// A thread hands on what it has read when it comes to so much.
const BATCH_BYTES: u64 = 4 << 20;
const BATCH_OBJECTS: usize = 1024;

/// Adds a file as a Blob, or a directory with all below it as a Tree; returns
/// its handle. A symlink named by `path` itself is followed, those inside are
/// data. Does not sync.
///
/// The result depends on names, kinds, modes and bytes only: not on times,
/// owners, the order in which anything was read or the number of threads.
///
/// # Errors
/// The first thing that cannot be read or stored. What was stored until then
/// stays, under no name.
pub fn add(
    backend: &dyn Backend,
    path: &Path,
    options: &Options<'_>,
) -> Result<Handle, StoreError> {
    let metadata = fs::metadata(path).map_err(StoreError::io("read", path))?;
    if !metadata.is_dir() {
        special(path, &metadata.file_type())?;
        let job = Job::new(backend, options, 1);
        let mut batch = Batch::default();
        let (handle, _) = job.file(path, &mut batch, true)?;
        batch.flush(backend)?;
        return Ok(handle);
    }
    let walk = walk(path, options.leave_out)?;
    let children = read_all(backend, options, &walk)?;
    build_all(backend, &walk, &children)
}

/// What a directory holds, before anything is read.
struct Walk {
    /// Each after the one that contains it; the first is the root.
    directories: Vec<Directory>,
    /// Files and symlinks.
    leaves: Vec<PathBuf>,
}

struct Directory {
    path: PathBuf,
    mode: u16,
    /// Names in order, with what they stand for.
    entries: Vec<(OsString, Found)>,
}

#[derive(Clone, Copy)]
enum Found {
    Directory(usize),
    Leaf(usize),
}

fn permissions(metadata: &Metadata) -> u16 {
    (metadata.mode() & 0o777) as u16
}

fn walk(root: &Path, leave_out: &[PathBuf]) -> Result<Walk, StoreError> {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let left_out: Vec<_> =
        leave_out.iter().filter_map(|path| fs::metadata(path).ok().map(identity)).collect();
    let mut walk = Walk { directories: Vec::new(), leaves: Vec::new() };
    walk.directories.push(Directory { path: root.into(), mode: 0, entries: Vec::new() });
    let mut next = 0;
    while next < walk.directories.len() {
        let path = walk.directories[next].path.clone();
        let metadata = fs::metadata(&path).map_err(StoreError::io("read", &path))?;
        let mut names: Vec<(OsString, FileType)> = Vec::new();
        for entry in fs::read_dir(&path).map_err(StoreError::io("read", &path))? {
            let entry = entry.map_err(StoreError::io("read", &path))?;
            let file_type =
                entry.file_type().map_err(|error| StoreError::io("read", entry.path())(error))?;
            names.push((entry.file_name(), file_type));
        }
        names.sort_unstable_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
        let mut entries = Vec::with_capacity(names.len());
        for (name, file_type) in names {
            let inside = path.join(&name);
            if !file_type.is_dir() {
                if !file_type.is_symlink() {
                    special(&inside, &file_type)?;
                }
                entries.push((name, Found::Leaf(walk.leaves.len())));
                walk.leaves.push(inside);
                continue;
            }
            let left_out = name == locate::NAME
                || (!left_out.is_empty()
                    && fs::metadata(&inside)
                        .is_ok_and(|found| left_out.contains(&identity(found))));
            if !left_out {
                entries.push((name, Found::Directory(walk.directories.len())));
                walk.directories.push(Directory { path: inside, mode: 0, entries: Vec::new() });
            }
        }
        walk.directories[next].mode = permissions(&metadata);
        walk.directories[next].entries = entries;
        next += 1;
    }
    Ok(walk)
}

// Refuses what is neither file nor directory nor symlink.
fn special(path: &Path, file_type: &FileType) -> Result<(), StoreError> {
    let what = if file_type.is_fifo() {
        "fifo"
    } else if file_type.is_socket() {
        "socket"
    } else if file_type.is_block_device() {
        "block device"
    } else if file_type.is_char_device() {
        "character device"
    } else if file_type.is_file() {
        return Ok(());
    } else {
        "file of an unknown kind"
    };
    Err(StoreError::SpecialFile { path: path.into(), what })
}

/// A file or symlink as a directory's entry will have it.
#[derive(Clone, Copy)]
struct Leaf {
    kind: FileKind,
    mode: u16,
    child: Handle,
}

fn read_all(
    backend: &dyn Backend,
    options: &Options<'_>,
    walk: &Walk,
) -> Result<Vec<Option<Leaf>>, StoreError> {
    let job = Job::new(backend, options, walk.leaves.len());
    let threads = options.threads.or_else(|| thread::available_parallelism().ok());
    let threads = threads.map_or(1, NonZero::get).clamp(1, 1 + walk.leaves.len() / 8);
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    // Of several failures the one of the first path, whatever the threads did.
    let failure: Mutex<Option<(usize, StoreError)>> = Mutex::new(None);
    let results: Vec<Mutex<Vec<(usize, Leaf)>>> = (0..threads).map(|_| Mutex::default()).collect();
    let work = |mine: &Mutex<Vec<(usize, Leaf)>>| {
        let mut mine = mine.lock();
        let mut batch = Batch::default();
        let fail = |at: usize, error: StoreError| {
            stop.store(true, Ordering::Relaxed);
            let mut failure = failure.lock();
            if failure.as_ref().is_none_or(|(first, _)| at < *first) {
                *failure = Some((at, error));
            }
        };
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = walk.leaves.get(at) else { break };
            match job.leaf(path, &mut batch) {
                Ok(leaf) => mine.push((at, leaf)),
                Err(error) => return fail(at, error),
            }
        }
        if let Err(error) = batch.flush(backend) {
            fail(usize::MAX, error);
        }
    };
    thread::scope(|scope| {
        for mine in &results[1..] {
            scope.spawn(|| work(mine));
        }
        work(&results[0]);
    });
    if let Some((_, error)) = failure.lock().take() {
        return Err(error);
    }
    let mut leaves = vec![None; walk.leaves.len()];
    for result in &results {
        for (at, leaf) in result.lock().iter() {
            leaves[*at] = Some(*leaf);
        }
    }
    Ok(leaves)
}

fn build_all(
    backend: &dyn Backend,
    walk: &Walk,
    leaves: &[Option<Leaf>],
) -> Result<Handle, StoreError> {
    let mut batch = Batch::default();
    let mut built = vec![Handle::of_u64(0); walk.directories.len()];
    // What is inside comes later in the walk, so it is built first.
    for (at, directory) in walk.directories.iter().enumerate().rev() {
        let fail =
            |source| StoreError::Directory { what: directory.path.display().to_string(), source };
        let mut entries = Vec::with_capacity(directory.entries.len());
        for (name, found) in &directory.entries {
            let name = Name::new(name.as_bytes()).map_err(|error| {
                fail(weft_object::directory::DirectoryError::BadName(entries.len(), error))
            })?;
            let leaf = match *found {
                Found::Leaf(leaf) => leaves[leaf],
                Found::Directory(inside) => Some(Leaf {
                    kind: FileKind::Directory,
                    mode: walk.directories[inside].mode,
                    child: built[inside],
                }),
            };
            let Some(Leaf { kind, mode, child }) = leaf else {
                return Err(StoreError::Changed(
                    directory.path.join(OsStr::from_bytes(name.as_bytes())),
                ));
            };
            entries.push(Entry { name, kind, mode, child });
        }
        let mut parts = Vec::new();
        built[at] = build(entries, |handle, part| {
            parts.push((handle, part));
            Ok(())
        })
        .map_err(fail)?;
        for (handle, part) in parts {
            let content = match part {
                Part::Index(blob) => Content::Blob(blob),
                Part::Node(tree) => Content::Tree(tree),
            };
            batch.push(backend, handle, content)?;
        }
    }
    batch.flush(backend)?;
    Ok(built[0])
}

/// Objects on their way to the backend.
#[derive(Default)]
struct Batch {
    objects: Vec<(Handle, Content)>,
    bytes: u64,
}

impl Batch {
    fn push(
        &mut self,
        backend: &dyn Backend,
        handle: Handle,
        content: Content,
    ) -> Result<(), StoreError> {
        if handle.is_literal() {
            return Ok(());
        }
        self.bytes += content.bytes_len();
        self.objects.push((handle, content));
        match self.bytes >= BATCH_BYTES || self.objects.len() >= BATCH_OBJECTS {
            true => self.flush(backend),
            false => Ok(()),
        }
    }

    fn flush(&mut self, backend: &dyn Backend) -> Result<(), StoreError> {
        backend.put(&self.objects)?;
        self.objects.clear();
        self.bytes = 0;
        Ok(())
    }
}

struct Job<'a> {
    backend: &'a dyn Backend,
    progress: Option<&'a (dyn Fn(Added) + Sync)>,
    files_total: u64,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl<'a> Job<'a> {
    fn new(backend: &'a dyn Backend, options: &Options<'a>, files: usize) -> Self {
        Self {
            backend,
            progress: options.progress,
            files_total: files as u64,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn report(&self, files: u64, bytes: u64) {
        let files = self.files.fetch_add(files, Ordering::Relaxed) + files;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if let Some(progress) = self.progress {
            progress(Added { files, files_total: self.files_total, bytes });
        }
    }

    fn leaf(&self, path: &Path, batch: &mut Batch) -> Result<Leaf, StoreError> {
        let metadata = fs::symlink_metadata(path).map_err(StoreError::io("read", path))?;
        if metadata.is_symlink() {
            let target = fs::read_link(path).map_err(StoreError::io("read", path))?;
            let bytes = target.into_os_string().into_vec();
            self.report(1, bytes.len() as u64);
            let child = Handle::of_blob(&bytes);
            batch.push(self.backend, child, Content::Blob(Blob::new(bytes)))?;
            return Ok(Leaf { kind: FileKind::Symlink, mode: Entry::SYMLINK_MODE, child });
        }
        if metadata.is_dir() {
            return Err(StoreError::Changed(path.into()));
        }
        special(path, &metadata.file_type())?;
        let (child, mode) = self.file(path, batch, false)?;
        Ok(Leaf { kind: FileKind::File, mode, child })
    }

    // A few times over, if somebody writes to it meanwhile.
    fn file(
        &self,
        path: &Path,
        batch: &mut Batch,
        follow: bool,
    ) -> Result<(Handle, u16), StoreError> {
        let read = |error| StoreError::io("read", path)(error);
        for _ in 0..3 {
            let looked = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
            let named = looked.map_err(read)?;
            if !named.is_file() {
                continue;
            }
            let mut file = match open::to_look(path, follow) {
                Ok(file) => file,
                // By now it may be a symlink, which is not to be followed.
                Err(_) if fs::symlink_metadata(path).is_ok_and(|now| !now.is_file()) => continue,
                Err(error) => return Err(read(error)),
            };
            let before = file.metadata().map_err(read)?;
            // Between looking and opening it may have become something else.
            if (named.dev(), named.ino()) != (before.dev(), before.ino()) || !before.is_file() {
                continue;
            }
            let handle = match before.len() {
                0..=HELD_MAX => self.held(&mut file, &before, batch, path)?,
                _ => self.streamed(&mut file, &before, path)?,
            };
            let after = file.metadata().map_err(read)?;
            let Some(handle) = handle.filter(|handle| {
                handle.length() == Some(before.len()) && unchanged(&before, &after)
            }) else {
                continue;
            };
            self.report(1, 0);
            return Ok((handle, permissions(&after)));
        }
        Err(StoreError::Changed(path.into()))
    }

    fn held(
        &self,
        file: &mut File,
        metadata: &Metadata,
        batch: &mut Batch,
        path: &Path,
    ) -> Result<Option<Handle>, StoreError> {
        // One more than expected shows a file that has grown; the limit keeps
        // one that never ends from filling memory.
        let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
        file.take(metadata.len() + 1)
            .read_to_end(&mut bytes)
            .map_err(StoreError::io("read", path))?;
        if bytes.len() as u64 != metadata.len() {
            return Ok(None);
        }
        bytes.shrink_to_fit();
        self.report(0, bytes.len() as u64);
        let handle = Handle::of_blob(&bytes);
        batch.push(self.backend, handle, Content::Blob(Blob::new(bytes)))?;
        Ok(Some(handle))
    }

    // Hashed first, and by all threads at once; only then the backend, which
    // writes one at a time, copies what it does not have.
    fn streamed(
        &self,
        file: &mut File,
        metadata: &Metadata,
        path: &Path,
    ) -> Result<Option<Handle>, StoreError> {
        let read = |error| StoreError::io("read", path)(error);
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 20];
        let mut length = 0;
        loop {
            let part = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(part) => part,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read(error)),
            };
            hasher.update(&buffer[..part]);
            length += part as u64;
            self.report(0, part as u64);
            // Somebody may append as fast as this reads.
            if length > metadata.len() {
                return Ok(None);
            }
        }
        let Some(handle) = Handle::of_blob_digest(hasher.finalize().as_bytes(), length) else {
            return Ok(None);
        };
        file.rewind().map_err(read)?;
        let stored = self.backend.put_stream(&handle, file);
        let stored = stored.map_err(|error| match error {
            StoreError::Io { doing: "read", source, .. } => read(source),
            other => other,
        })?;
        Ok(stored.then_some(handle))
    }
}

fn unchanged(before: &Metadata, after: &Metadata) -> bool {
    let stamp = |metadata: &Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    stamp(before) == stamp(after)
}
