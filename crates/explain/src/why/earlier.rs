//! What is different from the time before.

use weft_object::Handle;
use weft_store::{Backend, Run, StoreError};

use super::enters::{Entered, enters};
use super::{Asked, Why, applied};
use crate::Source;
use crate::diff::{Bounds, Diff, diff};
use crate::makers::{alike, same_function};

/// An earlier computation of the same sort, and in what it differs.
#[derive(Debug)]
pub struct Earlier {
    /// Its request, or the Thunk of its application.
    pub old: Handle,
    /// What it is compared with.
    pub new: Handle,
    /// The run in which it was asked for, if that is known.
    pub run: Option<Run>,
    /// What is different.
    pub diff: Diff,
    /// The computations in which the difference enters: theirs differ, and what
    /// they needed of others does not.
    pub entered: Vec<Entered>,
    /// Whether there are more of these.
    pub more: bool,
}

/// More differences than that are of no use to anybody.
const BOUNDS: Bounds = Bounds { changes_max: 1000, pairs_max: 1_000_000 };

impl<B: Backend + ?Sized, S: Source + ?Sized> Asked<'_, B, S> {
    /// Compares with the latest earlier run under the same label, else of the
    /// same function, else with the latest relation of it.
    pub(super) fn earlier(&self, why: &Why) -> Result<Option<Earlier>, StoreError> {
        let Some(new) = why.request else { return Ok(None) };
        let (old, run) = match self.earlier_run(why, new)? {
            Some(run) => (run.request, Some(run)),
            None => {
                // Of the function that made it, which need not be the request's.
                let key = applied(new).filter(|tree| !tree.has_encode());
                let key = key.or(why.roots.first().copied().filter(|key| key.length().is_some()));
                let Some(key) = key else { return Ok(None) };
                let Some(old) = alike(self.backend, key, self.tell)? else { return Ok(None) };
                let (Some(old), Some(new)) = (old.application(), key.application()) else {
                    return Ok(None);
                };
                return self.compare(old, new, None).map(Some);
            }
        };
        self.compare(old, new, run).map(Some)
    }

    fn earlier_run(&self, why: &Why, new: Handle) -> Result<Option<Run>, StoreError> {
        let Some(this) = &why.run else { return Ok(None) };
        let later = self.runs.iter().position(|run| run == this).unwrap_or(0);
        let others = || self.runs[later..].iter().filter(|run| run.request != new);
        if let Some(label) = &this.label
            && let Some(run) = others().find(|run| run.label.as_ref() == Some(label))
        {
            return Ok(Some(run.clone()));
        }
        let Some(function) = self.function(new)? else { return Ok(None) };
        for run in others() {
            if let Some(other) = self.function(run.request)?
                && same_function(&function, &other)
            {
                return Ok(Some(run.clone()));
            }
        }
        Ok(None)
    }

    /// The entries of the application that a request is for.
    fn function(&self, request: Handle) -> Result<Option<Vec<Handle>>, StoreError> {
        let Some(tree) = applied(request) else { return Ok(None) };
        let content = self.source.content(&tree)?;
        Ok(content.and_then(|content| Some(content.tree()?.entries().to_vec())))
    }

    fn compare(&self, old: Handle, new: Handle, run: Option<Run>) -> Result<Earlier, StoreError> {
        // That one was asked for by an Encode is no difference.
        let thunk = |request: Handle| match request.kind() {
            weft_object::Kind::Strict => request.thunk().unwrap_or(request),
            _ => request,
        };
        let diff = diff(self.source, thunk(old), thunk(new), BOUNDS)?;
        let (entered, more) = enters(self.source, old, new)?;
        Ok(Earlier { old, new, run, diff, entered, more })
    }
}
