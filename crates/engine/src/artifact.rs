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
            if checksum(&mut code, stamp.length).ok()? != seal.checksum {
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
            self.seal(&seal, artifact.len());
        }
    }

    /// A file to write to, which nobody else looks for; it goes unless it is kept.
    pub(crate) fn begin(&self) -> io::Result<Begun> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = self.dir.join(format!("tmp-{}-{number}", std::process::id()));
        Ok(Begun { file: create_file(&path)?, path, is_named: false })
    }

    /// Keeps the pages of an image, which have been written.
    pub(crate) fn keep_pages(&self, image: &Handle, written: Begun, checksum: Handle) {
        self.keep(image, PAGES, written, checksum);
    }

    /// The pages of an image, if they were kept and are sound.
    pub(crate) fn load_pages(&self, image: &Handle) -> Option<fs::File> {
        self.load(image, &Handle::of_blob(PAGES)).map(|artifact| artifact.code)
    }

    /// Keeps what is known of an image's pages.
    pub(crate) fn store_touched(&self, image: &Handle, touched: &[u8]) {
        let Ok(mut begun) = self.begin() else { return };
        if begun.file.write_all(touched).is_ok() {
            self.keep(image, TOUCHED, begun, Handle::of_blob(touched));
        }
    }

    /// What was kept of that.
    pub(crate) fn load_touched(&self, image: &Handle) -> Option<Vec<u8>> {
        let mut file = self.load(image, &Handle::of_blob(TOUCHED))?.code;
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).ok()?;
        Some(bytes)
    }

    fn keep(&self, image: &Handle, what: &[u8], begun: Begun, checksum: Handle) {
        let settings = Handle::of_blob(what);
        let seal = Seal { module: *image, settings, checksum, stamp: None, about: Vec::new() };
        let length = begun.file.metadata().map_or(0, |found| found.len());
        if begun.end(&self.path(image, &settings, "")) {
            self.seal(&seal, length as usize);
        }
    }

    /// Says what is sound that was just written.
    fn seal(&self, seal: &Seal, artifact_bytes: usize) {
        let sealed = seal.encode();
        self.write(&self.path(&seal.module, &seal.settings, ".seal"), &sealed);
        bound::wrote(&self.dir, [artifact_bytes, sealed.len()], self.max_bytes);
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
        let Ok(mut begun) = self.begin() else { return false };
        begun.file.write_all(bytes).is_ok() && begun.end(path)
    }
}

/// A file that is being written.
pub(crate) struct Begun {
    pub(crate) file: fs::File,
    path: PathBuf,
    is_named: bool,
}

impl Begun {
    /// Gives it its name; whether that could be done.
    fn end(mut self, path: &Path) -> bool {
        self.is_named = fs::rename(&self.path, path).is_ok();
        self.is_named
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if !self.is_named {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What a file holds, as a Blob; it is not in memory all at once.
fn checksum(file: &mut fs::File, length: u64) -> io::Result<Handle> {
    let mut part = vec![0; PART_BYTES.min(length as usize + 1)];
    let mut checksum = Checksum::default();
    loop {
        match file.read(&mut part)? {
            0 => return Ok(checksum.end()),
            read => checksum.add(&part[..read]),
        }
    }
}

const PART_BYTES: usize = 1 << 20;

/// The name of a Blob whose bytes come one part after the other.
#[derive(Default)]
pub(crate) struct Checksum {
    hasher: blake3::Hasher,
    /// All of it, as far as it may be a literal.
    first: Vec<u8>,
}

impl Checksum {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let room = (Handle::LITERAL_MAX + 1).saturating_sub(self.first.len());
        self.first.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.hasher.update(bytes);
    }

    pub(crate) fn end(self) -> Handle {
        let digest = self.hasher.finalize();
        let hashed = Handle::of_blob_digest(digest.as_bytes(), self.hasher.count());
        hashed.unwrap_or_else(|| Handle::of_blob(&self.first))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_all_at_once() {
        for length in [0, 1, 29, 30, 31, 32, 4096, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            for part in [1, 7, 31, 4096] {
                let mut checksum = Checksum::default();
                bytes.chunks(part).for_each(|part| checksum.add(part));
                assert_eq!(checksum.end(), Handle::of_blob(&bytes), "{length} by {part}");
            }
        }
    }
}
