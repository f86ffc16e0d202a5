//! Two computations of one kind, by position.

use weft_object::{Handle, Kind, Selection};
use weft_store::StoreError;

use super::{Differ, Pair, Step, What};
use crate::Source;

impl<S: Source + ?Sized> Differ<'_, S> {
    /// Two Thunks of one sort, or two Encodes of one strictness.
    pub(super) fn computations(&mut self, pair: &Pair) -> Result<(), StoreError> {
        let Pair { at, old, new } = pair;
        let definition = |handle: Handle| handle.definition().unwrap_or(handle);
        match old.kind() {
            // Nobody misses a word on the Encode: the Thunk stands in its place.
            Kind::Strict | Kind::Shallow => {
                let thunk = |handle: Handle| handle.thunk().unwrap_or(handle);
                let (old, new) = (thunk(*old), thunk(*new));
                match old.kind() == new.kind() {
                    true => self.open.push(Pair { at: at.clone(), old, new }),
                    false => self.push(at, What::Changed { old, new, same_bytes: None }),
                }
                Ok(())
            }
            Kind::Identification => {
                let at = at.with(Step::Data);
                self.open.push(Pair { at, old: definition(*old), new: definition(*new) });
                Ok(())
            }
            Kind::Selection => self.selections(pair, definition(*old), definition(*new)),
            _ => self.applications(pair, definition(*old), definition(*new)),
        }
    }

    fn applications(&mut self, pair: &Pair, old: Handle, new: Handle) -> Result<(), StoreError> {
        let Some((old, new)) = self.two_trees(old, new)? else { return self.unread(pair) };
        let step = |at: u64| match at {
            0 => Step::Limits,
            1 => Step::Procedure,
            at => Step::Argument(at - 2),
        };
        self.by_position(&pair.at, old.entries(), new.entries(), step);
        Ok(())
    }

    fn selections(&mut self, pair: &Pair, old: Handle, new: Handle) -> Result<(), StoreError> {
        let Some((old, new)) = self.two_trees(old, new)? else { return self.unread(pair) };
        let parsed = (Selection::parse(old.entries()), Selection::parse(new.entries()));
        let (Some((old_target, old_part)), Some((new_target, new_part))) = parsed else {
            self.by_position(&pair.at, old.entries(), new.entries(), Step::Entry);
            return Ok(());
        };
        if old_part != new_part {
            let what = What::Changed { old: pair.old, new: pair.new, same_bytes: None };
            self.push(&pair.at.with(Step::Part), what);
        }
        let at = pair.at.with(Step::Target);
        self.open.push(Pair { at, old: old_target, new: new_target });
        Ok(())
    }
}
