mod chunk;
mod leaf;
mod stream;
mod tree;
mod walk;

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use weft_object::Handle;

pub use self::stream::add_stream;

use self::chunk::Chunk;
use self::leaf::{Job, Leaf};
use self::walk::Walk;
use super::stamps::Stamps;
use crate::sync::Mutex;
use crate::{Backend, StoreError, Writing};

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
    /// Names of what is left out wherever it stands.
    pub leave_out_names: &'a [&'a str],
    /// What is known of files that need not be read again.
    pub stamps: Option<&'a Stamps>,
    /// Called now and then, from any of the threads.
    pub progress: Option<&'a (dyn Fn(Added) + Sync)>,
}

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
    // What is here already is not written again, and has to stay until the Tree
    // that has it is here as well.
    let _writing = Writing::begin(backend)?;
    if !metadata.is_dir() {
        walk::special(path, &metadata.file_type())?;
        let job = Job::new(backend, options, 1);
        let mut chunk = Chunk::for_one(metadata.len());
        let leaf = job.leaf(path, &mut chunk, true)?;
        chunk.flush(backend)?;
        return Ok(leaf.child);
    }
    let walk = walk::walk(path, options)?;
    let leaves = read_all(backend, options, &walk)?;
    tree::build_all(backend, &walk, &leaves)
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
        let mut chunk = Chunk::new();
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
            match job.leaf(path, &mut chunk, false) {
                Ok(leaf) => mine.push((at, leaf)),
                Err(error) => return fail(at, error),
            }
        }
        if let Err(error) = chunk.flush(backend) {
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
