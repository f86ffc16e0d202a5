//! Content for commands that only read: what a collection has dropped is
//! computed again. Every command that shows content has it from here or from a
//! session, so that none tells of what was dropped as if it were lost.

use std::sync::OnceLock;

use weft_explain as explain;
use weft_node::{Node, Session};
use weft_object::{Content, Handle};
use weft_store::{Backend, Mode, Relation, StoreError};

use crate::evaluate::{Options, artifacts, node};
use crate::exit::Exit;
use crate::place::Place;
use crate::progress;
use crate::terminal::Terminal;
use crate::units::time;

/// The content of a store.
pub(crate) struct Source<'a> {
    place: &'a Place,
    terminal: Terminal,
    // Started when it is needed first.
    started: OnceLock<Result<Started, String>>,
}

struct Started {
    session: Session,
    _node: Node,
}

impl<'a> Source<'a> {
    pub(crate) fn new(place: &'a Place, terminal: Terminal) -> Self {
        Self { place, terminal, started: OnceLock::new() }
    }

    /// The content of a handle; `None` if the store neither has it nor knows
    /// how to get it.
    pub(crate) fn get(&self, wanted: &Handle) -> Result<Option<Content>, StoreError> {
        let backend = &self.place.backend;
        if let Some(content) = backend.get(wanted)? {
            return Ok(Some(content));
        }
        // Without a recipe, somebody else may just have brought it back.
        let Some(key) = backend.recipe(wanted)? else { return backend.get(wanted) };
        match self.started.get_or_init(|| self.start().map_err(|exit| exit.to_string())) {
            Ok(started) => {
                let line = |elapsed| {
                    let time = time(elapsed);
                    vec![format!("computing again what was dropped; {time}"), time]
                };
                progress::during(self.terminal, line, || started.session.content(*wanted))
            }
            Err(why) => {
                Err(StoreError::Recovery { handle: wanted.content(), key, why: why.clone() })
            }
        }
    }

    fn start(&self) -> Result<Started, Exit> {
        // What comes back is kept, where that can be.
        let writing = Place::open_at(self.place.directory(), Mode::Write, self.terminal);
        let backend = match (self.place.mode, writing) {
            (Mode::Read, Ok(writing)) => writing.backend.clone(),
            _ => self.place.backend.clone(),
        };
        let node = node(backend, &Options::default(), artifacts(self.terminal))?;
        Ok(Started { session: node.session(), _node: node })
    }
}

impl explain::Source for Source<'_> {
    fn content(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        self.get(&handle.content())
    }

    fn known(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        self.place.backend.relation(key)
    }
}

/// That a store has the content of a handle, or can bring it back.
///
/// # Errors
/// [`StoreError::Missing`] if it cannot.
pub(crate) fn is_there(backend: &dyn Backend, handle: &Handle) -> Result<(), StoreError> {
    let content = handle.content();
    match backend.contains(&content)? || backend.recipe(&content)?.is_some() {
        true => Ok(()),
        // Somebody else may just have brought it back.
        false if backend.contains(&content)? => Ok(()),
        false => Err(StoreError::Missing(content)),
    }
}
