//! Compiled modules on disk.
//!
//! Native code is executed as it is, so a file is used only if this program
//! wrote it, for this module, compiler, target and settings, and it came back
//! bit for bit. That guards against damage, not against someone who can write
//! to the directory: it and its files must belong to the user alone, which is
//! checked, and it must not travel with data (so not in a `.weft/` that people copy).
//!
//! Of a module there are two files: the artifact as the compiler gave it, which
//! can be mapped, and its [`Seal`], which says what it is. Neither is written to
//! once it has its name, only replaced: whoever cuts one short that is mapped
//! ends the process that runs it. What all take together is [bounded](bound).

pub(crate) mod bound;
mod seal;
mod turn;

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use weft_object::Handle;

use crate::EngineError;
use crate::compiling::Counts;
use crate::image::write_sparse;
use seal::{Seal, Stamp};
pub(crate) use turn::Turn;

/// A directory of compiled modules.
#[derive(Debug)]
pub(crate) struct Artifacts {
    dir: PathBuf,
    max_bytes: u64,
}

/// A sound artifact.
pub(crate) struct Artifact {
    pub(crate) code: fs::File,
    /// What the module was found to be when it was compiled.
    pub(crate) about: Vec<u8>,
}

// Below this, reading it all is no matter; clang's has two hundred times as much.
const STAMPED_MIN_BYTES: u64 = 1 << 20;

impl Artifacts {
    pub(crate) fn open(dir: PathBuf, max_bytes: u64) -> Result<Self, EngineError> {
        let failed = |source| EngineError::Artifacts { dir: dir.clone(), source };
        create(&dir).map_err(failed)?;
        match trust(&fs::metadata(&dir).map_err(failed)?) {
            Trust::Ours => {}
            Trust::Shared => return Err(EngineError::ArtifactsShared { dir }),
            Trust::Foreign => return Err(EngineError::ArtifactsForeign { dir }),
        }
        Ok(Self { dir, max_bytes })
    }

    fn path(&self, module: &Handle, settings: &Handle, suffix: &str) -> PathBuf {
        let settings = settings.to_string();
        self.dir.join(format!("{module}-{}{suffix}", &settings[..16]))
    }

    /// The artifact of a module under some settings, if a sound one is there.
    pub(crate) fn load(&self, module: &Handle, settings: &Handle) -> Option<Artifact> {
        let sealed = self.path(module, settings, ".seal");
        let mut file = open_ours(&sealed)?;
        let mut bytes = Vec::new();
        // Longer ones are none.
        (&mut file).take(Seal::MAX_BYTES).read_to_end(&mut bytes).ok()?;
        let seal = Seal::decode(&bytes, module, settings)?;
        let mut code = open_ours(&self.path(module, settings, ""))?;
        let stamp = Stamp::of(&code.metadata().ok()?);
        let sealed_at = Stamp::of(&file.metadata().ok()?);
        let is_known =
            seal.stamp.is_some_and(|seen| seen == stamp && seen.is_older_than(&sealed_at));
        // Of no other: that moves the time of the seal's change on, and what is older than
        // the seal is what counts as known.
        if is_known || seal.stamp.is_none() {
            bound::note_used(&file);
        }
        if !is_known {
            let mut artifact = Vec::new();
            code.read_to_end(&mut artifact).ok()?;
            if Handle::of_blob(&artifact) != seal.checksum {
                return None;
            }
            // It may not be on the disk yet.
            if stamp.length >= STAMPED_MIN_BYTES && code.sync_data().is_ok() {
                self.write(&sealed, &Seal { stamp: Some(stamp), ..seal.clone() }.encode());
            }
        }
        Some(Artifact { code, about: seal.about })
    }

    /// Keeps an artifact. Readers see all of it or nothing; where it cannot be
    /// written, the next process compiles again.
    pub(crate) fn store(&self, module: &Handle, settings: &Handle, artifact: &[u8], about: &[u8]) {
        let seal = Seal {
            module: *module,
            settings: *settings,
            checksum: Handle::of_blob(artifact),
            stamp: None,
            about: about.to_vec(),
        };
        if self.write(&self.path(module, settings, ""), artifact) {
            self.seal(&seal, artifact);
        }
    }

    /// Keeps the pages of an image.
    pub(crate) fn store_pages(&self, image: &Handle, pages: &[u8]) {
        self.keep(image, PAGES, pages, |file| write_sparse(file, pages));
    }

    /// The pages of an image, if they were kept and are sound.
    pub(crate) fn load_pages(&self, image: &Handle) -> Option<fs::File> {
        self.load(image, &Handle::of_blob(PAGES)).map(|artifact| artifact.code)
    }

    /// Keeps what is known of an image's pages.
    pub(crate) fn store_touched(&self, image: &Handle, touched: &[u8]) {
        self.keep(image, TOUCHED, touched, |mut file| file.write_all(touched));
    }

    /// What was kept of that.
    pub(crate) fn load_touched(&self, image: &Handle) -> Option<Vec<u8>> {
        let mut file = self.load(image, &Handle::of_blob(TOUCHED))?.code;
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).ok()?;
        Some(bytes)
    }

    fn keep(
        &self,
        image: &Handle,
        what: &[u8],
        bytes: &[u8],
        write: impl FnOnce(&fs::File) -> io::Result<()>,
    ) {
        let (settings, checksum) = (Handle::of_blob(what), Handle::of_blob(bytes));
        let seal = Seal { module: *image, settings, checksum, stamp: None, about: Vec::new() };
        if self.write_with(&self.path(image, &settings, ""), write) {
            self.seal(&seal, bytes);
        }
    }

    /// Says what is sound that was just written.
    fn seal(&self, seal: &Seal, artifact: &[u8]) {
        let sealed = seal.encode();
        self.write(&self.path(&seal.module, &seal.settings, ".seal"), &sealed);
        bound::wrote(&self.dir, [artifact.len(), sealed.len()], self.max_bytes);
    }

    /// Waits until no other process compiles this module, as far as one can
    /// tell; nobody else does until what is returned is dropped.
    pub(crate) fn turn(
        &self,
        module: &Handle,
        settings: &Handle,
        compiling: &Counts,
    ) -> Option<Turn> {
        Turn::wait(self.path(module, settings, ".lock"), compiling)
    }

    /// Whether it could be written, whole.
    fn write(&self, path: &Path, bytes: &[u8]) -> bool {
        self.write_with(path, |mut file| file.write_all(bytes))
    }

    fn write_with(&self, path: &Path, write: impl FnOnce(&fs::File) -> io::Result<()>) -> bool {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join(format!("tmp-{}-{number}", std::process::id()));
        let written = (|| {
            let file = create_file(&temporary)?;
            write(&file)?;
            drop(file);
            fs::rename(&temporary, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.is_ok()
    }
}

/// Under which settings images are kept: they depend on no compiler.
const PAGES: &[u8] = b"the pages of an image, as they are in memory, 1";
const TOUCHED: &[u8] = b"what runs from an image write first, 1";

/// A file of the user alone.
fn open_ours(path: &Path) -> Option<fs::File> {
    let file = open_file(path).ok()?;
    // Of what was opened, not of what the name stands for by now.
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && trust(&metadata) == Trust::Ours).then_some(file)
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
fn create_or_open(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)
}

#[cfg(not(unix))]
fn create_or_open(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)
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
