//! Two computations of one kind, by position.

use std::collections::BTreeMap;
use std::rc::Rc;

use weft_object::{Handle, Kind, Selection};
use weft_store::StoreError;

use super::place::Link;
use super::{Differ, Item, Pair, Step, What};
use crate::Source;

/// What stands before the directories in an application of `wasi/1`; what is the
/// same in all is not named.
const GIVEN: [Option<&str>; 8] = [
    Some("limits"),
    None,
    Some("program"),
    Some("arguments"),
    Some("environment"),
    Some("stdin"),
    Some("seed"),
    Some("clock"),
];

/// The entries of an application, if it runs a program.
fn program(entries: &[Handle]) -> Option<&[Handle]> {
    let is_program = entries.get(1)?.literal_bytes() == Some(b"wasi/1");
    let has_form = entries.len() >= GIVEN.len() && (entries.len() - GIVEN.len()).is_multiple_of(2);
    (is_program && has_form).then_some(entries)
}

/// What an entry of an application is for. Of a program, that is what it is given;
/// a directory whose path is long, which would have to be read, is an argument.
#[must_use]
pub fn entry_step(entries: &[Handle], at: usize) -> Step {
    let argument = Step::Argument(at.saturating_sub(2) as u64);
    match (at, program(entries)) {
        (0, _) => Step::Limits,
        (1, _) => Step::Procedure,
        (_, None) => argument,
        (_, Some(entries)) => match GIVEN.get(at) {
            Some(given) => given.map_or(argument, Step::Given),
            None if at % 2 == GIVEN.len() % 2 => argument,
            None => {
                let path = entries.get(at - 1).and_then(Handle::literal_bytes);
                path.map_or(argument, |path| Step::Directory(path.to_vec()))
            }
        },
    }
}

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
        if let (Some(old), Some(new)) = (program(old.entries()), program(new.entries())) {
            return self.programs(&pair.at, old, new);
        }
        let step = |at: u64| match at {
            0 => Step::Limits,
            1 => Step::Procedure,
            at => Step::Argument(at - 2),
        };
        self.by_position(&pair.at, old.entries(), new.entries(), step);
        Ok(())
    }

    /// Two runs of programs: what each thing that they are given is for stands
    /// in docs/wasi.md. Directories are told apart by their paths.
    fn programs(
        &mut self,
        at: &Rc<Link>,
        old: &[Handle],
        new: &[Handle],
    ) -> Result<(), StoreError> {
        for ((old, new), what) in old.iter().zip(new).zip(GIVEN) {
            if let Some(what) = what {
                let at = at.with(Step::Given(what));
                self.open.push(Pair { at, old: *old, new: *new });
            }
        }
        let (old, new) = (self.directories_of(old)?, self.directories_of(new)?);
        let item = |handle: &Handle| Item { handle: *handle, file: None };
        for (path, root) in &new {
            let at = at.with(Step::Directory(path.clone()));
            match old.get(path) {
                Some(old) => self.open.push(Pair { at, old: *old, new: *root }),
                None => self.push(&at, What::Added(item(root))),
            }
        }
        for (path, root) in old.iter().filter(|(path, _)| !new.contains_key(*path)) {
            self.push(&at.with(Step::Directory(path.clone())), What::Removed(item(root)));
        }
        Ok(())
    }

    fn directories_of(
        &mut self,
        program: &[Handle],
    ) -> Result<BTreeMap<Vec<u8>, Handle>, StoreError> {
        let mut out = BTreeMap::new();
        for pair in program[GIVEN.len()..].chunks_exact(2) {
            if let Some(path) = self.blob(pair[0])? {
                out.insert(path.bytes().to_vec(), pair[1]);
            }
        }
        Ok(out)
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
