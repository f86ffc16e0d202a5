//! A large Blob, read for the first time in a process and again.

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;

use weft_object::Handle;
use weft_store::{Backend, FileBackend, Mode};

use crate::measure::{Timing, compare_runs};
use crate::plain::Plain;
use crate::random::Random;
use crate::report::Report;
use crate::scratch::{Scratch, file};
use crate::{BenchError, Options};

/// A Blob in a store, and the same bytes in a file beside it. Both are in the
/// page cache.
struct Large {
    _scratch: Scratch,
    store: PathBuf,
    beside: PathBuf,
    handle: Handle,
    mebibytes: usize,
    sum: u64,
}

impl Large {
    fn new(options: &Options, name: &'static str) -> Result<Self, BenchError> {
        let mebibytes = options.size.pick(3, 512);
        let scratch = Scratch::new(options)?;
        let (store, beside) = (scratch.join("store"), scratch.join("beside"));
        let mut random = Random::new(options.seed, name);
        let bytes: Vec<u8> =
            (0..mebibytes << 17).flat_map(|_| random.next().to_le_bytes()).collect();
        fs::write(&beside, &bytes).map_err(file(&beside))?;
        let handle = Handle::of_blob(&bytes);
        let backend = FileBackend::create(&store)?;
        if !backend.put_stream(&handle, &mut bytes.as_slice())? {
            return Err(BenchError::Wrong { bench: name, detail: "a blob is another".to_owned() });
        }
        backend.sync()?;
        Ok(Self { _scratch: scratch, store, beside, handle, mebibytes, sum: sum(&bytes) })
    }

    fn read(&self, bench: &'static str, backend: &FileBackend) -> Result<(), BenchError> {
        let content = backend.get(&self.handle)?;
        match content.as_ref().and_then(|content| content.blob()) {
            Some(blob) if sum(blob.bytes()) == self.sum => Ok(()),
            other => Err(BenchError::Wrong { bench, detail: format!("found {other:?}") }),
        }
    }

    fn map(&self) -> Result<Plain, BenchError> {
        Plain::map(&self.beside).map_err(file(&self.beside))
    }

    fn report(
        &self,
        name: &'static str,
        (ours, theirs): (Timing, Timing),
        what: &'static str,
    ) -> Report {
        Report { checked: 1, ..Report::timed((name, "MiB"), ours, (what, theirs)) }
    }
}

/// The first read in a process, which verifies it; beside it hashing the bytes
/// of a plain mapping.
pub(crate) fn first_read(options: &Options) -> Result<Report, BenchError> {
    const NAME: &str = "large_first_read";
    let large = Large::new(options, NAME)?;
    large.read(NAME, &FileBackend::open(&large.store, Mode::Read)?)?;
    let times = compare_runs(
        options.size.pick(2, 9),
        large.mebibytes,
        |_| {
            // What a new process knows: nothing of this file.
            let backend = FileBackend::open(&large.store, Mode::Read)?;
            black_box(backend.get(&large.handle)?);
            Ok(())
        },
        |_| {
            black_box(blake3::hash(large.map()?.bytes()));
            Ok(())
        },
    )?;
    Ok(large.report(NAME, times, "BLAKE3 of a plain mapping"))
}

/// A later read of all bytes; beside it the same of a plain mapping that was
/// made and read before.
pub(crate) fn again(options: &Options) -> Result<Report, BenchError> {
    const NAME: &str = "large_again";
    let large = Large::new(options, NAME)?;
    let backend = FileBackend::open(&large.store, Mode::Read)?;
    large.read(NAME, &backend)?;
    let plain = large.map()?;
    let is_the_same = || sum(plain.bytes()) == large.sum;
    is_the_same();
    let times = compare_runs(
        options.size.pick(2, 25),
        large.mebibytes,
        |_| large.read(NAME, &backend),
        |_| match is_the_same() {
            true => Ok(()),
            false => {
                let detail = "another sum of the file beside".to_owned();
                Err(BenchError::Wrong { bench: NAME, detail })
            }
        },
    )?;
    Ok(large.report(NAME, times, "plain mmap"))
}

/// Reads every byte, as fast as memory gives them.
fn sum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8).map(|word| {
        let mut raw = [0; 8];
        raw.copy_from_slice(word);
        u64::from_le_bytes(raw)
    });
    words.fold(0, u64::wrapping_add)
}
