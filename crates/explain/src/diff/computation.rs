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
const RUN: [Option<&str>; 8] = [
    Some("limits"),
    None,
    Some("program"),
    Some("arguments"),
    Some("environment"),
    Some("stdin"),
    Some("seed"),
    Some("clock"),
];

/// The same of `snapshot/1`, which is given the calls before the program.
const SNAPSHOT: [Option<&str>; 9] = [
    Some("limits"),
    None,
    Some("calls"),
    Some("program"),
    Some("arguments"),
    Some("environment"),
    Some("stdin"),
    Some("seed"),
    Some("clock"),
];

/// The same of `image/1`.
const IMAGE: [Option<&str>; 9] = [
    Some("limits"),
    None,
    Some("image"),
    Some("call"),
    Some("arguments"),
    Some("environment"),
    Some("stdin"),
    Some("seed"),
    Some("clock"),
];

/// What the image of a codelet is applied to is that codelet's own.
const CODELET_IMAGE: usize = 3;

/// What the entries of an application of a built-in are for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Roles {
    names: &'static [Option<&'static str>],
    /// What follows: each a path and behind it a directory, or plain arguments.
    has_directories: bool,
}

impl Roles {
    fn of(entries: &[Handle]) -> Option<Self> {
        let program = |names: &'static [_]| Self { names, has_directories: true };
        let in_pairs = |names: &[_]| entries.len().saturating_sub(names.len()).is_multiple_of(2);
        match entries.get(1)?.literal_bytes()? {
            b"wasi/1" if entries.len() >= RUN.len() && in_pairs(&RUN) => Some(program(&RUN)),
            // Of a codelet there are only the first.
            b"snapshot/1" if in_pairs(&SNAPSHOT) => Some(program(&SNAPSHOT)),
            b"image/1" if in_pairs(&IMAGE) && goes_on(entries) => Some(program(&IMAGE)),
            b"image/1" => Some(Self { names: &IMAGE[..CODELET_IMAGE], has_directories: false }),
            _ => None,
        }
    }
}

/// Whether what an image is given is what a program can be given. Of what the image
/// is nothing is read, so a codelet that happens to take just this counts as one. What
/// is still to be evaluated can become anything.
fn goes_on(entries: &[Handle]) -> bool {
    let is_open = |handle: &Handle| !handle.kind().is_data();
    let is_empty = |handle: &Handle| handle.literal_bytes() == Some(b"");
    let is_of =
        |handle: &Handle, kinds: [Kind; 2]| is_open(handle) || kinds.contains(&handle.kind());
    let is_blob = |handle: &Handle| is_of(handle, [Kind::Blob, Kind::BlobRef]);
    let is_tree = |handle: &Handle| is_of(handle, [Kind::Tree, Kind::TreeRef]);
    let is_number = |handle: &Handle| {
        is_open(handle) || handle.literal_bytes().is_some_and(|bytes| bytes.len() <= 8)
    };
    let Some(([call, arguments, environment, stdin, seed, clock], pairs)) =
        entries.get(CODELET_IMAGE..).and_then(|given| given.split_first_chunk())
    else {
        return false;
    };
    (is_tree(call) || is_blob(call) && !is_empty(call))
        && [arguments, environment].into_iter().all(|it| is_tree(it) || is_empty(it))
        && is_blob(stdin)
        && is_number(seed)
        && is_number(clock)
        && pairs.chunks(2).all(|pair| is_blob(&pair[0]) && pair.get(1).is_some_and(is_tree))
}

/// What an entry of an application is for. Of a program, that is what it is given;
/// a directory whose path is long, which would have to be read, is an argument.
#[must_use]
pub fn entry_step(entries: &[Handle], at: usize) -> Step {
    let argument = Step::Argument(at.saturating_sub(2) as u64);
    match (at, Roles::of(entries)) {
        (0, _) => Step::Limits,
        (1, _) => Step::Procedure,
        (_, None) => argument,
        (_, Some(Roles { names, has_directories })) => match names.get(at) {
            Some(given) => given.map_or(argument, Step::Given),
            None if !has_directories || at % 2 == names.len() % 2 => argument,
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
        let (old, new) = (old.entries(), new.entries());
        if let Some(roles) = Roles::of(old)
            && Roles::of(new) == Some(roles)
        {
            return self.of_built_in(&pair.at, roles, old, new);
        }
        self.by_position(&pair.at, old, new, |at| match at {
            0 => Step::Limits,
            1 => Step::Procedure,
            at => Step::Argument(at - 2),
        });
        Ok(())
    }

    /// Two applications of one built-in: what each thing that it is given is for
    /// stands in docs/wasi.md and docs/image.md. Directories are told apart by their
    /// paths.
    fn of_built_in(
        &mut self,
        at: &Rc<Link>,
        Roles { names, has_directories }: Roles,
        old: &[Handle],
        new: &[Handle],
    ) -> Result<(), StoreError> {
        let item = |handle: &Handle| Item { handle: *handle, file: None };
        for (place, what) in names.iter().enumerate() {
            let Some(what) = what else { continue };
            let at = at.with(Step::Given(what));
            match (old.get(place), new.get(place)) {
                (Some(old), Some(new)) => self.open.push(Pair { at, old: *old, new: *new }),
                (Some(old), None) => self.push(&at, What::Removed(item(old))),
                (None, Some(new)) => self.push(&at, What::Added(item(new))),
                (None, None) => {}
            }
        }
        let rest = |entries| <[Handle]>::get(entries, names.len()..).unwrap_or_default();
        let (old, new) = (rest(old), rest(new));
        if !has_directories {
            let before = names.len() as u64 - 2;
            self.by_position(at, old, new, |at| Step::Argument(before + at));
            return Ok(());
        }
        let (old, new) = (self.directories_of(old)?, self.directories_of(new)?);
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
        pairs: &[Handle],
    ) -> Result<BTreeMap<Vec<u8>, Handle>, StoreError> {
        let mut out = BTreeMap::new();
        for pair in pairs.chunks_exact(2) {
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
