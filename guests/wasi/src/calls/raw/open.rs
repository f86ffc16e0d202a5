//! `path_open` and its many flags.

use super::{Answer, Fd, answer, at, bare};

/// How a path is opened.
#[derive(Clone, Copy)]
pub struct Open {
    follow: bool,
    how: u16,
    rights: u64,
    flags: u16,
}

const CREATE: u16 = 1;
const DIRECTORY: u16 = 2;
const EXCLUSIVE: u16 = 4;
const TRUNCATE: u16 = 8;

/// Everything one may do with a file but write it.
const READING: u64 = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 7 | 1 << 21 | 1 << 27;

/// What writing takes beyond that.
const WRITING: u64 = 1 << 0 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 8 | 1 << 22 | 1 << 23;

/// Everything one may do with a directory.
const LISTING: u64 =
    0x1f << 9 | 1 << 14 | 7 << 15 | 7 << 18 | 1 << 21 | 1 << 23 | 7 << 24 | 1 << 27;

impl Open {
    fn with(rights: u64) -> Self {
        Self { follow: true, how: 0, rights, flags: 0 }
    }

    pub fn read() -> Self {
        Self::with(READING)
    }

    pub fn write() -> Self {
        Self::with(READING & !(1 << 1) | WRITING)
    }

    pub fn both() -> Self {
        Self::with(READING | WRITING)
    }

    pub fn directory() -> Self {
        Self { how: DIRECTORY, ..Self::with(LISTING) }
    }

    pub fn create(self) -> Self {
        Self { how: self.how | CREATE, ..self }
    }

    pub fn exclusive(self) -> Self {
        Self { how: self.how | EXCLUSIVE, ..self }
    }

    pub fn truncate(self) -> Self {
        Self { how: self.how | TRUNCATE, ..self }
    }

    pub fn append(self) -> Self {
        Self { flags: self.flags | super::APPEND, ..self }
    }

    /// A link at the end of the path is not followed.
    pub fn no_follow(self) -> Self {
        Self { follow: false, ..self }
    }

    pub fn at(self, fd: Fd, path: &str) -> Answer<Fd> {
        self.at_bytes(fd, path.as_bytes())
    }

    pub fn at_bytes(self, fd: Fd, path: &[u8]) -> Answer<Fd> {
        let mut opened = 0;
        let (start, length) = (at(path.as_ptr()), path.len() as i32);
        // What files below an opened directory may be opened for.
        let inheriting = if self.how & DIRECTORY == 0 { 0 } else { LISTING | READING | WRITING };
        answer(unsafe {
            bare::path_open(
                fd as i32,
                self.follow.into(),
                start,
                length,
                self.how.into(),
                self.rights as i64,
                inheriting as i64,
                self.flags.into(),
                at(&raw mut opened),
            )
        })?;
        Ok(opened)
    }
}
