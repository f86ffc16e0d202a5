//! What is under another name: gone here and new there, with one handle.

use std::collections::{HashMap, HashSet};

use weft_object::Handle;
use weft_object::directory::FileKind;
use weft_store::StoreError;

use super::directory::is_directory;
use super::{Change, Differ, Item, Step, What};
use crate::Source;

/// A search goes into so many names below directories that came and went.
const NAMES_MAX: usize = 200_000;

struct Found {
    at: Vec<Step>,
    item: Item,
}

impl<S: Source + ?Sized> Differ<'_, S> {
    /// Finds what was moved, first whole directories, then what is in those that
    /// are left. What is removed and added under its own name no more is taken
    /// out of the list.
    pub(super) fn moves(&mut self) -> Result<Vec<Change>, StoreError> {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for change in &self.out.changes {
            let found = |item: &Item| Found { at: change.at.clone(), item: *item };
            match &change.what {
                What::Removed(item) if item.file.is_some() => gone.push(found(item)),
                What::Added(item) if item.file.is_some() => come.push(found(item)),
                _ => {}
            }
        }
        let mut moved = Vec::new();
        let mut room = NAMES_MAX;
        while !gone.is_empty() && !come.is_empty() {
            (gone, come) = matched(gone, come, &mut moved);
            // Only into what is on one side alone, and only if the other has
            // anything that could be in it.
            let (into_gone, into_come) =
                (self.below(gone, &mut room)?, self.below(come, &mut room)?);
            if !into_gone.1 && !into_come.1 {
                break;
            }
            (gone, come) = (into_gone.0, into_come.0);
        }
        let places = |change: &Change| match &change.what {
            What::Moved { from, .. } => Some((from.clone(), change.at.clone())),
            _ => None,
        };
        let (from, to): (HashSet<_>, HashSet<_>) = moved.iter().filter_map(places).unzip();
        self.out.changes.retain(|change| match change.what {
            What::Removed(_) => !from.contains(&change.at),
            What::Added(_) => !to.contains(&change.at),
            _ => true,
        });
        Ok(moved)
    }

    /// Directories replaced by what is in them; whether there was any.
    fn below(
        &mut self,
        found: Vec<Found>,
        room: &mut usize,
    ) -> Result<(Vec<Found>, bool), StoreError> {
        let (mut out, mut any) = (Vec::new(), false);
        for one in found {
            if !is_directory(&one.item) {
                out.push(one);
                continue;
            }
            let Some(entries) = self.names(one.item.handle)? else { continue };
            any = true;
            let fits = entries.len().min(*room);
            *room -= fits;
            out.extend(entries.into_iter().take(fits).map(|entry| {
                let mut at = one.at.clone();
                at.push(Step::Name(entry.name.as_bytes().to_vec()));
                Found {
                    at,
                    item: Item { handle: entry.child, file: Some((entry.kind, entry.mode)) },
                }
            }));
        }
        Ok((out, any && *room > 0))
    }
}

/// Pairs what has one handle on both sides, each once, preferring one name. What
/// is empty is like everything empty, and stays.
fn matched(
    gone: Vec<Found>,
    come: Vec<Found>,
    moved: &mut Vec<Change>,
) -> (Vec<Found>, Vec<Found>) {
    let key = |item: &Item| (item.file.map(|(kind, _)| kind), item.handle);
    let mut places: HashMap<(Option<FileKind>, Handle), Vec<usize>> = HashMap::new();
    for (at, one) in gone.iter().enumerate().filter(|(_, one)| !is_empty(&one.item)) {
        places.entry(key(&one.item)).or_default().push(at);
    }
    let mut taken = HashSet::new();
    let mut left = Vec::new();
    for one in come {
        let from = places.get_mut(&key(&one.item)).and_then(|places| {
            let named = places.iter().position(|at| gone[*at].at.last() == one.at.last());
            let at = named.unwrap_or(0);
            (at < places.len()).then(|| places.remove(at))
        });
        let Some(from) = from else {
            left.push(one);
            continue;
        };
        taken.insert(from);
        let modes = (gone[from].item.file, one.item.file);
        if let (Some((_, old)), Some((_, new))) = modes
            && old != new
        {
            moved.push(Change { at: one.at.clone(), what: What::Mode { old, new } });
        }
        let from = gone[from].at.clone();
        moved.push(Change { at: one.at, what: What::Moved { from, item: one.item } });
    }
    let gone = gone.into_iter().enumerate().filter(|(at, _)| !taken.contains(at));
    (gone.map(|(_, one)| one).collect(), left)
}

fn is_empty(item: &Item) -> bool {
    let least = if is_directory(item) { 1 } else { 0 };
    item.handle.length().is_none_or(|length| length <= least)
}
