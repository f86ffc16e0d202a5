//! Where the socket is, and how to get there although its path is long.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::NAME;

/// An address has 108 bytes on Linux, and 104 elsewhere, with its last zero.
const PATH_MAX_BYTES: usize = 103;

/// Calls `use_it` with a path to `name` in a directory that fits an address.
fn with_short<T>(
    directory: &Path,
    name: &str,
    use_it: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let path = directory.join(name);
    if path.as_os_str().as_bytes().len() <= PATH_MAX_BYTES {
        return use_it(&path);
    }
    // The open directory by its number, which is short.
    let opened = File::open(directory)?;
    use_it(&PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(name))
}

/// Listens in a directory, in the place of who did before. Only the one who
/// holds the store may do that.
///
/// The socket gets its name when it is complete: as others of this user cannot
/// wait for one that is not there, so those of other users never see one that is
/// open to them.
pub(super) fn listen(directory: &Path) -> io::Result<UnixListener> {
    let new = format!("{NAME}-{}", std::process::id());
    let new_path = directory.join(&new);
    match fs::remove_file(&new_path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = with_short(directory, &new, |path| UnixListener::bind(path))?;
    let named = fs::set_permissions(&new_path, Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&new_path, directory.join(NAME)));
    if named.is_err() {
        let _ = fs::remove_file(&new_path);
    }
    named.map(|()| listener)
}

/// What a killed holder left of its attempt to listen.
pub(super) fn is_unfinished(name: &OsStr) -> bool {
    let digits = name.as_bytes().strip_prefix(NAME.as_bytes());
    digits.and_then(|digits| digits.strip_prefix(b"-")).is_some_and(|digits| !digits.is_empty())
}

/// Takes the name away again.
pub(super) fn forget(directory: &Path) {
    // Who comes finds nobody there in any case.
    let _ = fs::remove_file(directory.join(NAME));
}

/// Connects to who listens in a directory; an error of
/// [`ErrorKind::NotFound`] or [`ErrorKind::ConnectionRefused`] if nobody does.
pub(super) fn connect(directory: &Path) -> io::Result<UnixStream> {
    // Not where a symlink leads: a store may come from anybody.
    let found = fs::symlink_metadata(directory.join(NAME))?;
    if !found.file_type().is_socket() {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    with_short(directory, NAME, |path| UnixStream::connect(path))
}
