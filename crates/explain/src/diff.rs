//! What is different: between two Trees, or between two computations.
//!
//! What has one handle is the same and is not read, so the work is in
//! proportion to what is different. Directories are compared by names, however
//! they are split into nodes; other Trees, and computations, by position, where
//! what came or went in between shifts nothing.

mod align;
mod computation;
mod directory;
mod moves;
mod place;

use std::collections::HashSet;
use std::rc::Rc;

use weft_object::directory::FileKind;
use weft_object::{Blob, Content, Handle, Kind, Tree};
use weft_store::StoreError;

pub(crate) use align::aligned;
pub use computation::entry_step;
pub use place::{Step, place_text};

use crate::Source;
use place::Link;

/// What is different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Each with its place, in order of places.
    pub changes: Vec<Change>,
    /// What would have had to be read and is not there.
    pub missing: Vec<Handle>,
    /// Whether there is more than this.
    pub cut: bool,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where, from the outermost on; of a move, where to.
    pub at: Vec<Step>,
    /// What.
    pub what: What,
}

/// A sort of difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// One thing in the place of another.
    Changed {
        /// What was there.
        old: Handle,
        /// What is there.
        new: Handle,
        /// Of two Blobs, how many bytes are the same before the first that is
        /// not; `None` if they were not read.
        same_bytes: Option<u64>,
    },
    /// Only in the new one.
    Added(Item),
    /// Only in the old one.
    Removed(Item),
    /// In both, under different names. If the directories that held or hold it
    /// are new or gone themselves, they are named apart.
    Moved {
        /// Where it was.
        from: Vec<Step>,
        /// What it is.
        item: Item,
    },
    /// Other permissions.
    Mode {
        /// Before.
        old: u16,
        /// After.
        new: u16,
    },
    /// The same content, as Ref instead of Object or the other way round.
    Access {
        /// Before.
        old: Handle,
        /// After.
        new: Handle,
    },
}

/// What stands in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub handle: Handle,
    /// In a directory: what it is there, and its permissions.
    pub file: Option<(FileKind, u16)>,
}

/// How far a comparison goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// So many differences.
    pub changes_max: usize,
    /// So many pairs are looked at: of what is in many places, each counts.
    pub pairs_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { changes_max: 1_000_000, pairs_max: 4_000_000 }
    }
}

/// Places deeper than this are compared by their handles alone.
const DEPTH_MAX: usize = 1000;

/// Compares.
///
/// # Errors
/// The source cannot be read.
pub fn diff(
    source: &(impl Source + ?Sized),
    old: Handle,
    new: Handle,
    bounds: Bounds,
) -> Result<Diff, StoreError> {
    let mut differ = Differ {
        source,
        out: Diff::default(),
        open: vec![Pair { at: Link::root(), old, new }],
        missing: HashSet::new(),
        bounds,
        pairs: 0,
    };
    while let Some(pair) = differ.open.pop() {
        differ.pairs += 1;
        if differ.pairs > bounds.pairs_max || differ.out.changes.len() >= bounds.changes_max {
            differ.out.cut = true;
            break;
        }
        differ.pair(&pair)?;
    }
    let moves = differ.moves()?;
    let mut out = differ.out;
    out.changes.extend(moves);
    // The old thing first where one took the place of another.
    let added = |change: &Change| matches!(change.what, What::Added(_) | What::Moved { .. });
    out.changes.sort_by(|a, b| a.at.cmp(&b.at).then(added(a).cmp(&added(b))));
    out.missing.sort_unstable();
    Ok(out)
}

struct Pair {
    at: Rc<Link>,
    old: Handle,
    new: Handle,
}

struct Differ<'a, S: ?Sized> {
    source: &'a S,
    out: Diff,
    open: Vec<Pair>,
    missing: HashSet<Handle>,
    bounds: Bounds,
    pairs: usize,
}

impl<S: Source + ?Sized> Differ<'_, S> {
    fn pair(&mut self, pair: &Pair) -> Result<(), StoreError> {
        let Pair { at, old, new } = pair;
        if old == new {
            return Ok(());
        }
        let (from, to) = (old.kind(), new.kind());
        if from.is_data() && to.is_data() && old.content() == new.content() {
            self.push(at, What::Access { old: *old, new: *new });
            return Ok(());
        }
        let is_tree = |kind| matches!(kind, Kind::Tree | Kind::TreeRef);
        if at.depth() < DEPTH_MAX {
            if is_tree(from) && is_tree(to) {
                return self.trees(pair);
            }
            if !from.is_data() && from == to {
                return self.computations(pair);
            }
        }
        let blob = |kind| matches!(kind, Kind::Blob | Kind::BlobRef);
        let same_bytes = match blob(from) && blob(to) {
            true => self.same_bytes(*old, *new)?,
            false => None,
        };
        self.push(at, What::Changed { old: *old, new: *new, same_bytes });
        Ok(())
    }

    fn trees(&mut self, pair: &Pair) -> Result<(), StoreError> {
        let Some((old, new)) = self.two_trees(pair.old, pair.new)? else {
            return self.unread(pair);
        };
        if let Some(old) = self.node(&old)?
            && let Some(new) = self.node(&new)?
        {
            return self.directories(pair, old, new);
        }
        self.by_position(&pair.at, old.entries(), new.entries(), Step::Entry);
        Ok(())
    }

    /// Both contents; `None`, noting which, if one is not there.
    fn two_trees(&mut self, old: Handle, new: Handle) -> Result<Option<(Tree, Tree)>, StoreError> {
        let (old, new) = (self.tree(old)?, self.tree(new)?);
        Ok(old.zip(new))
    }

    /// Entries that have no names. A place is the one in the new list, of what
    /// went the one that it had.
    fn by_position(
        &mut self,
        at: &Rc<Link>,
        old: &[Handle],
        new: &[Handle],
        step: impl Fn(u64) -> Step,
    ) {
        let item = |handle: &Handle| Item { handle: *handle, file: None };
        for (from, to) in aligned(old, new) {
            let Some(place) = to.or(from) else { continue };
            let at = || at.with(step(place as u64));
            match (from.map(|from| &old[from]), to.map(|to| &new[to])) {
                (Some(old), Some(new)) if old != new => {
                    self.open.push(Pair { at: at(), old: *old, new: *new });
                }
                (Some(old), None) => self.push(&at(), What::Removed(item(old))),
                (None, Some(new)) => self.push(&at(), What::Added(item(new))),
                _ => {}
            }
        }
    }

    fn push(&mut self, at: &Rc<Link>, what: What) {
        match self.out.changes.len() < self.bounds.changes_max {
            true => self.out.changes.push(Change { at: at.steps(), what }),
            false => self.out.cut = true,
        }
    }

    /// Of what cannot be read only this is known.
    fn unread(&mut self, pair: &Pair) -> Result<(), StoreError> {
        self.push(&pair.at, What::Changed { old: pair.old, new: pair.new, same_bytes: None });
        Ok(())
    }

    fn same_bytes(&mut self, old: Handle, new: Handle) -> Result<Option<u64>, StoreError> {
        let (Some(old), Some(new)) = (self.blob(old)?, self.blob(new)?) else { return Ok(None) };
        Ok(Some(common(old.bytes(), new.bytes()) as u64))
    }

    fn content(&mut self, handle: Handle) -> Result<Option<Content>, StoreError> {
        let handle = handle.content();
        if let Some(bytes) = handle.literal_bytes() {
            return Ok(Some(Content::Blob(Blob::new(bytes.to_vec()))));
        }
        let content = self.source.content(&handle)?;
        if content.is_none() && self.missing.insert(handle) {
            self.out.missing.push(handle);
        }
        Ok(content)
    }

    fn tree(&mut self, handle: Handle) -> Result<Option<Tree>, StoreError> {
        Ok(self.content(handle)?.and_then(|content| content.tree().cloned()))
    }

    fn blob(&mut self, handle: Handle) -> Result<Option<Blob>, StoreError> {
        Ok(self.content(handle)?.and_then(|content| content.blob().cloned()))
    }
}

/// How many bytes two texts begin with alike. By blocks, which compare fast.
fn common(old: &[u8], new: &[u8]) -> usize {
    const BLOCK: usize = 4096;
    let blocks = old.chunks(BLOCK).zip(new.chunks(BLOCK));
    let whole = blocks.take_while(|(old, new)| old.len() == BLOCK && old == new).count() * BLOCK;
    let rest = old[whole..].iter().zip(&new[whole..]);
    whole + rest.take_while(|(old, new)| old == new).count()
}
