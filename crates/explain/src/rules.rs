//! The rules over content that can be read, with nothing recalled: so a look at
//! a key says what it needs, instead of what it comes to.

use std::collections::HashMap;

use weft_eval::{Application, Attempt, Budget, Key, Outcome, Platform, Report, Resume, evaluate};
use weft_object::{Blob, Content, Handle, Tree};
use weft_store::{HandleHash, StoreError};

use crate::Source;

pub(crate) struct Rules<'a, S: ?Sized> {
    source: &'a S,
    /// What the rules made on the way. It need not be stored anywhere.
    made: HashMap<Handle, Content, HandleHash>,
    failed: Option<StoreError>,
}

impl<'a, S: Source + ?Sized> Rules<'a, S> {
    pub(crate) fn new(source: &'a S) -> Self {
        Self { source, made: HashMap::default(), failed: None }
    }

    /// Looks at one key alone, for one step of a chain of tail calls.
    pub(crate) fn look(&mut self, key: Key, resume: &Resume) -> Result<Report, StoreError> {
        let report = evaluate(self, key, None, resume, Budget { depth: 0, tail_steps: 1 });
        self.failed.take().map_or(Ok(report), Err)
    }

    pub(crate) fn content(&mut self, object: Handle) -> Option<Content> {
        if let Some(made) = self.made.get(&object) {
            return Some(made.clone());
        }
        self.source.content(&object).unwrap_or_else(|error| {
            self.failed.get_or_insert(error);
            None
        })
    }

    fn keep(&mut self, handle: Handle, content: Content) -> Handle {
        if !handle.is_literal() {
            self.made.insert(handle, content);
        }
        handle
    }
}

impl<S: Source + ?Sized> Platform for Rules<'_, S> {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.content(object)?.tree().cloned()
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        self.content(object)?.blob().cloned()
    }

    fn put_tree(&mut self, tree: Tree) -> Handle {
        self.keep(tree.handle(), Content::Tree(tree))
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        self.keep(blob.handle(), Content::Blob(blob))
    }

    fn recall(&mut self, _: Key) -> Option<Outcome> {
        None
    }

    fn remember(&mut self, _: Key, _: &Outcome) {}

    /// Not reached: with no depth, an application is a need.
    fn apply(&mut self, _: &Application) -> Attempt {
        Attempt::Elsewhere
    }
}
