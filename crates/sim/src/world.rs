//! Content, and the world of the reference evaluator made of it.

use std::collections::HashMap;

use weft_eval::{Application, NoAnswerKind, Outcome, reference, survey};
use weft_object::{Blob, Handle, Kind, Tree};

use crate::toy;

/// What lies under an Object handle that is no literal.
#[derive(Clone, Debug)]
pub enum Content {
    /// The bytes of a Blob.
    Blob(Blob),
    /// The entries of a Tree or Tag.
    Tree(Tree),
}

impl Content {
    /// The entries, of a Tree or Tag.
    #[must_use]
    pub fn tree(&self) -> Option<Tree> {
        match self {
            Self::Tree(tree) => Some(tree.clone()),
            Self::Blob(_) => None,
        }
    }

    /// The bytes, of a Blob.
    #[must_use]
    pub fn blob(&self) -> Option<Blob> {
        match self {
            Self::Blob(blob) => Some(blob.clone()),
            Self::Tree(_) => None,
        }
    }
}

/// All content that exists anywhere. A handle without content here is one that
/// everybody has lost.
#[derive(Clone, Debug)]
pub struct World {
    /// By Object handle.
    pub content: HashMap<Handle, Content>,
    /// The memory for applications: more is no answer, for the oracle too.
    pub capacity_bytes: u64,
}

impl World {
    /// Nothing, and so much memory for applications.
    #[must_use]
    pub fn new(capacity_bytes: u64) -> Self {
        Self { content: HashMap::new(), capacity_bytes }
    }

    /// Adds a Tree.
    pub fn put_tree(&mut self, entries: impl Into<Vec<Handle>>) -> Handle {
        let tree = Tree::new(entries.into());
        let handle = tree.handle();
        self.content.insert(handle, Content::Tree(tree));
        handle
    }

    /// Adds a Blob.
    pub fn put_blob(&mut self, bytes: impl Into<Vec<u8>>) -> Handle {
        let blob = Blob::new(bytes.into());
        let handle = blob.handle();
        if !handle.is_literal() {
            self.content.insert(handle, Content::Blob(blob));
        }
        handle
    }

    /// The Thunk that applies a Tree of these entries.
    pub fn application(&mut self, entries: impl Into<Vec<Handle>>) -> Handle {
        let tree = self.put_tree(entries);
        as_thunk(tree.application())
    }

    /// The Thunk that selects as a Tree of these entries says.
    pub fn selection(&mut self, definition: impl Into<Vec<Handle>>) -> Handle {
        let tree = self.put_tree(definition);
        as_thunk(tree.selection())
    }
}

fn as_thunk(handle: Option<Handle>) -> Handle {
    // Both are only called with a Tree's handle, of which there always is one.
    handle.unwrap_or(Handle::EMPTY)
}

/// What a survey of an application says of it, before it can run: what it
/// weighs, or why it never will here.
pub(crate) fn weigh(world: &World, application: &Application) -> Result<u64, Outcome> {
    let content = &world.content;
    let tree = |handle: Handle| content.get(&handle).and_then(Content::tree);
    let found = survey(application.handle, tree, |handle| content.contains_key(&handle));
    if let Some(missing) = found.missing_trees.first() {
        return Err(lost(*missing));
    }
    let bytes = found.bytes.saturating_add(application.memory_limit_bytes);
    if bytes > world.capacity_bytes {
        return Err(Outcome::no_answer(NoAnswerKind::TooLarge, "larger than this world"));
    }
    match found.missing_blobs.first() {
        Some(missing) => Err(lost(*missing)),
        None => Ok(bytes),
    }
}

/// That nobody has this.
pub(crate) fn lost(handle: Handle) -> Outcome {
    Outcome::no_answer(NoAnswerKind::Lost, format!("nobody has #{handle}"))
}

impl reference::World for World {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.content.get(&object)?.tree()
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        self.content.get(&object)?.blob()
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Handle {
        Self::put_tree(self, entries)
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        Self::put_blob(self, blob.bytes())
    }

    fn run(&mut self, application: &Application) -> Outcome {
        if let Err(outcome) = weigh(self, application) {
            return outcome;
        }
        let ran = toy::run(application, |handle| self.content.get(&handle).cloned());
        self.content.extend(ran.made);
        ran.outcome
    }
}

/// All that may be needed of a handle's content, and of that in turn: through
/// Refs, Thunks and Encodes too.
pub(crate) fn reach(
    content: &HashMap<Handle, Content>,
    roots: impl IntoIterator<Item = Handle>,
) -> std::collections::HashSet<Handle> {
    let mut seen = std::collections::HashSet::new();
    let mut open: Vec<Handle> = roots.into_iter().map(|handle| handle.content()).collect();
    while let Some(handle) = open.pop() {
        if handle.is_literal() || !seen.insert(handle) {
            continue;
        }
        if handle.kind() != Kind::Blob
            && let Some(Content::Tree(tree)) = content.get(&handle)
        {
            open.extend(tree.entries().iter().map(|entry| entry.content()));
        }
    }
    seen
}
