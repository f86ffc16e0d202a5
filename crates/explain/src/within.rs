//! Looking for something inside of Trees.

use std::collections::HashSet;

use weft_object::directory::Node;
use weft_object::{Handle, Kind, Tree};
use weft_store::{HandleHash, StoreError};

use crate::Source;
use crate::diff::Step;

/// So many Trees are remembered not to have it; then all are forgotten.
const REMEMBERED: usize = 1 << 20;

/// A search for one content in many Trees that share parts.
pub(crate) struct Search<'a, S: ?Sized> {
    source: &'a S,
    wanted: HashSet<Handle, HandleHash>,
    without: HashSet<Handle, HandleHash>,
    /// How many more Trees may be read.
    room: usize,
}

/// A Tree on the way, with the entry that is next.
struct On {
    handle: Handle,
    tree: Tree,
    next: usize,
}

impl<'a, S: Source + ?Sized> Search<'a, S> {
    pub(crate) fn new(source: &'a S, wanted: Handle) -> Self {
        Self::of_many(source, [wanted], usize::MAX)
    }

    pub(crate) fn of_many(
        source: &'a S,
        wanted: impl IntoIterator<Item = Handle>,
        room: usize,
    ) -> Self {
        let wanted = wanted.into_iter().map(Handle::content).collect();
        Self { source, wanted, without: HashSet::default(), room }
    }

    /// Whether it was looked into already, and did not have it.
    pub(crate) fn is_without(&self, tree: &Handle) -> bool {
        self.without.contains(&tree.content())
    }

    /// Where in a Tree the content is, if it is there.
    pub(crate) fn look_into(&mut self, root: Handle) -> Result<Option<Vec<Step>>, StoreError> {
        let mut found = None;
        self.each(root, &mut |_, path| {
            found = Some(path);
            false
        })?;
        Ok(found)
    }

    /// Tells of everything wanted that is below a Tree, each time with its place,
    /// until `visit` has enough. What was looked into before is passed over.
    pub(crate) fn each(
        &mut self,
        root: Handle,
        visit: &mut dyn FnMut(Handle, Vec<Step>) -> bool,
    ) -> Result<(), StoreError> {
        let mut way: Vec<On> = self.open(root)?.into_iter().collect();
        while let Some(on) = way.last_mut() {
            let Some(entry) = on.tree.entries().get(on.next).copied() else {
                let handle = on.handle;
                way.pop();
                if self.without.len() >= REMEMBERED {
                    self.without.clear();
                }
                self.without.insert(handle);
                continue;
            };
            on.next += 1;
            let content = entry.content();
            if entry.kind().is_data() && self.wanted.contains(&content) {
                let path = self.path(&way)?;
                if !visit(content, path) {
                    return Ok(());
                }
            }
            if let Some(below) = self.open(entry)? {
                way.push(below);
            }
        }
        Ok(())
    }

    fn open(&mut self, handle: Handle) -> Result<Option<On>, StoreError> {
        // What a Thunk is made of is in nobody's result.
        if !is_tree(&handle) || self.room == 0 || self.is_without(&handle) {
            return Ok(None);
        }
        let handle = handle.content();
        self.room -= 1;
        let content = self.source.content(&handle)?;
        let tree = content.and_then(|content| content.tree().cloned());
        Ok(tree.map(|tree| On { handle, tree, next: 0 }))
    }

    /// The place that a way leads to: names in directories, numbers elsewhere.
    fn path(&self, way: &[On]) -> Result<Vec<Step>, StoreError> {
        let mut steps = Vec::new();
        for on in way {
            let at = on.next.saturating_sub(1);
            steps.extend(step(self.source, &on.tree, at)?);
        }
        Ok(steps)
    }
}

/// Whether it is data that has entries.
pub(crate) fn is_tree(handle: &Handle) -> bool {
    matches!(handle.kind(), Kind::Tree | Kind::TreeRef | Kind::Tag | Kind::TagRef)
}

/// What an entry of a Tree is called; nothing, of a node inside of a directory.
fn step(
    source: &(impl Source + ?Sized),
    tree: &Tree,
    at: usize,
) -> Result<Option<Step>, StoreError> {
    let number = Some(Step::Entry(at as u64));
    let (Ok(index), Some(before)) = (Node::index_handle(tree.entries()), at.checked_sub(1)) else {
        return Ok(number);
    };
    let stored;
    let bytes = match index.literal_bytes() {
        Some(bytes) => bytes,
        None => {
            stored = source.content(&index)?;
            let blob = stored.as_ref().and_then(|content| content.blob());
            let Some(blob) = blob else { return Ok(number) };
            blob.bytes()
        }
    };
    let Ok(node) = Node::parse(bytes, tree.entries()) else { return Ok(number) };
    if node.index().level() > 0 {
        return Ok(None);
    }
    Ok(node.index().get(before).map(|record| Step::Name(record.name.to_vec())))
}
