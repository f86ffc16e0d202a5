//! Opening files that somebody else may have put there, or may swap for another
//! while we look.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::StoreError;

/// Opens for reading without waiting: a fifo that took the place of a file
/// would block until somebody writes to it. What it is, the caller checks on
/// what was opened. A symlink is an error unless it is to be followed.
pub(crate) fn to_look(path: &Path, follow: bool) -> io::Result<File> {
    let follow = if follow { 0 } else { libc::O_NOFOLLOW };
    File::options().read(true).custom_flags(libc::O_NONBLOCK | follow).open(path)
}

/// Opens a directory that is one itself, not a symlink to one.
pub(crate) fn directory(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_DIRECTORY;
    File::options().read(true).custom_flags(flags).open(path)
}

/// What is refused, then what the operating system says.
pub(crate) type Opened = Result<io::Result<File>, StoreError>;

/// Opens one of the files that make up a store. A store may come from anybody,
/// in an archive say, and to write to it must not write to anything else: so it
/// is a regular file, not reached through a symlink, and one to write to has no
/// second name. Nothing is truncated.
pub(crate) fn of_store(path: &Path, options: &mut OpenOptions, write: bool) -> Opened {
    let foreign = |what| Err(StoreError::Foreign { path: path.into(), what });
    let opened = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = match opened {
        Ok(file) => file,
        // Systems differ in the error that says this.
        Err(_) if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) => {
            return foreign("a symlink");
        }
        Err(error) => return Ok(Err(error)),
    };
    match file.metadata().map(|metadata| strange(&metadata, write)) {
        Ok(Some(what)) => foreign(what),
        Ok(None) => Ok(Ok(file)),
        Err(error) => Ok(Err(error)),
    }
}

const LINKED: &str = "a file with another name too (a hard link)";

/// What is strange about a file in the place of a store's.
fn strange(metadata: &Metadata, write: bool) -> Option<&'static str> {
    match () {
        () if !metadata.is_file() => Some("no regular file"),
        // One without a name was replaced meanwhile.
        () if write && metadata.nlink() > 1 => Some(LINKED),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{self, Command};

    use super::*;

    #[test]
    fn a_file_that_was_just_replaced_is_one_and_one_with_two_names_is_not() {
        let scratch = std::env::temp_dir().join(format!("weft-store-links-{}", process::id()));
        fs::create_dir(&scratch).unwrap();
        let (path, other) = (scratch.join("store"), scratch.join("other"));
        let strange_now = |file: &File, write| strange(&file.metadata().unwrap(), write);
        fs::write(&path, "old").unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(strange_now(&file, true), None);
        fs::write(&other, "new").unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(file.metadata().unwrap().nlink(), 0);
        assert_eq!(strange_now(&file, true), None, "replaced between opening and looking");
        fs::hard_link(&path, &other).unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(strange_now(&file, true), Some(LINKED));
        assert_eq!(strange_now(&file, false), None, "reading does no harm");
        let refused = of_store(&path, File::options().read(true).write(true), true);
        assert!(matches!(refused, Err(StoreError::Foreign { what: LINKED, .. })));
        let directory = File::open(&scratch).unwrap();
        assert_eq!(strange_now(&directory, false), Some("no regular file"));
        fs::remove_dir_all(&scratch).unwrap();
    }

    #[test]
    fn to_look_neither_waits_nor_follows() {
        let scratch = std::env::temp_dir().join(format!("weft-store-open-{}", process::id()));
        fs::create_dir(&scratch).unwrap();
        let (fifo, link) = (scratch.join("fifo"), scratch.join("link"));
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        symlink("file", &link).unwrap();
        fs::write(scratch.join("file"), "x").unwrap();
        for follow in [false, true] {
            // Nobody ever writes to it.
            assert!(!to_look(&fifo, follow).unwrap().metadata().unwrap().is_file());
            assert!(to_look(&scratch.join("file"), follow).is_ok());
            assert_eq!(to_look(&link, follow).is_ok(), follow);
        }
        assert!(directory(&scratch).is_ok() && directory(&scratch.join("file")).is_err());
        symlink(".", scratch.join("directory")).unwrap();
        assert!(directory(&scratch.join("directory")).is_err());
        fs::remove_dir_all(&scratch).unwrap();
    }
}
