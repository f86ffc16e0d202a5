//! Content for commands that only read: what a collection has dropped is
//! computed again.

use std::sync::OnceLock;

use weft_node::{Node, Session};
use weft_object::{Content, Handle};
use weft_store::{Mode, StoreError};

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
        let Some(key) = backend.recipe(wanted)? else { return Ok(None) };
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
            (Mode::Read, Ok(writing)) => writing.backend,
            _ => self.place.backend.clone(),
        };
        let node = node(backend, &Options::default(), artifacts(self.terminal))?;
        Ok(Started { session: node.session(), _node: node })
    }
}
