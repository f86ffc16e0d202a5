//! The Trees of directories, once all that is in them is named.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Content, Handle};

use super::leaf::Leaf;
use super::walk::{Found, Walk};
use crate::{Backend, StoreError};

// Handed on when it comes to so much.
const BATCH_BYTES: u64 = 4 << 20;

pub(super) fn build_all(
    backend: &dyn Backend,
    walk: &Walk,
    leaves: &[Option<Leaf>],
) -> Result<Handle, StoreError> {
    let mut batch = Batch::default();
    let mut built = vec![Handle::of_u64(0); walk.directories.len()];
    // What is inside comes later in the walk, so it is built first.
    for (at, directory) in walk.directories.iter().enumerate().rev() {
        let fail =
            |source| StoreError::Directory { what: directory.path.display().to_string(), source };
        let mut entries = Vec::with_capacity(directory.entries.len());
        for (name, found) in &directory.entries {
            let name = Name::new(name.as_bytes())
                .map_err(|error| fail(DirectoryError::BadName(entries.len(), error)))?;
            let leaf = match *found {
                Found::Leaf(leaf) => leaves[leaf],
                Found::Directory(inside) => Some(Leaf {
                    kind: FileKind::Directory,
                    mode: walk.directories[inside].mode,
                    child: built[inside],
                }),
            };
            let Some(Leaf { kind, mode, child }) = leaf else {
                return Err(StoreError::Changed(
                    directory.path.join(OsStr::from_bytes(name.as_bytes())),
                ));
            };
            entries.push(Entry { name, kind, mode, child });
        }
        let mut parts = Vec::new();
        built[at] = build(entries, |handle, part| {
            parts.push((handle, part));
            Ok(())
        })
        .map_err(fail)?;
        for (handle, part) in parts {
            let content = match part {
                Part::Index(blob) => Content::Blob(blob),
                Part::Node(tree) => Content::Tree(tree),
            };
            batch.push(backend, handle, content)?;
        }
    }
    batch.flush(backend)?;
    Ok(built[0])
}

/// Objects on their way to the backend.
#[derive(Default)]
struct Batch {
    objects: Vec<(Handle, Content)>,
    bytes: u64,
}

impl Batch {
    fn push(
        &mut self,
        backend: &dyn Backend,
        handle: Handle,
        content: Content,
    ) -> Result<(), StoreError> {
        if handle.is_literal() {
            return Ok(());
        }
        self.bytes += content.bytes_len();
        self.objects.push((handle, content));
        match self.bytes >= BATCH_BYTES {
            true => self.flush(backend),
            false => Ok(()),
        }
    }

    fn flush(&mut self, backend: &dyn Backend) -> Result<(), StoreError> {
        backend.put(&self.objects)?;
        self.objects.clear();
        self.bytes = 0;
        Ok(())
    }
}
