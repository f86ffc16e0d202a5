use weft_object::{Handle, Kind};

use super::record::QUESTIONS_MAX;
use super::steps::after;
use super::{Asked, Directories, End, Observation, Start};
use crate::Stop;
use crate::source::{Source, blob, tree};

/// A walk over what is known of a program, with the answers of directories
/// that it may never have run on.
#[derive(Debug)]
pub struct Walk<'a> {
    place: Handle,
    directories: Directories<'a>,
    steps: usize,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A question, and what the directories answer.
    Looked(Observation),
    /// The program ends so.
    Ended(End),
}

impl<'a> Walk<'a> {
    /// At the start.
    #[must_use]
    pub fn new(start: &'a Start) -> Self {
        Self { place: start.place, directories: Directories::new(&start.roots), steps: 0 }
    }

    /// Where it has come to.
    #[must_use]
    pub const fn place(&self) -> Handle {
        self.place
    }

    /// Goes one step further, or stays at the end. `known` says what a place's
    /// relation has as its outcome; `None` where no run has been.
    ///
    /// Only the nodes on the way to what is asked are read, and of what is known
    /// the outcomes.
    ///
    /// # Errors
    /// If content cannot be had, or a Tree on the way is no directory.
    pub fn step(
        &mut self,
        source: &mut dyn Source,
        known: &mut dyn FnMut(&Handle) -> Option<Handle>,
    ) -> Result<Option<Step>, Stop> {
        // Places are digests, so nobody comes back to one; but a store may hold
        // what somebody made up.
        if self.steps > QUESTIONS_MAX {
            return Ok(None);
        }
        let Some(outcome) = known(&self.place) else { return Ok(None) };
        if outcome.kind() == Kind::Tree {
            return Ok(end(source, &outcome)?.map(Step::Ended));
        }
        if outcome.kind() != Kind::Blob {
            return Ok(None);
        }
        let Some(asked) = Asked::decode(blob(source, &outcome)?.bytes()) else { return Ok(None) };
        let answer = self.directories.ask(source, &asked)?;
        self.place = after(self.place, &answer);
        self.steps += 1;
        Ok(Some(Step::Looked(Observation { asked, answer })))
    }
}

fn end(source: &mut dyn Source, outcome: &Handle) -> Result<Option<End>, Stop> {
    let tree = tree(source, outcome)?;
    let Some(edits) = tree.entries().get(3).filter(|edits| edits.kind() == Kind::Blob) else {
        return Ok(None);
    };
    Ok(End::decode(&tree, blob(source, edits)?.bytes()))
}
