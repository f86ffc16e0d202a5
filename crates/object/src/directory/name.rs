use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

/// A name in a directory: 1 to 255 bytes, neither NUL nor `/` among them, and
/// neither `.` nor `..`. It need not be UTF-8. Names are ordered by their bytes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

/// Why some bytes are no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// There are none.
    Empty,
    /// More than [`Name::LENGTH_MAX`]; holds how many.
    TooLong(usize),
    /// A NUL or a `/`.
    Byte(u8),
    /// `.` or `..`, which name no entry.
    Dots,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a name cannot be empty"),
            Self::TooLong(n) => write!(f, "a name has at most 255 bytes, not {n}"),
            Self::Byte(byte) => write!(f, "a name cannot contain byte {byte:#04x}"),
            Self::Dots => write!(f, "`.` and `..` are no names"),
        }
    }
}

impl core::error::Error for NameError {}

impl Name {
    /// The most bytes of a name.
    pub const LENGTH_MAX: usize = 255;

    /// Copies a name.
    ///
    /// # Errors
    /// What [`Name::check`] says.
    pub fn new(bytes: &[u8]) -> Result<Self, NameError> {
        Self::check(bytes)?;
        Ok(Self(bytes.into()))
    }

    /// Says whether bytes are a name, and if not why.
    ///
    /// # Errors
    /// The first rule they break.
    pub fn check(bytes: &[u8]) -> Result<(), NameError> {
        match bytes {
            [] => return Err(NameError::Empty),
            b"." | b".." => return Err(NameError::Dots),
            _ if bytes.len() > Self::LENGTH_MAX => return Err(NameError::TooLong(bytes.len())),
            _ => {}
        }
        match bytes.iter().find(|&&byte| byte == 0 || byte == b'/') {
            Some(&byte) => Err(NameError::Byte(byte)),
            None => Ok(()),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The name in quotes, what is not printable ASCII or UTF-8 escaped.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match core::str::from_utf8(&self.0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The names from a directory down to something in it: `a/b/c`.
///
/// There is one way to write a path: no leading, trailing or doubled `/`, no
/// `.` and no `..`. So a path cannot leave the directory, and two different
/// paths never mean the same entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path(Vec<Name>);

/// Why some bytes are no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathError {
    /// There are none.
    Empty,
    /// It begins with `/`.
    Absolute,
    /// The component that begins at this offset is no name.
    Component(usize, NameError),
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a path cannot be empty"),
            Self::Absolute => write!(f, "a path cannot begin with `/`; it starts at the directory"),
            Self::Component(at, NameError::Dots) => {
                write!(f, "a path has no `.` or `..`, found at offset {at}")
            }
            Self::Component(at, NameError::Empty) => {
                write!(f, "a path has one `/` between names and none at its end, see offset {at}")
            }
            Self::Component(at, error) => write!(f, "at offset {at} of the path: {error}"),
        }
    }
}

impl core::error::Error for PathError {}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// The first rule it breaks, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        match bytes.first() {
            None => return Err(PathError::Empty),
            Some(b'/') => return Err(PathError::Absolute),
            Some(_) => {}
        }
        let mut offset = 0;
        let mut names = Vec::new();
        for part in bytes.split(|&byte| byte == b'/') {
            names.push(Name::new(part).map_err(|error| PathError::Component(offset, error))?);
            offset += part.len() + 1;
        }
        Ok(Self(names))
    }

    /// The names, outermost first; at least one.
    #[must_use]
    pub fn names(&self) -> &[Name] {
        &self.0
    }
}
