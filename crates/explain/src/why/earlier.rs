//! What is different from another time, the one before if there was one.

use weft_object::Handle;
use weft_store::{Backend, Run, StoreError};

use super::enters::{Entered, enters};
use super::{Asked, Why, applied};
use crate::Source;
use crate::diff::{Bounds, Diff, diff};
use crate::makers::{alike, same_function};
use crate::program::{Seen, seen_otherwise};

/// Another computation of the same sort, and in what it differs: one before if
/// there is any.
#[derive(Debug)]
pub struct Earlier {
    /// The request that came first, or the Thunk of its application.
    pub old: Handle,
    /// The one that came after it.
    pub new: Handle,
    /// Whether what was asked about is the old one: nothing was before it.
    pub later: bool,
    /// The run in which the other one was asked for, if that is known.
    pub run: Option<Run>,
    /// What is different.
    pub diff: Diff,
    /// The computations in which the difference enters: theirs differ, and what
    /// they needed of others does not.
    pub entered: Vec<Entered>,
    /// Whether there are more of these.
    pub more: bool,
    /// Of those, what programs see that is different.
    pub sights: Vec<Sight>,
}

/// A program in whose directories something is different: what of that it
/// looked at the time before.
#[derive(Clone, Debug)]
pub struct Sight {
    /// The canonical Tree of the earlier application.
    pub old: Handle,
    /// Of the later one.
    pub new: Handle,
    /// What it looked at and is not as it was. If that is nothing, the earlier
    /// run has said what the later one comes to.
    pub seen: Vec<Seen>,
}

/// Of so many it is looked at what they see.
const SIGHTS_MAX: usize = 10;

/// More differences than that are of no use to anybody.
const BOUNDS: Bounds = Bounds { changes_max: 1000, pairs_max: 1_000_000 };

impl<B: Backend + ?Sized, S: Source + ?Sized> Asked<'_, B, S> {
    /// Compares with the latest earlier run under the same label, else of the
    /// same function, else with the latest relation of it.
    pub(super) fn earlier(&self, why: &Why) -> Result<Option<Earlier>, StoreError> {
        let Some(this) = why.request else { return Ok(None) };
        if let Some((old, run)) = self.earlier_run(why, this)? {
            return self.compare(old, this, Some(run)).map(Some);
        }
        // Of the function that made it, which need not be the request's.
        let key = applied(this).filter(|tree| !tree.has_encode());
        let key = key.or(why.roots.first().copied().filter(|key| key.length().is_some()));
        let Some(key) = key else { return Ok(None) };
        let Some(other) = alike(self.backend, key, self.tell)? else { return Ok(None) };
        let (Some(this), Some(that)) = (key.application(), other.key.application()) else {
            return Ok(None);
        };
        match other.later {
            false => self.compare(that, this, None).map(Some),
            true => {
                self.compare(this, that, None).map(|found| Some(Earlier { later: true, ..found }))
            }
        }
    }

    /// The run, and what stands for it: its request, or the application that
    /// made what it came to where this one's was found so as well.
    fn earlier_run(&self, why: &Why, new: Handle) -> Result<Option<(Handle, Run)>, StoreError> {
        let Some(this) = &why.run else { return Ok(None) };
        let later = self.runs.iter().position(|run| run == this).unwrap_or(0);
        let others = || {
            let others = self.runs[later..].iter();
            others.filter(|run| run.request != this.request && run.request != new)
        };
        if let Some(label) = &this.label {
            // Like is compared with like.
            let is_made = this.request != new;
            for run in others().filter(|run| run.label.as_ref() == Some(label)) {
                let made = if is_made { self.made(run)? } else { None };
                if let Some(asking) =
                    made.map_or_else(|| self.asked_or_made(run), |made| Ok(Some(made)))?
                {
                    return Ok(Some((asking.request, run.clone())));
                }
            }
        }
        let Some(function) = self.function(new)? else { return Ok(None) };
        for run in others() {
            if let Some(other) = self.function(run.request)?
                && same_function(&function, &other)
            {
                return Ok(Some((run.request, run.clone())));
            }
        }
        Ok(None)
    }

    /// The entries of the application that a request is for.
    fn function(&self, request: Handle) -> Result<Option<Vec<Handle>>, StoreError> {
        applied(request).map_or(Ok(None), |tree| self.entries(tree))
    }

    fn compare(&self, old: Handle, new: Handle, run: Option<Run>) -> Result<Earlier, StoreError> {
        // That one was asked for by an Encode is no difference.
        let thunk = |request: Handle| match request.kind() {
            weft_object::Kind::Strict => request.thunk().unwrap_or(request),
            _ => request,
        };
        let diff = diff(self.source, thunk(old), thunk(new), BOUNDS)?;
        let (entered, more) = enters(self.source, old, new, &diff)?;
        let mut sights = Vec::new();
        for Entered { old, new } in entered.iter().take(SIGHTS_MAX).copied() {
            if let (Some(one), Some(other)) = (self.entries(old)?, self.entries(new)?)
                && let Some(seen) = seen_otherwise(self.source, &one, &other)?
            {
                sights.push(Sight { old, new, seen });
            }
        }
        Ok(Earlier { old, new, later: false, run, diff, entered, more, sights })
    }

    fn entries(&self, tree: Handle) -> Result<Option<Vec<Handle>>, StoreError> {
        let content = self.source.content(&tree)?;
        Ok(content.and_then(|content| Some(content.tree()?.entries().to_vec())))
    }
}
