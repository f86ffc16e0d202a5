//! Files and directories of one run: copies on write over Trees that are read
//! when somebody looks.
//!
//! Three things that are easily confused:
//!
//! - *Inode and entry.* An inode is a file, directory or symlink as the run
//!   sees it; it lives while a name or a descriptor holds it. An entry is a
//!   name for it. What the input holds becomes an inode when it is looked up.
//! - *Base and what the run made of it.* A directory's base is the Tree that
//!   the input has there; its entries are only what was looked up or changed.
//! - *Origin and place.* The origin of an inode is the path at which the input
//!   had it, and stays that when the inode is renamed; observations speak of
//!   origins.

mod budget;
mod change;
mod directory;
mod file;
mod inode;
mod listing;
mod nodes;
mod remove;
mod rename;
mod resolve;

pub(crate) use budget::Budget;
pub(crate) use directory::{Directory, Slot};
pub(crate) use file::{Bytes, File};
pub(crate) use inode::{Body, Ino, Inode, Origin, join};
pub(crate) use nodes::{Found, Nodes};
pub(crate) use resolve::{Resolved, path_text};

use std::collections::BTreeMap;

use weft_object::Handle;
use weft_object::directory::Name;

use crate::Errno;
use crate::observe::{Answer, Observed};
use crate::source::{Halt, Source};

/// How deep a run gets into the input, in bytes of the path from the root.
/// Each inode keeps its path, which would otherwise be quadratic.
const DEPTH_BYTES_MAX: usize = 16 << 10;

/// The files of one run.
#[derive(Debug)]
pub(crate) struct Fs {
    inodes: BTreeMap<Ino, Inode>,
    next: u64,
    /// How many the run has made.
    made: u64,
    pub(crate) roots: Vec<Ino>,
    pub(crate) nodes: Nodes,
    pub(crate) budget: Budget,
    pub(crate) observed: Observed,
    /// The time of everything that comes from the input.
    born_ns: u64,
    /// The time now.
    pub(crate) now_ns: u64,
}

impl Fs {
    pub(crate) fn new(roots: &[Handle], written_bytes: u64, born_ns: u64) -> Self {
        let mut fs = Self {
            inodes: BTreeMap::new(),
            next: 1,
            made: 0,
            roots: Vec::new(),
            nodes: Nodes::default(),
            budget: Budget::new(written_bytes),
            observed: Observed::default(),
            born_ns,
            now_ns: born_ns,
        };
        for (preopen, root) in (0..).zip(roots) {
            let origin = Origin { preopen, path: [].into() };
            let number = inode::number(&origin);
            let body = Body::Directory(Directory::of_base(*root, None));
            let inode = Inode::new(number, inode::DIRECTORY_MODE, born_ns, body, Some(origin));
            let ino = fs.add(inode);
            fs.roots.push(ino);
        }
        fs
    }

    fn add(&mut self, mut inode: Inode) -> Ino {
        let ino = Ino(self.next);
        self.next += 1;
        // Those of the input have the highest bit set, so these are others.
        if inode.number == 0 {
            self.made += 1;
            inode.number = self.made;
        }
        self.inodes.insert(ino, inode);
        ino
    }

    /// An inode that an entry, a descriptor or a root holds.
    pub(crate) fn inode(&self, ino: Ino) -> Result<&Inode, Errno> {
        self.inodes.get(&ino).ok_or(Errno::Noent)
    }

    pub(crate) fn inode_mut(&mut self, ino: Ino) -> Result<&mut Inode, Errno> {
        self.inodes.get_mut(&ino).ok_or(Errno::Noent)
    }

    pub(crate) fn directory(&self, ino: Ino) -> Result<&Directory, Errno> {
        self.inode(ino)?.directory().ok_or(Errno::Notdir)
    }

    pub(crate) fn directory_mut(&mut self, ino: Ino) -> Result<&mut Directory, Errno> {
        self.inode_mut(ino)?.directory_mut().ok_or(Errno::Notdir)
    }

    /// Finds a name; what the input has there becomes an inode.
    pub(crate) fn lookup(
        &mut self,
        source: &mut dyn Source,
        parent: Ino,
        name: &Name,
    ) -> Result<Option<Ino>, Halt> {
        let Some(inode) = self.inodes.get(&parent) else { return Ok(None) };
        let Some(directory) = inode.directory() else { return Ok(None) };
        if let Some(slot) = directory.entries.get(name) {
            return Ok(slot.ino);
        }
        let (Some(base), Some(origin)) = (directory.base, &inode.origin) else { return Ok(None) };
        let origin = origin.below(name);
        if origin.path.len() > DEPTH_BYTES_MAX {
            return Err(Errno::Nametoolong.into());
        }
        let Some(found) = self.nodes.find(source, &base, name.as_bytes())? else {
            self.observed.note(&origin, Answer::Absent);
            return Ok(None);
        };
        self.observed.note(&origin, Answer::Kind(found.kind));
        let body = Body::of_entry(&found, parent);
        let number = inode::number(&origin);
        let mut inode = Inode::new(number, found.mode, self.born_ns, body, Some(origin));
        inode.links = 1;
        let ino = self.add(inode);
        if let Ok(directory) = self.directory_mut(parent) {
            directory.entries.insert(name.clone(), Slot { ino: Some(ino), based: true });
        }
        Ok(Some(ino))
    }

    /// One descriptor more.
    pub(crate) fn opened(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.opens += 1;
        }
    }

    /// One descriptor less.
    pub(crate) fn closed(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.opens = inode.opens.saturating_sub(1);
        }
        self.forget_if_unheld(ino);
    }

    fn forget_if_unheld(&mut self, ino: Ino) {
        let unheld = |inode: &Inode| inode.links == 0 && inode.opens == 0;
        if self.roots.contains(&ino) || !self.inodes.get(&ino).is_some_and(unheld) {
            return;
        }
        if let Some(inode) = self.inodes.remove(&ino) {
            self.budget.give_back(inode.charged);
        }
    }

    /// Notes what the run came to know of an inode that the input has.
    pub(crate) fn observe(&mut self, ino: Ino, answer: Answer) {
        if let Some(origin) = self.inodes.get(&ino).and_then(|inode| inode.origin.as_ref()) {
            self.observed.note(origin, answer);
        }
    }
}
