//! Compiled modules on disk.
//!
//! Native code is executed as it is, so a file is used only if this program
//! wrote it, for this module, compiler, target and settings, and it came back
//! bit for bit. That guards against damage, not against someone who can write
//! to the directory: it and its files must belong to the user alone, which is
//! checked, and it must not travel with data (so not in a `.weft/` that people copy).
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
use std::io::{self, Read, Write};
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
        match trust(&fs::metadata(&dir).map_err(failed)?) {
            Trust::Ours => {}
            Trust::Shared => return Err(EngineError::ArtifactsShared { dir }),
            Trust::Foreign => return Err(EngineError::ArtifactsForeign { dir }),
        }
        Ok(Self { dir })
    }

    fn path(&self, module: &Handle, settings: &Handle) -> PathBuf {
        let settings = settings.to_string();
        self.dir.join(format!("{module}-{}", &settings[..16]))
    }

    /// The artifact of a module under some settings, if a sound one is there.
    pub(crate) fn load(&self, module: &Handle, settings: &Handle) -> Option<Vec<u8>> {
        let mut opened = open_file(&self.path(module, settings)).ok()?;
        // Of what was opened, not of what the name stands for by now.
        let metadata = opened.metadata().ok()?;
        if !metadata.is_file() || trust(&metadata) != Trust::Ours {
            return None;
        }
        let mut file = Vec::new();
        opened.read_to_end(&mut file).ok()?;
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

/// Opens what is no symbolic link; of anything but a file, the opening does not
/// wait for a writer.
#[cfg(unix)]
fn open_file(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn open_file(path: &Path) -> io::Result<fs::File> {
    fs::File::open(path)
}

/// Who can have written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Ours,
    Shared,
    #[cfg_attr(not(unix), expect(dead_code, reason = "files have no owner to compare"))]
    Foreign,
}

#[cfg(unix)]
fn trust(metadata: &fs::Metadata) -> Trust {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: takes nothing, touches no memory and cannot fail.
    // JUSTIFICATION: the standard library does not tell who we are.
    let user = unsafe { libc::geteuid() };
    match (metadata.uid() == user, metadata.mode() & 0o022 == 0) {
        (true, true) => Trust::Ours,
        (true, false) => Trust::Shared,
        (false, _) => Trust::Foreign,
    }
}

#[cfg(not(unix))]
fn trust(_: &fs::Metadata) -> Trust {
    Trust::Ours
}
