use std::collections::HashSet;

use weft_object::{Handle, Kind, Tree};

/// What the footprint of an evaluated application holds, and what of it is not
/// resident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Bytes of all content found, each counted once, resident or not.
    pub bytes: u64,
    /// Trees that are not resident: nobody knows yet what lies below them, so
    /// `bytes` is not final.
    pub missing_trees: Vec<Handle>,
    /// Blobs that are not resident.
    pub missing_blobs: Vec<Handle>,
}

/// Walks everything reachable from a Tree through accessible Objects, not
/// through Refs and Thunks.
///
/// `tree` gives resident Trees and Tags, `has_blob` says which Blobs are.
pub fn survey(
    root: Handle,
    mut tree: impl FnMut(Handle) -> Option<Tree>,
    mut has_blob: impl FnMut(Handle) -> bool,
) -> Survey {
    let mut found = Survey::default();
    // The first Tree is looked at before anything is allocated: arguments that
    // are all literals are the common case.
    let mut seen: HashSet<Handle> = HashSet::new();
    let mut open = Vec::new();
    let mut next = Some(root);
    while let Some(object) = next {
        match object.kind() {
            Kind::Blob => {
                found.bytes = found.bytes.saturating_add(object.length().unwrap_or(0));
                if !has_blob(object) {
                    found.missing_blobs.push(object);
                }
            }
            _ => match tree(object) {
                None => found.missing_trees.push(object),
                Some(content) => {
                    found.bytes = found.bytes.saturating_add(32 * content.entries().len() as u64);
                    let below = content.entries().iter();
                    let objects = below.filter(|h| h.kind().is_object() && !h.is_literal());
                    open.extend(objects.filter(|handle| seen.insert(**handle)));
                }
            },
        }
        next = open.pop();
    }
    found
}
