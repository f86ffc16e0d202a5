use alloc::vec::Vec;

use super::index::{LEVEL_MAX, Record, SPLIT_MAX, SPLIT_MIN, encode};
use super::{DirectoryError, Entry};
use crate::{Blob, Handle, Tree};

/// Content that a directory is made of.
#[derive(Clone, Debug)]
pub enum Part {
    /// A node's index; one that fits a literal is not handed out.
    Index(Blob),
    /// A node.
    Node(Tree),
}

/// Makes the directory with these entries, in whatever order they come, and
/// hands each new piece of content to `sink`, children before parents. The
/// content of the entries themselves is the caller's.
///
/// # Errors
/// A name given twice, a mode with other bits than permissions, or a child of
/// the wrong kind; the position is that in order of names. Or the first error
/// of `sink`.
pub fn build<E: From<DirectoryError>>(
    mut entries: Vec<Entry>,
    mut sink: impl FnMut(Handle, Part) -> Result<(), E>,
) -> Result<Handle, E> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    check(&entries)?;
    let items: Vec<Item<'_>> = entries
        .iter()
        .map(|entry| Item {
            record: Record {
                name: entry.name.as_bytes(),
                kind: Some(entry.kind),
                mode: entry.mode,
                size: entry.size(),
            },
            child: entry.child,
        })
        .collect();
    let mut nodes = level(0, &items, &mut sink)?;
    for above in 1..=LEVEL_MAX {
        if nodes.len() == 1 {
            break;
        }
        nodes = level(above, &nodes, &mut sink)?;
    }
    // Every level divides by at least 1024, so 48 bits of names end below
    // LEVEL_MAX: one node is left.
    Ok(nodes[0].child)
}

fn check(entries: &[Entry]) -> Result<(), DirectoryError> {
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 && entries[at - 1].name == entry.name {
            return Err(DirectoryError::Duplicate(entry.name.clone()));
        }
        let link = entry.kind == super::FileKind::Symlink;
        if entry.mode > 0o777 || (link && entry.mode != Entry::SYMLINK_MODE) {
            return Err(DirectoryError::BadMode(at, entry.mode));
        }
        if !entry.kind.admits(&entry.child) {
            return Err(DirectoryError::BadChild(at));
        }
    }
    Ok(())
}

struct Item<'a> {
    record: Record<'a>,
    child: Handle,
}

/// Splits the items of one level into nodes; returns those as the items of the
/// level above. No items make one empty node.
fn level<'a, E>(
    level: u8,
    items: &[Item<'a>],
    sink: &mut impl FnMut(Handle, Part) -> Result<(), E>,
) -> Result<Vec<Item<'a>>, E> {
    let mut nodes = Vec::new();
    let mut rest = items;
    loop {
        let names = rest.iter().map(|item| item.record.name);
        let (here, after) = rest.split_at(node_length(level, names));
        let bytes = encode(level, here.iter().map(|item| item.record));
        let index = Handle::of_blob(&bytes);
        if !index.is_literal() {
            sink(index, Part::Index(Blob::new(bytes)))?;
        }
        let mut entries = Vec::with_capacity(1 + here.len());
        entries.push(index);
        entries.extend(here.iter().map(|item| item.child));
        let tree = Tree::new(entries);
        let child = tree.handle();
        sink(child, Part::Node(tree))?;
        let size = match level {
            0 => here.len() as u64,
            _ => here.iter().map(|item| item.record.size).sum(),
        };
        let name = here.first().map_or(&[][..], |item| item.record.name);
        nodes.push(Item { record: Record { name, kind: None, mode: 0, size }, child });
        if after.is_empty() {
            return Ok(nodes);
        }
        rest = after;
    }
}

/// How many of the names to come belong to the node that begins with them.
///
/// Whether a node ends before a name depends on that name's digest, so that a
/// name more or less moves the borders nearby and no others.
pub(super) fn node_length<'a>(level: u8, names: impl Iterator<Item = &'a [u8]>) -> usize {
    let mut length = 0;
    for name in names {
        if length == SPLIT_MAX || (length >= SPLIT_MIN && begins_node(level, name)) {
            break;
        }
        length += 1;
    }
    length
}

// One name in 1024, by ten bits of its digest; others for each level, or every
// leaf would also begin an inner node.
fn begins_node(level: u8, name: &[u8]) -> bool {
    let digest = blake3::hash(name);
    let mut low = [0; 8];
    low.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_le_bytes(low) >> (10 * level) & 0x3ff == 0
}
