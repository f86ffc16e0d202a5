//! The store that a command works on, and what else a node needs of the machine.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use weft_node::{Node, Stat};
use weft_object::Handle;
use weft_store::files::{self, Added, Options, Stamps};
use weft_store::socket::Fact;
use weft_store::{Backend, Mode, SharedBackend, StoreError, Writing, locate};

use crate::commands::pin;
use crate::exit::{Code, Exit};
use crate::progress;
use crate::terminal::Terminal;
use crate::units::{count, counted, parse_size, size};

/// A store that is open: by this process, or through the one that holds it.
pub(crate) struct Place {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) mode: Mode,
    shared: Arc<SharedBackend>,
    /// What is known of this user's files, unless there is no place for it.
    stamps: Option<Arc<Stamps>>,
    terminal: Terminal,
    held: Held,
}

impl Place {
    /// The store of this process.
    pub(crate) fn open(mode: Mode, terminal: Terminal) -> Result<Self, Exit> {
        Self::open_at(&located()?, mode, terminal)
    }

    pub(crate) fn open_at(directory: &Path, mode: Mode, terminal: Terminal) -> Result<Self, Exit> {
        remember(directory);
        let shared = Arc::new(SharedBackend::open(directory, mode)?);
        shared.on_trouble(move |trouble| terminal.say("warning", &trouble.to_string()));
        let damage = shared.damage();
        let lost: u64 = damage.iter().map(|damage| damage.length).sum();
        if let Some(first) = damage.first() {
            let text = format!(
                "{} is damaged from offset {}, {} in all; the rest is used, see `weft fsck`",
                first.path.display(),
                first.offset,
                size(lost)
            );
            terminal.say("warning", &text);
        }
        let stamps = cache().map(|cache| Arc::new(Stamps::open(&cache.join("stamps"))));
        stamps.iter().for_each(|stamps| shared.rely_on(stamps.clone()));
        let held = Held { backend: shared.clone(), handles: Mutex::default() };
        Ok(Self { backend: shared.clone(), mode, shared, stamps, terminal, held })
    }

    /// The directory that holds the store.
    pub(crate) fn directory(&self) -> &Path {
        self.shared.directory()
    }

    /// Keeps what a handle reaches from being collected as long as this is open.
    pub(crate) fn hold(&self, handle: &Handle) {
        self.backend.hold(handle);
        self.held.handles.lock().unwrap_or_else(PoisonError::into_inner).push(*handle);
    }

    /// What the process that holds the store tells of itself, if there is one.
    pub(crate) fn holder(&self) -> Result<Option<Vec<Fact>>, Exit> {
        Ok(self.shared.holder()?)
    }

    /// Lets other processes ask what a node is doing here, until what is
    /// returned is dropped.
    pub(crate) fn telling(&self, node: &Arc<Node>) -> Telling {
        let telling = Telling(Arc::new(Mutex::new(Some(node.clone()))));
        let slot = telling.0.clone();
        self.shared.tell(move || {
            // Under the lock, so that the last to have the node is its owner.
            let node = slot.lock().unwrap_or_else(PoisonError::into_inner);
            node.as_ref().map(|node| facts(&node.stat())).unwrap_or_default()
        });
        telling
    }

    /// Adds a file, or a directory with all below it, and syncs.
    pub(crate) fn add(&self, path: &Path) -> Result<(Handle, Added), Exit> {
        let added = self.put(path)?;
        self.backend.sync()?;
        Ok(added)
    }

    /// The same for a computation, with which it will be synced: nobody is told
    /// of it before.
    pub(crate) fn put(&self, path: &Path) -> Result<(Handle, Added), Exit> {
        self.put_without(path, &[], &[])
    }

    /// The same, of a directory without these directories in it, and without
    /// what has one of these names.
    pub(crate) fn put_without(
        &self,
        path: &Path,
        directories: &[PathBuf],
        names: &[&str],
    ) -> Result<(Handle, Added), Exit> {
        let so_far = SoFar::default();
        let tell = |added: Added| so_far.set(added);
        let leave_out = [directories, &[self.directory().to_owned()]].concat();
        let stamps = self.stamps.as_deref();
        let options = Options {
            leave_out: &leave_out,
            leave_out_names: names,
            stamps,
            progress: Some(&tell),
            ..Options::default()
        };
        let line = |elapsed| {
            let added = so_far.get();
            let files = match added.files_total {
                0 => counted(added.files, "file"),
                total => format!("{} of {}", count(added.files), counted(total, "file")),
            };
            let (bytes, rate) = (size(added.bytes), progress::rate(added.bytes, elapsed));
            let path = path.display();
            vec![
                format!("adding {path}: {files}, {bytes}, {rate}"),
                format!("adding {files}, {bytes}, {rate}"),
                format!("{files}, {bytes}"),
                bytes,
            ]
        };
        let handle = progress::during(self.terminal, line, || -> Result<Handle, Exit> {
            // Nobody collects what was put before it is pinned.
            let writing = Writing::begin(&*self.backend)?;
            let handle = files::add(&*self.backend, path, &options)?;
            pin::lease(&*self.backend, &[handle])?;
            drop(writing);
            Ok(handle)
        })?;
        self.keep_stamps();
        Ok((handle, so_far.get()))
    }

    /// Whether a file holds a Blob that the store has. It is read only if that is
    /// not known.
    pub(crate) fn holds(&self, path: &Path, blob: &Handle) -> Result<bool, Exit> {
        let found = fs::symlink_metadata(path).ok();
        if found.is_none_or(|found| !found.is_file() || Some(found.len()) != blob.length()) {
            return Ok(false);
        }
        let options = Options { stamps: self.stamps.as_deref(), ..Options::default() };
        Ok(files::add(&*self.backend, path, &options)? == blob.content())
    }

    /// If they cannot be written, all is read again; nothing else is lost.
    fn keep_stamps(&self) {
        self.stamps.iter().for_each(|stamps| _ = stamps.keep());
    }
}

impl Drop for Place {
    /// The large files of the store that were read since.
    fn drop(&mut self) {
        self.keep_stamps();
    }
}

/// See [`Place::hold`].
struct Held {
    backend: Arc<dyn Backend>,
    handles: Mutex<Vec<Handle>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        handles.iter().for_each(|handle| self.backend.release(handle));
    }
}

/// See [`Place::telling`].
pub(crate) struct Telling(Arc<Mutex<Option<Arc<Node>>>>);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn facts(stat: &Stat) -> Vec<Fact> {
    vec![
        Fact::new("running", stat.running),
        Fact::new("waiting", stat.waiting),
        Fact::new("applied", stat.applied),
        Fact::new("hits", stat.hits),
        Fact::new("memory_bytes", stat.memory_bytes),
    ]
}

pub(crate) fn here() -> Result<PathBuf, Exit> {
    env::current_dir()
        .map_err(|error| Exit::other(format!("cannot find the working directory: {error}")))
}

/// What `WEFT_DIR` names.
pub(crate) fn named(here: &Path) -> Option<PathBuf> {
    let named = env::var_os(locate::VARIABLE).filter(|named| !named.is_empty());
    named.map(|named| here.join(named))
}

/// The store in a directory that `WEFT_DIR` names: it, or its `.weft`, for that
/// is easily left out.
pub(crate) fn of_named(named: &Path) -> Result<Option<PathBuf>, Exit> {
    for directory in [named.to_owned(), named.join(locate::NAME)] {
        if is_store(&directory)? {
            return Ok(Some(directory));
        }
    }
    Ok(None)
}

/// As [`locate::locate`], in words that fit what was asked for.
pub(crate) fn located() -> Result<PathBuf, Exit> {
    let here = here()?;
    if let Some(named) = named(&here) {
        return of_named(&named)?.ok_or_else(|| {
            let text = format!(
                "there is no store in {}, which WEFT_DIR names; make one with `weft init`, or name \
                 another",
                named.display()
            );
            Exit::new(Code::Store, text)
        });
    }
    for above in here.ancestors() {
        let directory = above.join(locate::NAME);
        if is_store(&directory)? {
            return Ok(directory);
        }
    }
    Err(StoreError::NoStore(here).into())
}

/// One that is there and cannot be looked into is not passed by for another,
/// nor one that has lost its first file.
fn is_store(directory: &Path) -> Result<bool, Exit> {
    match fs::metadata(directory.join("store")) {
        Ok(_) => Ok(true),
        Err(_) if directory.join("packs").is_dir() => Ok(true),
        Err(error) => {
            let closed = error.kind() == ErrorKind::PermissionDenied;
            if closed && fs::symlink_metadata(directory).is_ok() {
                let text = format!(
                    "no permission to look into {}; `chmod u+rwx` it if it is yours, or name \
                     another store in WEFT_DIR",
                    directory.display()
                );
                return Err(Exit::new(Code::Store, text));
            }
            Ok(false)
        }
    }
}

static STORE: OnceLock<PathBuf> = OnceLock::new();

/// Which directory is the store's, so that an error about a file of it is told
/// from one about a file of the user.
pub(crate) fn remember(directory: &Path) {
    let _ = STORE.set(directory.to_owned());
}

/// Whether a file is the store's.
pub(crate) fn is_of_store(path: &Path) -> bool {
    STORE.get().is_some_and(|directory| path.starts_with(directory))
}

/// An [`Added`] that threads share. The most that was told counts: the tellers
/// may overtake each other.
#[derive(Debug, Default)]
struct SoFar {
    files: AtomicU64,
    total: AtomicU64,
    bytes: AtomicU64,
}

impl SoFar {
    fn set(&self, added: Added) {
        self.files.fetch_max(added.files, Ordering::Relaxed);
        self.total.fetch_max(added.files_total, Ordering::Relaxed);
        self.bytes.fetch_max(added.bytes, Ordering::Relaxed);
    }

    fn get(&self) -> Added {
        Added {
            files: self.files.load(Ordering::Relaxed),
            files_total: self.total.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// What says how much compiled modules and the pages of images may take.
pub(crate) const CACHE_MAX: &str = "WEFT_CACHE_MAX";

/// What it says, if anything; or what is wrong with it.
pub(crate) fn cache_max() -> Result<Option<u64>, String> {
    let Some(named) = env::var_os(CACHE_MAX).filter(|named| !named.is_empty()) else {
        return Ok(None);
    };
    let text = named.to_string_lossy();
    let size = parse_size(&text);
    size.map(Some).map_err(|what| format!("{CACHE_MAX} is {text}, which is not heeded: {what}"))
}

/// Where compiled modules and the pages of images are kept.
pub(crate) fn artifacts() -> Option<PathBuf> {
    Some(cache()?.join("artifacts"))
}

/// This user's directory for what can be made again. Compiled modules are kept
/// there and not in the store: a store may be copied from somebody else, and
/// native code is run as it is.
pub(crate) fn cache() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("weft"))
}
