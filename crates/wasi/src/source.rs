use core::fmt;

use weft_object::directory::DirectoryError;
use weft_object::{Blob, Content, Handle, Tree};

use crate::Errno;

/// Where the content of the given directories comes from, on access.
///
/// A handle that is asked for is an Object or a Ref of the directories that the
/// run was given; a literal is never asked for.
pub trait Source {
    /// The content of a Blob or Tree.
    ///
    /// # Errors
    /// A [`Stop`] that ends the run, handed through as it is. It should be the
    /// reason why there is no answer now; the program never sees it.
    fn content(&mut self, handle: &Handle) -> Result<Content, Stop>;
}

/// Why a run does not go on. Nothing of this is an [`Errno`]: the program does
/// not come to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The program has ended itself, with this code.
    Exit(u32),
    /// No answer: this content is not at hand.
    Missing(Handle),
    /// No answer: somebody has asked the run to stop.
    Interrupted,
    /// A failure: a Tree that was given as a directory is none.
    NotDirectory(Handle, DirectoryError),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "the program ended with code {code}"),
            Self::Missing(handle) => write!(f, "the content of {handle} is missing"),
            Self::Interrupted => write!(f, "the run was interrupted"),
            Self::NotDirectory(handle, error) => {
                write!(f, "reading directory {handle}: {error}; import it again")
            }
        }
    }
}

impl core::error::Error for Stop {}

/// What ends one call: an answer to the program, or the end of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The program goes on.
    Errno(Errno),
    /// It does not.
    Stop(Stop),
}

impl From<Errno> for Halt {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

pub(crate) fn blob(source: &mut dyn Source, handle: &Handle) -> Result<Blob, Stop> {
    let object = handle.content();
    if let Some(bytes) = object.literal_bytes() {
        return Ok(Blob::new(bytes.to_vec()));
    }
    let content = source.content(&object)?;
    match content.blob() {
        Some(blob) if content.fits(&object) => Ok(blob.clone()),
        _ => Err(Stop::Missing(object)),
    }
}

pub(crate) fn tree(source: &mut dyn Source, handle: &Handle) -> Result<Tree, Stop> {
    let object = handle.content();
    let content = source.content(&object)?;
    match content.tree() {
        Some(tree) if content.fits(&object) => Ok(tree.clone()),
        _ => Err(Stop::Missing(object)),
    }
}
