//! How a check says what is wrong.

use std::fmt::Debug;

use crate::raw::{self, Answer, Errno, Fd};

pub type Done = Result<(), String>;

/// A name and what it checks.
pub type Check = (&'static str, fn() -> Done);

/// Where the first preopened directory stands.
pub const DIR: Fd = 3;

/// Where the second stands.
pub const OTHER: Fd = 4;

/// Ends the check unless both are equal.
#[macro_export]
macro_rules! same {
    ($found:expr, $wanted:expr) => {{
        let (found, wanted) = (&$found, &$wanted);
        if found != wanted {
            return Err($crate::check::differs(line!(), stringify!($found), &found, &wanted));
        }
    }};
}

/// Ends the check unless this holds.
#[macro_export]
macro_rules! holds {
    ($what:expr) => {
        if !$what {
            return Err($crate::check::differs(line!(), stringify!($what), &false, &true));
        }
    };
}

/// Ends the check unless the call fails with one of these.
#[macro_export]
macro_rules! fails {
    ($call:expr, $($errno:expr),+) => {
        $crate::check::refused($call.map(|_| ()), &[$($errno),+], line!(), stringify!($call))?
    };
}

/// What the macros say. Apart from them, lest each use of one bring it along.
#[cold]
#[inline(never)]
pub fn differs(line: u32, what: &str, found: &dyn Debug, wanted: &dyn Debug) -> String {
    format!("line {line}: {what} is {found:?}, not {wanted:?}")
}

#[inline(never)]
pub fn refused(found: Answer<()>, wanted: &[Errno], line: u32, what: &str) -> Done {
    match found {
        Err(errno) if wanted.contains(&errno) => Ok(()),
        _ => Err(differs(line, what, &found, &wanted)),
    }
}

impl From<Errno> for String {
    fn from(errno: Errno) -> Self {
        format!("a call failed with errno {}", errno.0)
    }
}

/// A new file of this content in `/dir`.
pub fn put(path: &str, content: &[u8]) -> Result<(), Errno> {
    let fd = raw::Open::write().create().truncate().at(DIR, path)?;
    let mut rest = content;
    while !rest.is_empty() {
        let count = raw::write(fd, rest)?;
        rest = &rest[count..];
    }
    raw::close(fd)
}

/// What the file in `/dir` holds.
pub fn get(path: &str) -> Result<Vec<u8>, Errno> {
    let fd = raw::Open::read().at(DIR, path)?;
    let mut content = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match raw::read(fd, &mut buffer)? {
            0 => break,
            count => content.extend_from_slice(&buffer[..count]),
        }
    }
    raw::close(fd)?;
    Ok(content)
}

/// The names of a directory in `/dir`, without `.` and `..`, sorted.
pub fn names(path: &str) -> Result<Vec<String>, Errno> {
    let fd = raw::Open::directory().at(DIR, path)?;
    let entries = raw::entries(fd, 4096)?;
    raw::close(fd)?;
    let mut names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
    names.retain(|name| name != "." && name != "..");
    names.sort();
    Ok(names)
}
