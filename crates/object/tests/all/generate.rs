//! Generators: handles of every kind, with the content below them.

use std::collections::HashMap;

use proptest::prelude::*;
use weft_object::{Handle, Selection, Tree};

/// Some handles and the content of every Tree and Tag below them.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    pub(crate) trees: HashMap<Handle, Tree>,
    pub(crate) handles: Vec<Handle>,
}

impl World {
    /// An existing handle that satisfies a condition, chosen by a number.
    fn pick(&self, by: u16, fits: impl Fn(&Handle) -> bool) -> Option<Handle> {
        let fitting: Vec<_> = self.handles.iter().filter(|h| fits(h)).collect();
        fitting.get(usize::from(by) % fitting.len().max(1)).map(|h| **h)
    }

    fn add_tree(&mut self, entries: Vec<Handle>) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.trees.insert(handle, tree);
        handle
    }

    fn grow(&mut self, step: &Step) {
        let made = match step {
            Step::Blob(bytes) => Some(Handle::of_blob(bytes)),
            Step::Tree(picks) => {
                let entries = picks.iter().filter_map(|&by| self.pick(by, |_| true)).collect();
                Some(self.add_tree(entries))
            }
            Step::Tag(a, b, c) => {
                // Only an evaluated value can be in a Tag.
                let pick = |by| self.pick(by, |h| !h.has_encode());
                pick(*a).zip(pick(*b)).zip(pick(*c)).and_then(|((a, b), c)| {
                    let tag = Tree::new([a, b, c]);
                    let handle = tag.tag_handle()?;
                    self.trees.insert(handle, tag);
                    Some(handle)
                })
            }
            Step::Selection(by, index) => self.pick(*by, |_| true).and_then(|target| {
                self.add_tree(Selection::Entry(*index).definition(target)).selection()
            }),
            Step::Derive(by, how) => self.pick(*by, |_| true).and_then(|from| derive(from, *how)),
        };
        self.handles.extend(made);
    }
}

/// One of the ways to make a handle from another; `None` where it does not fit.
fn derive(from: Handle, how: u8) -> Option<Handle> {
    match how % 7 {
        0 => from.lower(),
        1 => from.lift(),
        2 => from.application(),
        3 => from.identification(),
        4 => from.selection(),
        5 => from.strict(),
        _ => from.shallow(),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Blob(Vec<u8>),
    Tree(Vec<u16>),
    Tag(u16, u16, u16),
    Selection(u16, u64),
    Derive(u16, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..80).prop_map(Step::Blob),
        4 => prop::collection::vec(any::<u16>(), 0..12).prop_map(Step::Tree),
        1 => any::<(u16, u16, u16)>().prop_map(|(a, b, c)| Step::Tag(a, b, c)),
        1 => any::<(u16, u64)>().prop_map(|(by, index)| Step::Selection(by, index)),
        6 => any::<(u16, u8)>().prop_map(|(by, how)| Step::Derive(by, how)),
    ]
}

/// Each step may hash a Tree, which takes Miri a tenth of a second.
const STEPS_MAX: usize = if cfg!(miri) { 8 } else { 60 };

/// A world of sharing handles, most kinds among them.
pub(crate) fn world() -> impl Strategy<Value = World> {
    prop::collection::vec(step(), 1..STEPS_MAX).prop_map(|steps| {
        let mut world = World::default();
        world.handles.push(Handle::of_u64(7));
        steps.iter().for_each(|step| world.grow(step));
        world
    })
}

/// One handle of any kind.
pub(crate) fn handle() -> impl Strategy<Value = Handle> {
    world().prop_flat_map(|world| prop::sample::select(world.handles))
}

/// Bytes that are nearly a handle: one with a few fields overwritten.
pub(crate) fn nearly_a_handle() -> impl Strategy<Value = [u8; 32]> {
    let length = prop_oneof![Just(0u64), 0..40u64, Just(3), any::<u64>()];
    let change = prop_oneof![
        any::<u8>().prop_map(|byte| (31, vec![byte])),
        any::<u8>().prop_map(|byte| (30, vec![byte])),
        length.prop_map(|n| (24, n.to_le_bytes()[..6].to_vec())),
        (0..32usize, any::<u8>()).prop_map(|(at, byte)| (at, vec![byte])),
    ];
    (handle(), prop::collection::vec(change, 0..4)).prop_map(|(handle, changes)| {
        let mut raw = *handle.as_bytes();
        for (at, bytes) in changes {
            raw[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        raw
    })
}
