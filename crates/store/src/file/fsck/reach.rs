//! What hangs on content that is gone, and what brings it back.

use std::collections::{HashMap, HashSet};

use weft_object::{Handle, Kind};

use super::scan::{ByHandle, Held, Scanned};
use super::{Affected, Needs};
use crate::hash::HandleHash;
use crate::{Outcome, StoreError};

type Handles = HashSet<Handle, HandleHash>;

/// What is gone, and what follows from that.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Objects that are gone, with the key of the relation that brings them
    /// back, if one does.
    pub(super) gone: ByHandle<Option<Handle>>,
    /// Objects that lack a part, and one that they lack.
    incomplete: ByHandle<Handle>,
    /// The same, if everything came back that can.
    incomplete_for_good: ByHandle<Handle>,
}

impl Reach {
    pub(super) fn of(scanned: &Scanned) -> Result<Self, StoreError> {
        let mut reach = Self { gone: all_gone(scanned), ..Self::default() };
        if reach.gone.is_empty() {
            return Ok(reach);
        }
        reach.incomplete = reach.lacking(scanned)?;
        reach.incomplete_for_good = reach.incomplete.clone();
        // What came back may be what another needs to come back.
        while reach.find_recipes(scanned)? {
            reach.incomplete_for_good = reach.lacking(scanned)?;
        }
        Ok(reach)
    }

    fn is_gone_for_good(&self, object: &Handle) -> bool {
        self.gone.get(object).is_some_and(Option::is_none)
    }

    // Objects that reach something that is gone for good, as far as is known.
    fn lacking(&self, scanned: &Scanned) -> Result<ByHandle<Handle>, StoreError> {
        let mut lacking: ByHandle<Handle> = HashMap::default();
        loop {
            let before = lacking.len();
            for handle in scanned.content.keys().filter(|handle| handle.kind() != Kind::Blob) {
                if lacking.contains_key(handle) || self.gone.contains_key(handle) {
                    continue;
                }
                let entries = scanned.entries(handle)?;
                let missing = entries.iter().find_map(|entry| {
                    let gone = self.is_gone_for_good(entry).then_some(*entry);
                    gone.or_else(|| lacking.get(entry).copied())
                });
                if let Some(missing) = missing {
                    lacking.insert(*handle, missing);
                }
            }
            if lacking.len() == before {
                return Ok(lacking);
            }
        }
    }

    /// What of an object is gone; without what comes back, or with it.
    fn missing(&self, object: Handle, for_good: bool) -> Option<Handle> {
        let object = object.content();
        let (gone, lacking) = match for_good {
            true => (self.is_gone_for_good(&object), &self.incomplete_for_good),
            false => (self.gone.contains_key(&object), &self.incomplete),
        };
        if gone { Some(object) } else { lacking.get(&object).copied() }
    }

    // Notes what the outcomes of applications bring back whose inputs are all
    // there or come back; whether there was anything new. So no recipe needs
    // what it brings back.
    fn find_recipes(&mut self, scanned: &Scanned) -> Result<bool, StoreError> {
        let mut found = Vec::new();
        let finders = &scanned.state.finders;
        for (key, (relation, _)) in &scanned.relations {
            let outcome = relation.outcome.handle().content();
            // As of a collection, which forgets any other.
            let finder = usize::from(relation.origin.finder).checked_sub(1);
            let is_recipe = key.kind() == Kind::Tree
                && matches!(relation.outcome, Outcome::Value(_))
                && finder.and_then(|at| finders.get(at)).is_some_and(|finder| finder.here)
                && scanned.content.contains_key(key)
                && self.missing(*key, true).is_none();
            if is_recipe && self.missing(outcome, true).is_some() {
                self.gone_below(scanned, outcome, *key, &mut found)?;
            }
        }
        let new = !found.is_empty();
        self.gone.extend(found);
        Ok(new)
    }

    fn gone_below(
        &self,
        scanned: &Scanned,
        outcome: Handle,
        key: Handle,
        found: &mut Vec<(Handle, Option<Handle>)>,
    ) -> Result<(), StoreError> {
        let (mut open, mut seen) = (vec![outcome], Handles::default());
        while let Some(object) = open.pop() {
            if self.is_gone_for_good(&object) {
                found.push((object, Some(key)));
            } else if self.incomplete_for_good.contains_key(&object) && seen.insert(object) {
                open.extend(scanned.entries(&object)?);
            }
        }
        Ok(())
    }

    /// Labels, pins and outcomes that lack something.
    pub(super) fn affected(&self, scanned: &Scanned) -> Vec<Affected> {
        let mut affected = Vec::new();
        let mut note = |by: Needs, handle: Handle| {
            if let Some(missing) = self.missing(handle, false) {
                let comes_back = self.missing(handle, true).is_none();
                affected.push(Affected { by, missing, comes_back });
            }
        };
        for (label, handle) in &scanned.state.labels {
            note(Needs::Label(label.clone(), *handle), *handle);
        }
        for handle in scanned.state.pins.keys() {
            note(Needs::Pin(*handle), *handle);
        }
        let mut keys: Vec<_> = scanned.relations.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        for (key, (relation, _)) in keys {
            note(Needs::Outcome(*key), relation.outcome.handle());
        }
        affected
    }

    /// Whether the outcome of a relation is there, or comes back.
    pub(super) fn can_stay(&self, outcome: Handle) -> bool {
        self.missing(outcome, true).is_none()
    }
}

// What is damaged without an older copy, what Trees, labels and relations speak
// of and nobody has (a pin may stand for what is still to come), and what was dropped and does not come back any more.
fn all_gone(scanned: &Scanned) -> ByHandle<Option<Handle>> {
    let mut gone: ByHandle<Option<Handle>> = HashMap::default();
    let dropped_for_good = |recipe: &Handle| !scanned.relations.contains_key(recipe);
    for (handle, held) in &scanned.content {
        match held {
            Held::Damaged(_, None) => gone.insert(*handle, None),
            Held::Dropped(recipe, _) if dropped_for_good(recipe) => gone.insert(*handle, None),
            _ => None,
        };
    }
    let mut named = |handle: Handle| {
        let object = handle.content();
        if !object.is_literal() && !scanned.content.contains_key(&object) {
            gone.insert(object, None);
        }
    };
    scanned.early.iter().for_each(|(_, object)| named(*object));
    scanned.state.labels.values().for_each(|handle| named(*handle));
    scanned.relations.values().for_each(|(relation, _)| named(relation.outcome.handle()));
    gone
}
