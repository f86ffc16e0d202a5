use std::collections::{BTreeMap, BTreeSet};

use weft_object::Handle;
use weft_object::directory::Name;

use super::Ino;

/// A directory as the run sees it.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The Tree that the input has here; `None` for one that the run made.
    pub(crate) base: Option<Handle>,
    /// Where it stands; `None` for a root and for what was removed.
    pub(crate) parent: Option<Ino>,
    /// Nothing can be made in a removed directory.
    pub(crate) removed: bool,
    /// What was looked up or changed.
    pub(crate) entries: BTreeMap<Name, Slot>,
    /// The order in which names are listed, once they were.
    pub(crate) order: Option<Order>,
}

/// What a name in a directory stands for now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// `None` if the run removed it.
    pub(crate) ino: Option<Ino>,
    /// Whether the input has something under this name.
    pub(crate) based: bool,
}

/// Positions of names for cookies: they only grow, so a position means the
/// same name for the whole run, whatever is made and removed meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pub(crate) names: Vec<Name>,
    known: BTreeSet<Name>,
}

impl Order {
    pub(crate) fn knows(&self, name: &Name) -> bool {
        self.known.contains(name)
    }

    /// A name that was removed and made again stands where it stood.
    pub(crate) fn add(&mut self, name: &Name) {
        if self.known.insert(name.clone()) {
            self.names.push(name.clone());
        }
    }
}

impl Directory {
    pub(super) fn of_base(base: Handle, parent: Option<Ino>) -> Self {
        let mut directory = Self::empty(parent);
        directory.base = Some(base);
        directory
    }

    pub(super) const fn empty(parent: Option<Ino>) -> Self {
        Self { base: None, parent, removed: false, entries: BTreeMap::new(), order: None }
    }

    /// Whether a name costs nothing more: the input has it, or its place in
    /// the listing is paid for.
    pub(super) fn is_paid(&self, name: &Name) -> bool {
        self.entries.get(name).is_some_and(|slot| slot.based)
            || self.order.as_ref().is_some_and(|order| order.knows(name))
    }
}
