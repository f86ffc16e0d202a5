//! Compiled modules on disk.
//!
//! Native code is executed as it is, so a file is used only if this program
//! wrote it, for this module, compiler, target and settings, and it came back
//! bit for bit. That guards against damage, not against someone who can write
//! to the directory: it must belong to the user alone, and must not travel with
//! data (so not in a `.weft/` that people copy).
//!
//! A file is four fields of 32 bytes, then the artifact:
//!
//! | bytes | |
//! |---|---|
//! | 0..32 | `weft artifact 1`, filled with zeros |
//! | 32..64 | Handle of the module |
//! | 64..96 | Handle of what compiler, target and settings hash to |
//! | 96..128 | Handle of the artifact as a Blob: its checksum |

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use weft_object::Handle;

use crate::EngineError;

const MAGIC: &[u8; 32] = b"weft artifact 1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const HEADER: usize = 128;

/// A directory of compiled modules.
#[derive(Debug)]
pub(crate) struct Artifacts {
    dir: PathBuf,
}

impl Artifacts {
    pub(crate) fn open(dir: PathBuf) -> Result<Self, EngineError> {
        let failed = |source| EngineError::Artifacts { dir: dir.clone(), source };
        create(&dir).map_err(failed)?;
        if writable_by_others(&dir).map_err(failed)? {
            return Err(EngineError::ArtifactsShared { dir });
        }
        Ok(Self { dir })
    }

    fn path(&self, module: &Handle, settings: &Handle) -> PathBuf {
        let settings = settings.to_string();
        self.dir.join(format!("{module}-{}", &settings[..16]))
    }

    /// The artifact of a module under some settings, if a sound one is there.
    pub(crate) fn load(&self, module: &Handle, settings: &Handle) -> Option<Vec<u8>> {
        let path = self.path(module, settings);
        if writable_by_others(&path).ok()? {
            return None;
        }
        let mut file = fs::read(path).ok()?;
        let header = file.get(..HEADER)?;
        let named = [&MAGIC[..], module.as_bytes(), settings.as_bytes()].concat();
        let artifact = file.get(HEADER..)?;
        if header[..96] != named || header[96..] != *Handle::of_blob(artifact).as_bytes() {
            return None;
        }
        file.drain(..HEADER);
        Some(file)
    }

    /// Keeps an artifact. Readers see all of it or nothing; where it cannot be
    /// written, the next process compiles again.
    pub(crate) fn store(&self, module: &Handle, settings: &Handle, artifact: &[u8]) {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("tmp-{}-{number}", std::process::id()));
        let written = (|| {
            let mut file = create_file(&temporary)?;
            file.write_all(MAGIC)?;
            file.write_all(module.as_bytes())?;
            file.write_all(settings.as_bytes())?;
            file.write_all(Handle::of_blob(artifact).as_bytes())?;
            file.write_all(artifact)?;
            drop(file);
            fs::rename(&temporary, self.path(module, settings))
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }
}

#[cfg(unix)]
fn create(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn create(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(unix)]
fn create_file(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create_file(path: &Path) -> io::Result<fs::File> {
    fs::File::create_new(path)
}

#[cfg(unix)]
fn writable_by_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata(path)?.mode() & 0o022 != 0)
}

#[cfg(not(unix))]
fn writable_by_others(path: &Path) -> io::Result<bool> {
    fs::metadata(path).map(|_| false)
}
