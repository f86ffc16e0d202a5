//! Selections: a part of something large without bringing in the rest.

use weft_object::directory::{Lookup, Step as Walk};
use weft_object::{Blob, Handle, Kind, Selection, Tree};

use crate::FailureKind;
use crate::application::Trees;
use crate::outcome::{Halt, Step};

/// What selection needs of its surroundings.
pub(crate) trait Contents: Trees {
    /// The bytes of a Blob Object, or why not yet.
    fn blob_content(&mut self, object: Handle) -> Step<Blob>;
    /// Keeps a Blob and names it.
    fn put_bytes(&mut self, blob: Blob) -> Handle;
}

/// Takes `what` of a piece of data, Object or Ref. Reads the content of the
/// target's own node and, of a path, of the nodes on the way; nothing else.
pub(crate) fn take(
    contents: &mut impl Contents,
    thunk: Handle,
    target: Handle,
    what: Selection,
) -> Step {
    let object = target.content();
    match (what, object.kind()) {
        (Selection::Path(path), Kind::Tree) => take_path(contents, thunk, object, path),
        (Selection::Digest(from, to), Kind::Tree | Kind::Tag) => {
            let tree = tree_of_range(contents, thunk, object, from, to)?;
            let entries = range(thunk, tree.entries(), from, to)?;
            let digests: Vec<u8> = entries.iter().flat_map(digest).collect();
            Ok(contents.put_bytes(Blob::new(digests)))
        }
        (Selection::Entry(index), Kind::Tree | Kind::Tag) => {
            let end = index.saturating_add(1);
            let tree = tree_of_range(contents, thunk, object, index, end)?;
            range(thunk, tree.entries(), index, end).map(|entries| entries[0])
        }
        (Selection::Range(from, to), Kind::Tree | Kind::Tag) => {
            let tree = tree_of_range(contents, thunk, object, from, to)?;
            let entries = range(thunk, tree.entries(), from, to)?;
            Ok(contents.put(entries).0)
        }
        (Selection::Entry(from), Kind::Blob) => {
            take_bytes(contents, thunk, object, from, from.saturating_add(1))
        }
        (Selection::Range(from, to), Kind::Blob) => take_bytes(contents, thunk, object, from, to),
        (_, kind) => {
            let what = match what {
                Selection::Path(_) => "path",
                _ => "digest",
            };
            Err(out_of_range(thunk, format!("cannot select a {what} in a {kind}")))
        }
    }
}

/// The content of a Tree of which a range is wanted. Like the bytes of a Blob,
/// what is out of range is so by the length in the handle, content or not.
fn tree_of_range(
    contents: &mut impl Contents,
    thunk: Handle,
    object: Handle,
    from: u64,
    to: u64,
) -> Step<Tree> {
    check_range(thunk, object.length().unwrap_or(0), from, to)?;
    contents.tree_content(object)
}

fn take_bytes(
    contents: &mut impl Contents,
    thunk: Handle,
    object: Handle,
    from: u64,
    to: u64,
) -> Step {
    if let Some(bytes) = object.literal_bytes() {
        return Ok(Handle::of_blob(range(thunk, bytes, from, to)?));
    }
    // Checked against the length in the handle first: what is out of range
    // needs no content to be so.
    check_range(thunk, object.length().unwrap_or(0), from, to)?;
    let blob = contents.blob_content(object)?;
    let part = range(thunk, blob.bytes(), from, to)?;
    match Handle::literal(part) {
        Some(literal) => Ok(literal),
        None => {
            let part = Blob::new(part.to_vec());
            Ok(contents.put_bytes(part))
        }
    }
}

fn take_path(contents: &mut impl Contents, thunk: Handle, root: Handle, path: Handle) -> Step {
    let path_blob;
    let path_bytes = match path.literal_bytes() {
        Some(bytes) => bytes,
        None => {
            path_blob = contents.blob_content(path)?;
            path_blob.bytes()
        }
    };
    let refuse = |error: &dyn std::fmt::Display| out_of_range(thunk, error.to_string());
    let mut lookup = Lookup::new(path_bytes).map_err(|error| refuse(&error))?;
    let mut node = root;
    loop {
        let tree = contents.tree_content(node)?;
        let index = Lookup::index(tree.entries()).map_err(|error| refuse(&error))?;
        let index_blob;
        let index_bytes = match index.literal_bytes() {
            Some(bytes) => bytes,
            None => {
                index_blob = contents.blob_content(index.content())?;
                index_blob.bytes()
            }
        };
        match lookup.step(index_bytes, tree.entries()).map_err(|error| refuse(&error))? {
            Walk::Descend(next) => node = next.content(),
            Walk::Found(handle) => return Ok(handle),
            Walk::NotFound => {
                let detail = format!("no entry at path \"{}\"", path_bytes.escape_ascii());
                return Err(out_of_range(thunk, detail));
            }
        }
    }
}

/// Eight bytes that say what an entry is: six of length, a zero, and its kind
/// by the number that guests see.
fn digest(entry: &Handle) -> [u8; 8] {
    let mut bytes = entry.length().unwrap_or(0).to_le_bytes();
    bytes[7] = entry.kind().number();
    bytes
}

fn range<T>(thunk: Handle, items: &[T], from: u64, to: u64) -> Step<&[T]> {
    check_range(thunk, items.len() as u64, from, to)?;
    // Both fit: they are at most the length of a slice.
    Ok(&items[from as usize..to as usize])
}

fn check_range(thunk: Handle, length: u64, from: u64, to: u64) -> Step<()> {
    if from > to || to > length {
        return Err(out_of_range(thunk, format!("{from}..{to} of a length of {length}")));
    }
    Ok(())
}

fn out_of_range(thunk: Handle, detail: String) -> Halt {
    Halt::failure(FailureKind::OutOfRange, detail, thunk)
}
