//! What a run leaves behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Blob, Content, Handle};

use crate::fs::{Body, Bytes, Fs, Ino, Inode, join};
use crate::observe::{Edit, EditKind};
use crate::source::Source;
use crate::{Observation, Process, Stop};

/// What a program has written.
#[derive(Clone, Debug)]
pub struct Finished {
    /// All of standard output.
    pub stdout: Blob,
    /// All of standard error.
    pub stderr: Blob,
    /// What became of the directories, in their order: the given handle where
    /// nothing changed. A subtree that did not change is the same handle as
    /// before, Object or Ref.
    pub roots: Vec<Handle>,
    /// The content of all that is new in them, children before parents.
    pub content: Vec<(Handle, Content)>,
    /// What the run has looked at, in that order; `None` if it was too much to
    /// keep.
    pub observations: Option<Vec<Observation>>,
    /// What it has changed.
    pub edits: Vec<Edit>,
}

impl Process {
    /// Ends the run, after the program ended itself or its entry function
    /// returned: what it wrote becomes Blobs and Trees. Of the directories that
    /// have changes, all nodes are read; of others, nothing.
    ///
    /// Where content is missing, it can be asked for again once that is there.
    /// When it was answered, the process is spent.
    ///
    /// # Errors
    /// If content cannot be had, or a Tree is no directory.
    pub fn finish(&mut self, source: &mut dyn Source) -> Result<Finished, Stop> {
        let roots = self.fs.roots.clone();
        let mut ending = Ending { source, fs: &mut self.fs, ended: &mut self.ended };
        for root in &roots {
            ending.settle(*root)?;
        }
        let Ended { done, content, edits } = std::mem::take(&mut self.ended);
        Ok(Finished {
            stdout: Blob::new(std::mem::take(&mut self.stdout)),
            stderr: Blob::new(std::mem::take(&mut self.stderr)),
            roots: roots.iter().filter_map(|root| done.get(root).copied()).collect(),
            content,
            observations: std::mem::take(&mut self.fs.observed).into_list(),
            edits: edits.into_iter().collect(),
        })
    }
}

/// Makes a directory of its entries and keeps the nodes.
pub(crate) fn build_directory(
    entries: Vec<Entry>,
    content: &mut Vec<(Handle, Content)>,
) -> Result<Handle, DirectoryError> {
    build(entries, |handle, part| {
        let part = match part {
            Part::Index(blob) => Content::Blob(blob),
            Part::Node(tree) => Content::Tree(tree),
        };
        content.push((handle, part));
        Ok(())
    })
}

/// What has been finished so far.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// What has its handle already.
    done: BTreeMap<Ino, Handle>,
    content: Vec<(Handle, Content)>,
    edits: BTreeSet<Edit>,
}

struct Ending<'a> {
    source: &'a mut dyn Source,
    fs: &'a mut Fs,
    ended: &'a mut Ended,
}

/// A directory on the way, and its place in the input if it still stands there
/// with all that is above it.
struct Place {
    ino: Ino,
    origin: Option<(u32, Arc<[u8]>)>,
}

impl Ending<'_> {
    /// Names a root and all below it, without recursion: a program may nest
    /// directories as deep as it likes.
    fn settle(&mut self, root: Ino) -> Result<(), Stop> {
        let mut order = Vec::new();
        let origin = self.fs.inode(root).ok().and_then(|inode| inode.origin.clone());
        let origin = origin.map(|origin| (origin.preopen, origin.path));
        let mut todo = vec![Place { ino: root, origin }];
        while let Some(place) = todo.pop() {
            for (name, child) in self.slots(place.ino) {
                let kind = child.and_then(|child| Some(self.fs.inode(child).ok()?.kind()));
                if let (Some(child), Some(FileKind::Directory)) = (child, kind) {
                    let origin = self.still_at(&place, &name, child);
                    todo.push(Place { ino: child, origin });
                }
            }
            order.push(place);
        }
        while let Some(place) = order.pop() {
            if !self.ended.done.contains_key(&place.ino) {
                let handle = self.directory(&place)?;
                self.ended.done.insert(place.ino, handle);
            }
        }
        Ok(())
    }

    /// What may have changed in a directory: not what was only looked at.
    fn slots(&self, ino: Ino) -> Vec<(Name, Option<Ino>)> {
        let Ok(parent) = self.fs.inode(ino) else { return Vec::new() };
        let Some(directory) = parent.directory() else { return Vec::new() };
        let slots = directory.entries.iter().filter(|(name, slot)| {
            let Some(child) = slot.ino.and_then(|ino| self.fs.inode(ino).ok()) else { return true };
            let changes = match &child.body {
                Body::File(file) => matches!(file.bytes, Bytes::Own(_)),
                Body::Directory(_) => true,
                Body::Symlink(..) => false,
            };
            changes || !stands_below(child, parent, name)
        });
        slots.map(|(name, slot)| (name.clone(), slot.ino)).collect()
    }

    /// The place of a child in the input, if that is where it stands.
    fn still_at(&self, parent: &Place, name: &Name, child: Ino) -> Option<(u32, Arc<[u8]>)> {
        let (preopen, path) = parent.origin.as_ref()?;
        let path = join(path, name);
        let origin = self.fs.inode(child).ok()?.origin.as_ref()?;
        (origin.preopen == *preopen && origin.path == path).then_some((*preopen, path))
    }

    /// Names a directory whose subdirectories have their handles.
    fn directory(&mut self, place: &Place) -> Result<Handle, Stop> {
        let mut changes = BTreeMap::new();
        for (name, child) in self.slots(place.ino) {
            let Some(child) = child else {
                self.edit(place, &name, EditKind::Remove);
                changes.insert(name, None);
                continue;
            };
            let Some(entry) = self.entry(&name, child) else { continue };
            self.edit_entry(place, child, &entry);
            if !self.is_as_before(place.ino, child, &entry) {
                changes.insert(name, Some(entry));
            }
        }
        let base = self.fs.directory(place.ino).ok().and_then(|directory| directory.base);
        let entries = match base {
            Some(base) if changes.is_empty() => return Ok(base),
            Some(base) => merge(self.fs.nodes.list(self.source, &base)?, changes),
            None => changes.into_values().flatten().collect(),
        };
        let about = base.unwrap_or_else(|| Handle::of_tree(&[])).content();
        build_directory(entries, &mut self.ended.content)
            .map_err(|error| Stop::NotDirectory(about, error))
    }

    /// An entry of the result; what the run wrote is kept as content once.
    fn entry(&mut self, name: &Name, ino: Ino) -> Option<Entry> {
        let inode = self.fs.inode_mut(ino).ok()?;
        let (kind, mode) = (inode.kind(), inode.mode);
        let child = match self.ended.done.get(&ino) {
            Some(handle) => *handle,
            None => {
                let (handle, new) = match &mut inode.body {
                    Body::File(file) => match &mut file.bytes {
                        Bytes::Own(bytes) => {
                            let blob = Blob::new(std::mem::take(bytes));
                            (blob.handle(), Some(blob))
                        }
                        _ => (file.base?, None),
                    },
                    Body::Symlink(target, text) => {
                        (*target, text.take().filter(|_| inode.origin.is_none()))
                    }
                    // Those were named before what holds them.
                    Body::Directory(_) => return None,
                };
                if let Some(blob) = new.filter(|_| !handle.is_literal()) {
                    self.ended.content.push((handle, Content::Blob(blob)));
                }
                self.ended.done.insert(ino, handle);
                handle
            }
        };
        Some(Entry { name: name.clone(), kind, mode, child })
    }

    /// Whether the input has just this under this name.
    fn is_as_before(&self, parent: Ino, child: Ino, entry: &Entry) -> bool {
        let (Ok(parent), Ok(child)) = (self.fs.inode(parent), self.fs.inode(child)) else {
            return false;
        };
        let base = match &child.body {
            Body::File(file) => file.base,
            Body::Directory(directory) => directory.base,
            Body::Symlink(target, _) => Some(*target),
        };
        stands_below(child, parent, &entry.name) && base == Some(entry.child)
    }

    fn edit_entry(&mut self, place: &Place, child: Ino, entry: &Entry) {
        if self.still_at(place, &entry.name, child).is_none() {
            let kind = EditKind::Place(entry.kind, entry.mode, entry.child);
            self.edit(place, &entry.name, kind);
            return;
        }
        let file = self.fs.inode(child).ok().and_then(|inode| inode.file());
        // Also where it holds again what it did: elsewhere it may not.
        if file.is_some_and(|file| matches!(file.bytes, Bytes::Own(_))) {
            self.edit(place, &entry.name, EditKind::Write(entry.child));
        }
    }

    fn edit(&mut self, place: &Place, name: &Name, kind: EditKind) {
        if let Some((preopen, path)) = &place.origin {
            self.ended.edits.insert(Edit { preopen: *preopen, path: join(path, name), kind });
        }
    }
}

/// Whether the input has this inode in this directory under this name.
fn stands_below(child: &Inode, parent: &Inode, name: &Name) -> bool {
    match (&child.origin, &parent.origin) {
        (Some(child), Some(parent)) => child.is_below(parent, name),
        _ => false,
    }
}

fn merge(base: Vec<Entry>, changes: BTreeMap<Name, Option<Entry>>) -> Vec<Entry> {
    let named = base.into_iter().map(|entry| (entry.name.clone(), Some(entry)));
    let mut entries: BTreeMap<Name, Option<Entry>> = named.collect();
    entries.extend(changes);
    entries.into_values().flatten().collect()
}
