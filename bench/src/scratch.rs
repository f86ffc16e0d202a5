//! Directories for what benches write.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{BenchError, Options};

/// A new directory, which goes with all that is in it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(options: &Options) -> Result<Self, BenchError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = options.scratch.join(format!("weft-bench-{}-{count}", process::id()));
        fs::create_dir_all(&path).map_err(file(&path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whoever wants the place back finds the directory by its name.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The bytes of all files below a directory.
pub(crate) fn bytes_below(directory: &Path) -> Result<u64, BenchError> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).map_err(file(directory))? {
        let path = entry.map_err(file(directory))?.path();
        let metadata = fs::symlink_metadata(&path).map_err(file(&path))?;
        bytes += if metadata.is_dir() { bytes_below(&path)? } else { metadata.len() };
    }
    Ok(bytes)
}

/// What the operating system says of a file.
pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> BenchError {
    let path = path.to_owned();
    move |error| BenchError::File(path, error)
}
