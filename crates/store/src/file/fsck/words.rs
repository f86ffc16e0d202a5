//! What is wrong, in words.

use std::fmt;

use super::{Affected, Needs, Problem, Wrong};

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, offset) = (self.path.display(), self.offset);
        match &self.what {
            Wrong::List => write!(f, "{path}: the list of the store's parts is gone or damaged"),
            Wrong::Pack => write!(f, "{path}: damaged at its beginning"),
            Wrong::NoPack => write!(f, "{path}: gone, with a part of the store"),
            Wrong::End(bytes) => {
                write!(
                    f,
                    "{path}: ends at offset {offset}, and {bytes} bytes that were safe are gone"
                )
            }
            Wrong::Records(bytes) => {
                write!(f, "{path}: {bytes} bytes from offset {offset} are no records any more")
            }
            Wrong::Content(handle) if offset == 0 => {
                write!(f, "{path}: the bytes are not those of #{handle}")
            }
            Wrong::Content(handle) => {
                write!(f, "{path}: the bytes at offset {offset} are not those of #{handle}")
            }
            Wrong::Missing(handle) => write!(f, "{path}: gone, with the bytes of #{handle}"),
            Wrong::Index => write!(f, "{path}: the index is damaged; the log has all it says"),
        }
    }
}

impl fmt::Display for Affected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Needs::Label(label, _) => write!(f, "label {label}")?,
            Needs::Pin(handle) => write!(f, "pinned #{handle}")?,
            Needs::Outcome(key) => write!(f, "the outcome of #{key}")?,
        }
        let missing = self.missing;
        match self.comes_back {
            true => write!(f, " lacks #{missing}, which can be computed again"),
            false => write!(f, " lacks #{missing}"),
        }
    }
}
