//! A directory with one file changed: the Trees on the way to it are made anew,
//! everything else is shared.

use weft_object::directory::{Entry, FileKind, Part, build};
use weft_object::{Blob, Handle};
use weft_store::{Backend, Content, StoreError, files};

use crate::out::name;

/// What was changed.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) directory: Handle,
    pub(super) path: String,
    /// New objects, the file among them.
    pub(super) objects: usize,
}

/// Adds a line to the first file that is not tiny, or else to the first; `None`
/// if there is no file.
pub(super) fn one_file(
    backend: &dyn Backend,
    directory: Handle,
    line: &[u8],
) -> Result<Option<Changed>, StoreError> {
    let source = |wanted: &Handle| backend.get(wanted);
    let mut new: Vec<(Handle, Content)> = Vec::new();
    /// Less than that is a marker or a stub more often than text.
    const TINY_BYTES: u64 = 1000;
    let way = match way(backend, directory, TINY_BYTES)? {
        None => way(backend, directory, 0)?,
        found => found,
    };
    let Some(way) = way else { return Ok(None) };
    let mut child: Option<Handle> = None;
    let mut names = Vec::new();
    for (mut entries, at) in way.into_iter().rev() {
        let entry = &mut entries[at];
        names.push(name(entry.name.as_bytes()).into_owned());
        entry.child = match child {
            Some(below) => below,
            None => {
                let content = source(&entry.child.content())?;
                let missing = || StoreError::Missing(entry.child.content());
                let old =
                    content.as_ref().and_then(|content| content.blob()).ok_or_else(missing)?;
                let blob = Blob::new([old.bytes(), line].concat());
                let handle = blob.handle();
                new.push((handle, Content::Blob(blob)));
                handle
            }
        };
        let built = build(entries, |handle, part| {
            let content = match part {
                Part::Index(blob) => Content::Blob(blob),
                Part::Node(tree) => Content::Tree(tree),
            };
            new.push((handle, content));
            Ok(())
        });
        let what = format!("#{directory}");
        child = Some(built.map_err(|source| StoreError::Directory { what, source })?);
    }
    // A split directory is built whole, and most of its nodes are there already.
    let mut missing = Vec::new();
    for (handle, content) in new {
        if !backend.contains(&handle)? {
            missing.push((handle, content));
        }
    }
    backend.put(&missing)?;
    names.reverse();
    let objects = missing.len();
    Ok(child.map(|directory| Changed { directory, path: names.join("/"), objects }))
}

/// The directories down to a file, each with the place of what comes next.
type Way = Vec<(Vec<Entry>, usize)>;

/// The way to the first file of at least so many bytes, depth first.
fn way(backend: &dyn Backend, root: Handle, bytes_min: u64) -> Result<Option<Way>, StoreError> {
    let source = |wanted: &Handle| backend.get(wanted);
    let mut way = vec![(files::list(&source, &root)?, 0)];
    while let Some((entries, at)) = way.last_mut() {
        match entries.get(*at) {
            None => {
                way.pop();
                if let Some((_, at)) = way.last_mut() {
                    *at += 1;
                }
            }
            Some(entry) => match entry.kind {
                FileKind::File if entry.size() >= bytes_min => return Ok(Some(way)),
                FileKind::File | FileKind::Symlink => *at += 1,
                FileKind::Directory => {
                    let below = entry.child;
                    way.push((files::list(&source, &below)?, 0));
                }
            },
        }
    }
    Ok(None)
}
