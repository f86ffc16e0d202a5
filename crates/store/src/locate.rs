//! Which store a command is about.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Backend, FileBackend, Mode, StoreError};

/// The name of a store's directory, which `add` leaves out.
pub const NAME: &str = ".weft";

/// The variable that names a store's directory.
pub const VARIABLE: &str = "WEFT_DIR";

/// The store of this process: the directory that `WEFT_DIR` names, else the
/// nearest `.weft` at or above the working directory.
///
/// # Errors
/// [`StoreError::NoStore`] if there is none.
pub fn locate() -> Result<PathBuf, StoreError> {
    let here = env::current_dir().map_err(StoreError::io("find", "the working directory"))?;
    locate_from(&here, env::var_os(VARIABLE).as_deref())
}

/// The same, with everything it depends on given.
///
/// # Errors
/// [`StoreError::NoStore`] if there is none.
pub fn locate_from(start: &Path, named: Option<&OsStr>) -> Result<PathBuf, StoreError> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let directory = start.join(named);
        return match is_store(&directory) {
            true => Ok(directory),
            false => Err(StoreError::NoStore(directory)),
        };
    }
    let found = start.ancestors().map(|above| above.join(NAME)).find(|path| is_store(path));
    found.ok_or_else(|| StoreError::NoStore(start.into()))
}

fn is_store(directory: &Path) -> bool {
    fs::metadata(directory.join("store")).is_ok()
}

/// Where a new store goes: the directory that `WEFT_DIR` names, else `.weft` in
/// `start`.
#[must_use]
pub fn place_for(start: &Path, named: Option<&OsStr>) -> PathBuf {
    match named.filter(|named| !named.is_empty()) {
        Some(named) => start.join(named),
        None => start.join(NAME),
    }
}

/// Makes a store in `directory`, or finds the one there. Whether it is new.
///
/// # Errors
/// It cannot be created, or what is there is no store of this version.
pub fn init(directory: &Path) -> Result<bool, StoreError> {
    if is_store(directory) {
        // Not for writing: somebody else may be at it.
        FileBackend::open(directory, Mode::Read)?;
        return Ok(false);
    }
    FileBackend::create(directory)?.sync()?;
    Ok(true)
}
