use std::fmt;

use weft_object::Handle;

/// Why an export cannot be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// It is something else.
    Foreign,
    /// It is of a version that is not known here.
    Version(u32),
    /// It ends after this many bytes, before it is complete.
    Ends(u64),
    /// What stands here, at so many bytes, is no record.
    Record(u64),
    /// It goes on behind its end.
    Goes(u64),
    /// The content of this is another.
    Content(Handle),
    /// The first stands before the second, of which it is made.
    Below(Handle, Handle),
    /// A Tag, which only a function may make.
    Tag(Handle),
    /// It is not what was written, somewhere.
    Changed,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => write!(f, "this is no file that `weft export` made"),
            Self::Version(found) => write!(
                f,
                "this is an export of version {found}, and this program knows version {}; use the \
                 program that wrote it",
                super::format::VERSION
            ),
            Self::Ends(at) => {
                write!(f, "the export ends after {at} bytes, too early; get it again")
            }
            Self::Record(at) => {
                write!(f, "the export is damaged at offset {at}; get it again")
            }
            Self::Goes(at) => {
                write!(f, "something follows the end of the export at offset {at}; get it again")
            }
            Self::Content(handle) => {
                write!(f, "the export is damaged in #{handle}; get it again")
            }
            Self::Below(above, below) => write!(
                f,
                "the export has #{above} without #{below}, of which it is made; have it made by \
                 `weft export`"
            ),
            Self::Tag(handle) => write!(
                f,
                "the export has the mark #{handle}, which only a function can make; if you trust \
                 who made the file, take it with `--trust`"
            ),
            Self::Changed => {
                write!(f, "the export is not what was written, somewhere; get it again")
            }
        }
    }
}
