//! Many small files into a store.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use weft_object::Handle;
use weft_store::files::{self, add};
use weft_store::{Backend, FileBackend};

use crate::measure::compare_runs;
use crate::random::Random;
use crate::report::{Report, Unit};
use crate::scratch::{Scratch, bytes_below, file};
use crate::{BenchError, Options};

const NAME: &str = "add_files";
const BASELINE: &str = "hash, one write and sync of the same";

/// Adding a directory, to the return of the sync; beside it what no store can
/// do without: hashing the bytes of each file, which are in memory already, and
/// writing all of them to one file and syncing it. The files are in the page
/// cache.
pub(crate) fn add_files(options: &Options) -> Result<Report, BenchError> {
    let (count, mean_bytes) = options.size.pick((300, 1_000), (100_000, 10_000));
    let runs = options.size.pick(2, 5);
    let scratch = Scratch::new(options)?;
    let from = scratch.join("files");
    let mut random = Random::new(options.seed, NAME);
    let paths = make(&from, count, mean_bytes, &mut random)?;
    let contents: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| fs::read(path).map_err(file(path)))
        .collect::<Result<_, BenchError>>()?;
    let content_bytes: usize = contents.iter().map(Vec::len).sum();
    let store_at = |run: usize| scratch.join(&format!("store-{run}"));
    let mut added = Vec::new();
    let (ours, theirs) = compare_runs(
        runs,
        count,
        |run| {
            let store = FileBackend::create(&store_at(run))?;
            added.push(add(&store, &from, &files::Options::default())?);
            store.sync()?;
            Ok(())
        },
        |_| {
            for content in &contents {
                black_box(blake3::hash(content));
            }
            write_one(&scratch.join("all"), &contents)
        },
    )?;
    let store_bytes = bytes_below(&store_at(0))?;
    let mut checked = 0;
    for (run, directory) in added.iter().enumerate() {
        checked += check(&store_at(run), directory, &paths, &contents)?;
    }
    let report = Report::timed((NAME, "file"), ours, (BASELINE, theirs));
    let ratio = store_bytes as f64 / content_bytes as f64;
    Ok(Report { checked, ..report }.and("store by content", Unit::Ratio, ratio))
}

/// Files of about this length, in directories of a thousand; their paths in
/// order.
fn make(
    root: &Path,
    count: usize,
    mean_bytes: u64,
    random: &mut Random,
) -> Result<Vec<PathBuf>, BenchError> {
    let mut paths = Vec::with_capacity(count);
    let mut bytes = Vec::new();
    for at in 0..count {
        let directory = root.join(format!("d{:03}", at / 1000));
        if at % 1000 == 0 {
            fs::create_dir_all(&directory).map_err(file(&directory))?;
        }
        let length = random.below(2 * mean_bytes) as usize;
        bytes.clear();
        while bytes.len() < length {
            bytes.extend_from_slice(&random.next().to_le_bytes());
        }
        let path = directory.join(format!("f{:03}", at % 1000));
        fs::write(&path, &bytes[..length]).map_err(file(&path))?;
        paths.push(path);
    }
    Ok(paths)
}

fn write_one(path: &Path, contents: &[Vec<u8>]) -> Result<(), BenchError> {
    const BUFFER: usize = 4 << 20;
    let write = || {
        let mut out = File::create(path)?;
        let mut buffer = Vec::with_capacity(2 * BUFFER);
        for content in contents {
            buffer.extend_from_slice(content);
            if buffer.len() >= BUFFER {
                out.write_all(&buffer)?;
                buffer.clear();
            }
        }
        out.write_all(&buffer)?;
        out.sync_data()?;
        fs::remove_file(path)
    };
    write().map_err(file(path))
}

/// Whether a store that is opened anew has all files, under their paths.
fn check(
    store: &Path,
    directory: &Handle,
    paths: &[PathBuf],
    contents: &[Vec<u8>],
) -> Result<usize, BenchError> {
    let wrong = |detail| Err(BenchError::Wrong { bench: NAME, detail });
    let store = FileBackend::open(store, weft_store::Mode::Read)?;
    let source = |handle: &Handle| store.get(handle);
    let mut found = Vec::with_capacity(contents.len());
    for inner in files::list(&source, directory)? {
        found.extend(files::list(&source, &inner.child)?);
    }
    if found.len() != paths.len() {
        return wrong(format!("{} files instead of {}", found.len(), paths.len()));
    }
    for ((entry, path), content) in found.iter().zip(paths).zip(contents) {
        let named = path.file_name().is_some_and(|name| name.as_bytes() == entry.name.as_bytes());
        let same = match entry.child.literal_bytes() {
            Some(bytes) => bytes == content,
            None => store.get(&entry.child)?.is_some_and(|found| {
                found.blob().is_some_and(|blob| blob.bytes() == content.as_slice())
            }),
        };
        if !named || !same {
            return wrong(format!("{} is something else in the store", path.display()));
        }
    }
    Ok(found.len())
}
