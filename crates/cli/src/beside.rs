//! Files and directories that are there in full or not at all: made beside
//! their place under another name, moved there at the end, and gone on failure.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use weft_store::{StoreError, locate};

/// Has `make` make what is to be at `target`, where nothing may be.
pub(crate) fn complete(
    target: &Path,
    make: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(StoreError::Exists(target.into()));
    }
    let beside = beside(target).map_err(failed("create", target))?;
    let made = beside.path().join("new");
    make(&made).map_err(|error| of_target(error, &made, target))?;
    place(&made, target).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory => {
            StoreError::Exists(target.into())
        }
        _ => failed("create", target)(error),
    })
}

/// Has `make` make the file that is to be at `target`, in the place of one that
/// may be there.
pub(crate) fn replaced(
    target: &Path,
    make: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let beside = beside(target).map_err(failed("create", target))?;
    let made = beside.path().join("new");
    make(&made).map_err(|error| of_target(error, &made, target))?;
    fs::rename(&made, target).map_err(failed("replace", target))
}

/// Makes a store in `directory`, or finds the one there. Whether it is new.
pub(crate) fn store(directory: &Path) -> Result<bool, StoreError> {
    let file = directory.join("store");
    if fs::symlink_metadata(&file).is_ok() {
        return locate::init(directory);
    }
    if fs::symlink_metadata(directory).is_ok() {
        // Something is there that is not ours to move.
        let before = names(directory);
        let made = locate::init(directory);
        // That file is made last: without it nobody has a store here.
        if let Err(StoreError::Io { .. }) = made
            && fs::symlink_metadata(&file).is_err()
        {
            names(directory).difference(&before).for_each(|name| remove(&directory.join(name)));
        }
        return made;
    }
    let parent = parent(directory);
    let new_parent = fs::symlink_metadata(parent).is_err();
    fs::create_dir_all(parent).map_err(failed("create", parent))?;
    let made = moved_store(directory);
    if made.is_err() && new_parent {
        let _ = fs::remove_dir(parent);
    }
    made
}

fn names(directory: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

fn remove(path: &Path) {
    let _ = match fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
}

fn moved_store(directory: &Path) -> Result<bool, StoreError> {
    let beside = beside(directory).map_err(failed("create", directory))?;
    let made = beside.path().join("new");
    locate::init(&made).map_err(|error| of_target(error, &made, directory))?;
    match fs::rename(&made, directory) {
        Ok(()) => {
            let synced = fs::File::open(parent(directory)).and_then(|parent| parent.sync_all());
            synced.map_err(failed("sync", directory))?;
            Ok(true)
        }
        // Somebody else was faster.
        Err(_) if fs::symlink_metadata(directory.join("store")).is_ok() => locate::init(directory),
        Err(error) => Err(failed("create", directory)(error)),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(target: &Path) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(".weft-new-").tempdir_in(parent(target))
}

/// Moves without replacing: a link is refused where something is, and so is a
/// directory where one is that is not empty.
fn place(made: &Path, target: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(made)?.is_dir() {
        match fs::hard_link(made, target) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {}
            done => return done,
        }
        // A file system without links.
        if fs::symlink_metadata(target).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
    }
    fs::rename(made, target)
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { doing, path, source }
}

/// The name that the user knows.
fn of_target(error: StoreError, made: &Path, target: &Path) -> StoreError {
    let named = |path: PathBuf| match path.strip_prefix(made) {
        Ok(below) if below.as_os_str().is_empty() => target.to_owned(),
        Ok(below) => target.join(below),
        Err(_) => path,
    };
    match error {
        StoreError::Io { doing, path, source } => {
            StoreError::Io { doing, path: named(path), source }
        }
        StoreError::LinkTarget(path) => StoreError::LinkTarget(named(path)),
        StoreError::Exists(path) => StoreError::Exists(named(path)),
        StoreError::TooMuch { path, what, limit, max } => {
            StoreError::TooMuch { path: named(path), what, limit, max }
        }
        error => error,
    }
}
