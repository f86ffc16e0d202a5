use std::collections::HashSet;

use weft_object::Handle;

use crate::hash::HandleHash;

/// Content that some roots reach, by its Object's handle.
#[derive(Clone, Debug, Default)]
pub struct Marks(HashSet<Handle, HandleHash>);

impl Marks {
    /// Marks the content of one handle; whether it was unmarked.
    pub fn insert(&mut self, handle: &Handle) -> bool {
        !handle.is_literal() && self.0.insert(handle.content())
    }

    /// Whether the content of a handle is marked.
    #[must_use]
    pub fn contains(&self, handle: &Handle) -> bool {
        self.0.contains(&handle.content())
    }

    /// How many are marked.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
