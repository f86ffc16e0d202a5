//! Files and directories into a backend and back.
//!
//! A directory becomes a Tree as `docs/directory.md` says. Nothing is followed
//! and nothing left out, except stores; what is no data (a device, a socket, a
//! fifo) or cannot be read is an error that names it, never a silent gap.

mod add;
mod get;
mod stamps;

pub use add::{Added, Options, add, add_stream};
pub use get::{GetOptions, get, get_with};
pub(crate) use stamps::Stamp as FileStamp;
pub use stamps::Stamps;

use weft_object::directory::{DirectoryError, Entry, List, Lookup, Step};
use weft_object::{Blob, Content, Handle};

use crate::StoreError;

/// Where content comes from: a backend, a memory tier, both.
pub type Source<'a> = dyn Fn(&Handle) -> Result<Option<Content>, StoreError> + 'a;

/// The entries of the directory that a handle names, in order of their names.
///
/// # Errors
/// The Tree is no directory, or not all of it is here.
pub fn list(source: &Source<'_>, directory: &Handle) -> Result<Vec<Entry>, StoreError> {
    let fail = |error| not_a_directory(directory, error);
    let mut list = List::new(*directory);
    while let Some(wanted) = list.wants() {
        let node = load(source, &wanted)?;
        let Some(tree) = node.tree() else { return Err(fail(DirectoryError::NoIndex)) };
        let index = load_blob(source, &List::index(tree.entries()).map_err(fail)?)?;
        list.step(index.bytes(), tree.entries()).map_err(fail)?;
    }
    list.finish().map_err(fail)
}

/// What a directory holds under a path, as it is stored; `None` if there is no
/// such entry. Reads the indexes on the path only.
///
/// # Errors
/// It is no path, it goes on below a file or symlink, a Tree on it is no
/// directory, or not all that is needed is here.
pub fn find(
    source: &Source<'_>,
    directory: &Handle,
    path: &[u8],
) -> Result<Option<Handle>, StoreError> {
    let fail = |error| not_a_directory(directory, error);
    let mut lookup = Lookup::new(path)?;
    let mut wanted = *directory;
    loop {
        let node = load(source, &wanted)?;
        let Some(tree) = node.tree() else { return Err(fail(DirectoryError::NoIndex)) };
        let index = load_blob(source, &Lookup::index(tree.entries()).map_err(fail)?)?;
        match lookup.step(index.bytes(), tree.entries()).map_err(fail)? {
            Step::Descend(next) => wanted = next,
            Step::Found(handle) => return Ok(Some(handle)),
            Step::NotFound => return Ok(None),
        }
    }
}

fn not_a_directory(handle: &Handle, source: DirectoryError) -> StoreError {
    StoreError::Directory { what: format!("#{handle}"), source }
}

fn load(source: &Source<'_>, handle: &Handle) -> Result<Content, StoreError> {
    match handle.content().literal_bytes() {
        Some(bytes) => Ok(Content::Blob(Blob::new(bytes.to_vec()))),
        None => source(&handle.content())?.ok_or(StoreError::Missing(handle.content())),
    }
}

fn load_blob(source: &Source<'_>, handle: &Handle) -> Result<Blob, StoreError> {
    match load(source, handle)? {
        Content::Blob(blob) => Ok(blob),
        Content::Tree(_) | Content::Tag(_) => Err(StoreError::Content(*handle)),
    }
}
