//! Errors on their way from the holder to a client.
//!
//! Those that somebody acts upon, or that name a file, arrive as what they
//! were; all others as their text. A path in the store's directory is sent from
//! there on: holder and client may call that directory by different names.

use std::io;
use std::path::{Path, PathBuf};

use super::bytes::{Put, Take};
use super::value;
use crate::StoreError;

/// What a [`StoreError::Io`] may have been doing; others are told as "use".
const DOING: [&str; 16] = [
    "use",
    "read",
    "write",
    "sync",
    "create",
    "open",
    "lock",
    "find",
    "rename",
    "remove",
    "look at",
    "list",
    "map",
    "cut",
    "set the mode of",
    "close",
];

const WHAT: [&str; 4] =
    ["a symlink", "no regular file", "a file with another name too (a hard link)", "no directory"];

fn put_path(out: &mut Vec<u8>, path: &Path, directory: &Path) {
    use std::os::unix::ffi::OsStrExt;
    let inside = path.strip_prefix(directory);
    out.push(u8::from(inside.is_ok()));
    out.put_bytes(inside.unwrap_or(path).as_os_str().as_bytes());
}

fn path(take: &mut Take<'_>, directory: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let inside = take.flag()?;
    let path = Path::new(std::ffi::OsStr::from_bytes(take.bytes()?));
    Some(match (inside, path.as_os_str().is_empty()) {
        (false, _) => path.into(),
        (true, true) => directory.into(),
        (true, false) => directory.join(path),
    })
}

fn index(table: &[&str], text: &str) -> u8 {
    table.iter().position(|known| *known == text).and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

pub(super) fn put(out: &mut Vec<u8>, error: &StoreError, directory: &Path) {
    match error {
        StoreError::Io { doing, path, source } => {
            out.push(1);
            out.push(index(&DOING, doing));
            put_path(out, path, directory);
            out.put_some(source.raw_os_error(), |out, number| out.put_u32(number.cast_unsigned()));
            out.put_bytes(source.to_string().as_bytes());
        }
        StoreError::ReadOnly(path) => {
            out.push(2);
            put_path(out, path, directory);
        }
        StoreError::Failed(path) => {
            out.push(3);
            put_path(out, path, directory);
        }
        StoreError::Corrupt { path, handle, offset } => {
            out.push(4);
            put_path(out, path, directory);
            out.put_handle(handle);
            out.put_u64(*offset);
        }
        StoreError::Content(handle) => {
            out.push(5);
            out.put_handle(handle);
        }
        StoreError::TooManyFinders => out.push(6),
        StoreError::Missing(handle) => {
            out.push(7);
            out.put_handle(handle);
        }
        StoreError::LabelMoved { label, found } => {
            out.push(8);
            value::put_label(out, label);
            out.put_some(found.as_ref(), Vec::put_handle);
        }
        StoreError::Foreign { path, what } => {
            out.push(9);
            put_path(out, path, directory);
            out.push(index(&WHAT, what));
        }
        other => {
            out.push(0);
            out.put_bytes(other.to_string().as_bytes());
        }
    }
}

pub(super) fn take(mut take: Take<'_>, directory: &Path) -> Option<StoreError> {
    let error = match take.u8()? {
        0 => StoreError::Told(take.text()?.to_owned()),
        1 => {
            let doing = *DOING.get(usize::from(take.u8()?))?;
            let path = path(&mut take, directory)?;
            let number = take.some(Take::u32)?;
            let text = take.text()?;
            let source = match number {
                Some(number) => io::Error::from_raw_os_error(number.cast_signed()),
                None => io::Error::other(text.to_owned()),
            };
            StoreError::Io { doing, path, source }
        }
        2 => StoreError::ReadOnly(path(&mut take, directory)?),
        3 => StoreError::Failed(path(&mut take, directory)?),
        4 => StoreError::Corrupt {
            path: path(&mut take, directory)?,
            handle: take.handle()?,
            offset: take.u64()?,
        },
        5 => StoreError::Content(take.handle()?),
        6 => StoreError::TooManyFinders,
        7 => StoreError::Missing(take.handle()?),
        8 => StoreError::LabelMoved {
            label: value::label(&mut take)?,
            found: take.some(Take::handle)?,
        },
        9 => StoreError::Foreign {
            path: path(&mut take, directory)?,
            what: WHAT.get(usize::from(take.u8()?))?,
        },
        _ => return None,
    };
    take.end(error)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use weft_object::Handle;

    use super::*;
    use crate::Label;

    fn across(error: &StoreError) -> StoreError {
        let mut bytes = Vec::new();
        put(&mut bytes, error, Path::new("here/.weft"));
        let got = take(Take(&bytes), Path::new("../there/.weft")).unwrap();
        // Nothing may be left out, nothing may follow.
        assert!(take(Take(&bytes[..bytes.len() - 1]), Path::new("")).is_none() || bytes.len() == 1);
        bytes.push(0);
        assert!(take(Take(&bytes), Path::new("")).is_none());
        got
    }

    #[test]
    fn errors_say_there_what_they_said_here() {
        let path = || PathBuf::from("elsewhere/file");
        let label = Label::new("a/b").unwrap();
        let handle = Handle::of_blob(&[1; 40]);
        for error in [
            StoreError::Io { doing: "sync", path: path(), source: ErrorKind::Other.into() },
            StoreError::Io {
                doing: "write",
                path: path(),
                source: io::Error::from_raw_os_error(28),
            },
            StoreError::ReadOnly(path()),
            StoreError::Failed(path()),
            StoreError::Corrupt { path: path(), handle, offset: 77 },
            StoreError::Content(handle),
            StoreError::TooManyFinders,
            StoreError::Missing(handle),
            StoreError::LabelMoved { label: label.clone(), found: Some(handle) },
            StoreError::LabelMoved { label, found: None },
            StoreError::Foreign { path: path(), what: "a symlink" },
            StoreError::NotAStore(path()),
        ] {
            assert_eq!(across(&error).to_string(), error.to_string());
        }
    }

    #[test]
    fn a_full_disk_is_one_on_both_sides() {
        let full = io::Error::from_raw_os_error(28);
        let error =
            StoreError::Io { doing: "write", path: "here/.weft/packs/1".into(), source: full };
        let StoreError::Io { doing, path, source } = across(&error) else { panic!("{error}") };
        assert_eq!((doing, source.kind()), ("write", ErrorKind::StorageFull));
        assert_eq!(path, Path::new("../there/.weft/packs/1"));
        let error = StoreError::Failed("here/.weft".into());
        assert!(across(&error).to_string().contains("../there/.weft failed"));
    }
}
