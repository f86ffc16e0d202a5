use std::collections::BTreeMap;
use std::sync::Arc;

use weft_object::directory::{Entry, FileKind, Name};
use weft_object::{Content, Handle};

use super::look::{Directories, split};
use super::{Edit, EditKind};
use crate::Stop;
use crate::finish::build_directory;
use crate::source::Source;

/// Directories with edits made to them.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The new directories, in the order of the old ones: the given handle
    /// where nothing changed.
    pub roots: Vec<Handle>,
    /// Their nodes that are new, children before parents. Files are not among
    /// them: those came with the run that gave the edits.
    pub content: Vec<(Handle, Content)>,
}

/// What becomes of a name in a directory.
enum Change {
    Edit(EditKind),
    /// The directory there is another one now.
    Below(Handle),
}

type Changes = BTreeMap<Name, Change>;

/// Makes the edits of a run to directories that agree with its observations.
/// `None` if these have not what the edits change, so that they cannot agree.
///
/// Directories that are edited are read and built again, and no others.
///
/// # Errors
/// If content cannot be had, or a Tree on the way is no directory.
pub fn apply(
    edits: &[Edit],
    roots: &[Handle],
    source: &mut dyn Source,
) -> Result<Option<Applied>, Stop> {
    let mut applied = Applied { roots: roots.to_vec(), content: Vec::new() };
    let mut trees = Directories::new(roots);
    // By depth, the deepest last: what changed below is a change above.
    let mut open: BTreeMap<(usize, u32, Arc<[u8]>), Changes> = BTreeMap::new();
    for edit in edits {
        let Some((parent, name)) = split_name(&edit.path) else { return Ok(None) };
        let changes = open.entry(key(edit.preopen, parent)).or_default();
        changes.insert(name, Change::Edit(edit.kind));
    }
    while let Some(((_, preopen, path), changes)) = open.pop_last() {
        let Some(directory) = trees.directory(source, preopen, &path)? else { return Ok(None) };
        let old = trees.nodes.list(source, &directory)?;
        let Some(entries) = change(old, changes) else { return Ok(None) };
        let new = match entries {
            None => directory,
            Some(entries) => build_directory(entries, &mut applied.content)
                .map_err(|error| Stop::NotDirectory(directory.content(), error))?,
        };
        if path.is_empty() {
            applied.roots[preopen as usize] = new;
            continue;
        }
        let Some((parent, name)) = split_name(&path) else { return Ok(None) };
        let changes = open.entry(key(preopen, parent)).or_default();
        changes.entry(name).or_insert(Change::Below(new));
    }
    Ok(Some(applied))
}

fn key(preopen: u32, path: &[u8]) -> (usize, u32, Arc<[u8]>) {
    let depth = match path {
        [] => 0,
        _ => 1 + path.iter().filter(|&&byte| byte == b'/').count(),
    };
    (depth, preopen, path.into())
}

fn split_name(path: &[u8]) -> Option<(&[u8], Name)> {
    let (parent, name) = split(path)?;
    Some((parent, Name::new(name).ok()?))
}

/// What a directory has after the changes, `Some(None)` where that is what it
/// had: a run that writes what was there leaves the handle as it is, and so a
/// Ref a Ref. What it removed or placed counts as a change in any case.
fn change(old: Vec<Entry>, changes: Changes) -> Option<Option<Vec<Entry>>> {
    let named = old.into_iter().map(|entry| (entry.name.clone(), entry));
    let mut entries: BTreeMap<Name, Entry> = named.collect();
    let mut changed = false;
    for (name, change) in changes {
        changed |= match change {
            Change::Edit(EditKind::Remove) => entries.remove(&name).map(|_| true)?,
            Change::Edit(EditKind::Place(kind, mode, child)) => {
                entries.insert(name.clone(), Entry { name, kind, mode, child });
                true
            }
            Change::Edit(EditKind::Write(child)) => {
                replace(&mut entries, &name, FileKind::File, child)?
            }
            Change::Below(child) => replace(&mut entries, &name, FileKind::Directory, child)?,
        };
    }
    Some(changed.then(|| entries.into_values().collect()))
}

/// Gives a name another child; whether it was another.
fn replace(
    entries: &mut BTreeMap<Name, Entry>,
    name: &Name,
    kind: FileKind,
    child: Handle,
) -> Option<bool> {
    let entry = entries.get_mut(name).filter(|entry| entry.kind == kind)?;
    Some(std::mem::replace(&mut entry.child, child) != child)
}
