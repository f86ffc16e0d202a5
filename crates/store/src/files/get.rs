use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use weft_object::directory::FileKind;
use weft_object::{Handle, Kind};

use super::{Source, list, load_blob};
use crate::{StoreError, open};

/// How much a `get` may write.
///
/// A directory that holds another under many names, and so on inside, comes out
/// of a few stored objects as more files than any disk takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetOptions {
    /// Files, symlinks and directories.
    pub entries_max: u64,
    /// Bytes of files.
    pub bytes_max: u64,
}

impl Default for GetOptions {
    /// Ten million entries and 1 TiB: more than a directory has that somebody
    /// works with.
    fn default() -> Self {
        Self { entries_max: 10_000_000, bytes_max: 1 << 40 }
    }
}

/// Like [`get_with`], with the default options.
///
/// # Errors
/// As of [`get_with`].
pub fn get(source: &Source<'_>, handle: &Handle, target: &Path) -> Result<(), StoreError> {
    get_with(source, handle, target, &GetOptions::default())
}

/// Writes a Blob as a file, or a directory's Tree with all below it, to a place
/// where nothing is yet. Refs are read through.
///
/// Nothing is overwritten, and nothing written outside of `target`: names
/// cannot leave their directory, every directory is made here, and no symlink
/// is followed. What a failure leaves behind is all under `target`. What has a
/// mode is open to nobody else until it is complete and gets that mode.
///
/// Holds one Blob at a time in memory, whole.
///
/// # Errors
/// Something is there already, the handle is neither file nor directory,
/// content is missing, there is more of it than the options allow, or the
/// operating system refuses.
pub fn get_with(
    source: &Source<'_>,
    handle: &Handle,
    target: &Path,
    options: &GetOptions,
) -> Result<(), StoreError> {
    let mut room = Room { options, entries: 0, bytes: 0 };
    match handle.kind() {
        Kind::Blob | Kind::BlobRef => {
            room.take(handle, target)?;
            write_file(source, handle, target, None)
        }
        Kind::Tree | Kind::TreeRef => write_directory(source, handle, target, &mut room),
        _ => Err(StoreError::NoFile(*handle)),
    }
}

/// What was written so far.
struct Room<'a> {
    options: &'a GetOptions,
    entries: u64,
    bytes: u64,
}

impl Room<'_> {
    // Before any of it is loaded.
    fn take(&mut self, child: &Handle, path: &Path) -> Result<(), StoreError> {
        self.entries += 1;
        if let Kind::Blob | Kind::BlobRef = child.kind() {
            self.bytes = self.bytes.saturating_add(child.length().unwrap_or(0));
        }
        let GetOptions { entries_max, bytes_max } = *self.options;
        let (what, limit, max) = if self.entries > entries_max {
            ("entries", "entries_max", entries_max)
        } else if self.bytes > bytes_max {
            ("bytes", "bytes_max", bytes_max)
        } else {
            return Ok(());
        };
        Err(StoreError::TooMuch { path: path.into(), what, limit, max })
    }
}

fn exists_or<'a>(
    doing: &'static str,
    path: &'a Path,
) -> impl FnOnce(std::io::Error) -> StoreError + 'a {
    move |error| match error.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists(path.into()),
        _ => StoreError::io(doing, path)(error),
    }
}

fn write_file(
    source: &Source<'_>,
    handle: &Handle,
    path: &Path,
    mode: Option<u16>,
) -> Result<(), StoreError> {
    let blob = load_blob(source, handle)?;
    // As any new file, unless it is to have a mode, which may be stricter.
    let first = if mode.is_some() { 0o600 } else { 0o666 };
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(first).open(path);
    let mut file = file.map_err(exists_or("create", path))?;
    file.write_all(blob.bytes()).map_err(StoreError::io("write", path))?;
    if let Some(mode) = mode {
        // After the content: the mode may forbid writing.
        let permissions = Permissions::from_mode(mode.into());
        file.set_permissions(permissions).map_err(StoreError::io("set the mode of", path))?;
    }
    Ok(())
}

fn write_directory(
    source: &Source<'_>,
    root: &Handle,
    target: &Path,
    room: &mut Room<'_>,
) -> Result<(), StoreError> {
    // Not before the Tree is known to be a directory.
    list(source, root)?;
    fs::create_dir(target).map_err(exists_or("create", target))?;
    let mut waiting: Vec<(PathBuf, Handle)> = vec![(target.into(), *root)];
    let mut modes: Vec<(PathBuf, u16)> = Vec::new();
    while let Some((directory, handle)) = waiting.pop() {
        for entry in list(source, &handle)? {
            let path = directory.join(OsStr::from_bytes(entry.name.as_bytes()));
            room.take(&entry.child, &path)?;
            match entry.kind {
                FileKind::File => write_file(source, &entry.child, &path, Some(entry.mode))?,
                FileKind::Symlink => {
                    let link = load_blob(source, &entry.child)?;
                    let bytes = link.bytes();
                    if bytes.is_empty() || bytes.contains(&0) {
                        return Err(StoreError::LinkTarget(path));
                    }
                    symlink(OsStr::from_bytes(bytes), &path).map_err(exists_or("create", &path))?;
                }
                FileKind::Directory => {
                    let made = DirBuilder::new().mode(0o700).create(&path);
                    made.map_err(exists_or("create", &path))?;
                    modes.push((path.clone(), entry.mode));
                    waiting.push((path, entry.child));
                }
            }
        }
    }
    // Inner ones first: an outer mode may forbid to go inside.
    for (path, mode) in modes.iter().rev() {
        let permissions = Permissions::from_mode((*mode).into());
        open::directory(path)
            .and_then(|directory| directory.set_permissions(permissions))
            .map_err(StoreError::io("set the mode of", path.as_path()))?;
    }
    Ok(())
}
