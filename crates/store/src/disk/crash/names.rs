//! The names of files: as they are seen, and as they would be found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::dice::Dice;

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(u64),
    Directory,
}

/// A change that was not synced.
#[derive(Clone, Debug)]
enum Change {
    Make { path: PathBuf, node: Node },
    Move { from: PathBuf, to: PathBuf, inode: u64 },
    Remove { path: PathBuf, inode: u64 },
    RemoveDirectory { path: PathBuf },
}

impl Change {
    fn is_in(&self, directory: &Path) -> bool {
        let is_in = |path: &Path| path.parent() == Some(directory);
        match self {
            Self::Make { path, .. }
            | Self::Remove { path, .. }
            | Self::RemoveDirectory { path } => is_in(path),
            // Where a file is gone to is for the other directory to say.
            Self::Move { to, .. } => is_in(to),
        }
    }

    fn inode(&self) -> Option<u64> {
        match self {
            Self::Make { node: Node::File(inode), .. }
            | Self::Move { inode, .. }
            | Self::Remove { inode, .. } => Some(*inode),
            Self::Make { .. } | Self::RemoveDirectory { .. } => None,
        }
    }

    fn apply(&self, names: &mut Names) {
        let mut take = |path: &Path, inode: u64| {
            if names.get(path) == Some(&Node::File(inode)) {
                names.remove(path);
            }
        };
        match self {
            Self::Make { path, node } => {
                names.insert(path.clone(), *node);
            }
            Self::Move { from, to, inode } => {
                take(from, *inode);
                names.insert(to.clone(), Node::File(*inode));
            }
            Self::Remove { path, inode } => take(path, *inode),
            // One with something in it stays, as the file system would see to.
            Self::RemoveDirectory { path } => {
                if !names.keys().any(|inside| inside.parent() == Some(path)) {
                    names.remove(path);
                }
            }
        }
    }
}

/// By whole paths.
pub(super) type Names = BTreeMap<PathBuf, Node>;

/// All names of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    seen: Names,
    durable: Names,
    since: Vec<Change>,
}

impl Directory {
    /// Everything durable. What lies in a directory that is not there is not
    /// there either.
    pub(super) fn durable(mut names: Names) -> Self {
        let found = names.clone();
        names.retain(|path, _| {
            let mut above = path.ancestors().skip(1);
            above.all(|above| is_root(above) || found.get(above) == Some(&Node::Directory))
        });
        Self { seen: names.clone(), durable: names, since: Vec::new() }
    }

    pub(super) fn seen(&self) -> &Names {
        &self.seen
    }

    pub(super) fn is_directory(&self, path: &Path) -> bool {
        is_root(path) || self.seen.get(path) == Some(&Node::Directory)
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.since.push(change);
    }

    pub(super) fn make(&mut self, path: &Path, node: Node) {
        self.change(Change::Make { path: path.into(), node });
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path, inode: u64) {
        self.change(Change::Move { from: from.into(), to: to.into(), inode });
    }

    pub(super) fn remove(&mut self, path: &Path, inode: u64) {
        self.change(Change::Remove { path: path.into(), inode });
    }

    pub(super) fn remove_directory(&mut self, path: &Path) {
        self.change(Change::RemoveDirectory { path: path.into() });
    }

    /// What happened in one directory is durable; so is what happened to the
    /// same files before, for a file has one name.
    pub(super) fn sync(&mut self, directory: &Path) {
        let synced: Vec<bool> = (0..self.since.len())
            .map(|at| {
                let inode = self.since[at].inode();
                let same = |later: &Change| later.inode().is_some() && later.inode() == inode;
                self.since[at].is_in(directory)
                    || self.since[at..].iter().any(|l| l.is_in(directory) && same(l))
            })
            .collect();
        let mut synced = synced.into_iter();
        let durable = &mut self.durable;
        self.since.retain(|change| {
            let is = synced.next().unwrap_or(false);
            if is {
                change.apply(durable);
            }
            !is
        });
    }

    /// What may be found when the power went.
    pub(super) fn after_crash(&self, dice: &mut Dice) -> Names {
        let mut found = self.durable.clone();
        for change in self.since.iter().filter(|_| dice.lasts()) {
            change.apply(&mut found);
        }
        found
    }

    /// Changes both what is seen and what is durable, outside of any order.
    pub(super) fn force(&mut self, path: &Path, node: Option<Node>) {
        self.since
            .retain(|change| !matches!(change, Change::Make { path: made, .. } if made == path));
        for names in [&mut self.seen, &mut self.durable] {
            match node {
                Some(node) => names.insert(path.into(), node),
                None => names.remove(path),
            };
        }
    }
}

pub(super) fn is_root(path: &Path) -> bool {
    path.parent().is_none()
}
