use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use weft_object::directory::FileKind;
use weft_object::{Handle, Kind};

use super::{Source, list, load_blob};
use crate::StoreError;

/// Writes a Blob as a file, or a directory's Tree with all below it, to a place
/// where nothing is yet. Refs are read through.
///
/// Nothing is overwritten, and nothing written outside of `target`: names
/// cannot leave their directory, every directory is made here, and no symlink
/// is followed. What a failure leaves behind is all under `target`.
///
/// # Errors
/// Something is there already, the handle is neither file nor directory,
/// content is missing, or the operating system refuses.
pub fn get(source: &Source<'_>, handle: &Handle, target: &Path) -> Result<(), StoreError> {
    match handle.kind() {
        Kind::Blob | Kind::BlobRef => write_file(source, handle, target, None),
        Kind::Tree | Kind::TreeRef => write_directory(source, handle, target),
        _ => Err(StoreError::NoFile(*handle)),
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
    let mut file = File::create_new(path).map_err(exists_or("create", path))?;
    file.write_all(blob.bytes()).map_err(StoreError::io("write", path))?;
    if let Some(mode) = mode {
        // After the content: the mode may forbid writing.
        let permissions = Permissions::from_mode(mode.into());
        file.set_permissions(permissions).map_err(StoreError::io("set the mode of", path))?;
    }
    Ok(())
}

fn write_directory(source: &Source<'_>, root: &Handle, target: &Path) -> Result<(), StoreError> {
    // Not before the Tree is known to be a directory.
    list(source, root)?;
    fs::create_dir(target).map_err(exists_or("create", target))?;
    let mut waiting: Vec<(PathBuf, Handle)> = vec![(target.into(), *root)];
    let mut modes: Vec<(PathBuf, u16)> = Vec::new();
    while let Some((directory, handle)) = waiting.pop() {
        for entry in list(source, &handle)? {
            let path = directory.join(OsStr::from_bytes(entry.name.as_bytes()));
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
                    fs::create_dir(&path).map_err(exists_or("create", &path))?;
                    modes.push((path.clone(), entry.mode));
                    waiting.push((path, entry.child));
                }
            }
        }
    }
    // Inner ones first: an outer mode may forbid to go inside.
    for (path, mode) in modes.iter().rev() {
        let permissions = Permissions::from_mode((*mode).into());
        fs::set_permissions(path, permissions)
            .map_err(StoreError::io("set the mode of", path.as_path()))?;
    }
    Ok(())
}
