//! From results up to what made them.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use weft_object::{Handle, Kind};
use weft_store::{Backend, Relation, StoreError, is_step};

use crate::Source;
use crate::diff::Step;
use crate::within::{Search, is_tree};

/// What made something, as far as the store knows.
#[derive(Clone, Debug)]
pub struct Maker {
    /// The canonical Tree of an application or, where the parts of a result were
    /// put together by the rules, the Encode that was asked for.
    pub key: Handle,
    /// What is kept under it.
    pub relation: Relation,
    /// Where in the outcome it is; empty if it is the outcome.
    pub within: Vec<Step>,
}

/// Is told how many relations have been looked at.
pub type Tell<'a> = &'a dyn Fn(u64);

fn is_fact(key: &Handle) -> bool {
    key.kind() == Kind::Tree
}

/// Of each of these contents the latest relation that has it as its outcome: an
/// application if there is one, else the answer to a request. One pass over all
/// relations, or part of one; memory for what is wanted alone. Measured: 1.2 s
/// for each million in a store of files.
///
/// # Errors
/// The backend cannot be read.
pub fn makers(
    backend: &(impl Backend + ?Sized),
    wanted: &HashSet<Handle>,
    tell: Tell<'_>,
) -> Result<HashMap<Handle, Maker>, StoreError> {
    let mut found: HashMap<Handle, Maker> = HashMap::new();
    let (mut left, mut seen) = (wanted.len(), 0);
    if left == 0 {
        return Ok(found);
    }
    backend.each_relation(&mut |key, relation| {
        seen += 1;
        told(tell, seen);
        let outcome = relation.outcome.handle().content();
        if !wanted.contains(&outcome) || is_step(key) {
            return ControlFlow::Continue(());
        }
        let maker = || Maker { key: *key, relation: *relation, within: Vec::new() };
        match found.get_mut(&outcome) {
            Some(known) if is_fact(&known.key) || !is_fact(key) => {}
            known => {
                left -= usize::from(is_fact(key));
                match known {
                    Some(known) => *known = maker(),
                    None => drop(found.insert(outcome, maker())),
                }
            }
        }
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

fn told(tell: Tell<'_>, seen: u64) {
    if seen.is_multiple_of(4096) {
        tell(seen);
    }
}

/// Outcomes are looked into by so many at a time: nothing may be read while
/// relations are gone through.
const AT_A_TIME: usize = 1 << 20;

/// The latest relation that has a content within its outcome. What was looked
/// into for one relation is not looked into for the next. Measured: what
/// [`makers`] takes, and 10 microseconds for each Tree.
///
/// # Errors
/// The backend cannot be read.
pub fn holder(
    backend: &(impl Backend + ?Sized),
    wanted: Handle,
    tell: Tell<'_>,
) -> Result<Option<Maker>, StoreError> {
    let mut search = Search::new(backend, wanted);
    let mut done = 0;
    loop {
        let (mut seen, mut batch) = (0, Vec::new());
        backend.each_relation(&mut |key, relation| {
            seen += 1;
            if seen > done {
                told(tell, seen);
                let outcome = relation.outcome.handle();
                if is_tree(&outcome) && !is_step(key) && !search.is_without(&outcome) {
                    batch.push((*key, *relation));
                }
            }
            if batch.len() < AT_A_TIME { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        for (key, relation) in &batch {
            if let Some(within) = search.look_into(relation.outcome.handle())? {
                return Ok(Some(Maker { key: *key, relation: *relation, within }));
            }
        }
        if batch.len() < AT_A_TIME {
            return Ok(None);
        }
        done = seen;
    }
}

/// An application by the same function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike {
    /// Its canonical Tree.
    pub key: Handle,
    /// Whether it was found out after the one that it is like.
    pub later: bool,
}

/// The latest relation before another, by the same procedure with as many
/// arguments, that says in literal text the same: one module may hold many
/// functions, chosen by a word. If there is none before it, the latest of all.
///
/// What was found out when is decided by the time that is noted, to the second;
/// where that says nothing, by the order in the store, which a collection may
/// have changed.
///
/// # Errors
/// The backend cannot be read.
pub fn alike(
    backend: &(impl Backend + ?Sized),
    key: Handle,
    tell: Tell<'_>,
) -> Result<Option<Alike>, StoreError> {
    let Some(of) = entries(backend, key)? else { return Ok(None) };
    let found_at = |relation: &Relation| relation.origin.found_at_s;
    let at_s = backend.relation(&key)?.map_or(0, |relation| found_at(&relation));
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let (mut seen, mut passed) = (0, false);
    backend.each_relation(&mut |other, relation| {
        seen += 1;
        told(tell, seen);
        let other_at_s = found_at(relation);
        let later = match at_s > 0 && other_at_s > 0 && at_s != other_at_s {
            true => other_at_s > at_s,
            false => !passed,
        };
        match *other == key {
            true => passed = true,
            false if !is_fact(other) || other.length() != key.length() => {}
            false if !later => before.push((other_at_s, *other)),
            false if after.len() < CANDIDATES_MAX => after.push((other_at_s, *other)),
            false => {}
        }
        match before.len() < CANDIDATES_MAX {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })?;
    // The latest first; what is of one second stays in its order.
    let sorted = |mut found: Vec<(u32, Handle)>, later| {
        found.sort_by_key(|(at_s, _)| std::cmp::Reverse(*at_s));
        found.into_iter().map(move |(_, key)| Alike { key, later })
    };
    for other in sorted(before, false).chain(sorted(after, true)) {
        if let Some(entries) = entries(backend, other.key)?
            && same_function(&of, &entries)
        {
            return Ok(Some(other));
        }
    }
    Ok(None)
}

/// So many applications are compared before it is given up.
const CANDIDATES_MAX: usize = 100_000;

fn entries(
    backend: &(impl Backend + ?Sized),
    tree: Handle,
) -> Result<Option<Vec<Handle>>, StoreError> {
    let content = Source::content(backend, &tree)?;
    Ok(content.and_then(|content| Some(content.tree()?.entries().to_vec())))
}

/// Whether two applications are of the same [`function`].
pub(crate) fn same_function(one: &[Handle], other: &[Handle]) -> bool {
    one.len() == other.len() && function(one) == function(other)
}

/// What two applications of one function have in common: the procedure, how many
/// arguments there are, and the words among them. Of a program the procedure is
/// that, and not the built-in that runs it.
pub(crate) fn function(entries: &[Handle]) -> (Vec<Handle>, Vec<Option<Vec<u8>>>) {
    let word = |handle: &Handle| {
        let text = handle.literal_bytes().filter(|bytes| bytes.len() > 1)?;
        text.iter().all(|byte| byte.is_ascii_alphabetic()).then(|| text.to_vec())
    };
    let named = match entries.get(1).and_then(Handle::literal_bytes) {
        Some(b"wasi/1" | b"image/1") => 1..3,
        // What is called, and of what program.
        Some(b"snapshot/1") => 1..4,
        _ => 1..2,
    };
    let procedure = entries.get(named).unwrap_or_default();
    (procedure.to_vec(), entries.iter().skip(2).map(word).collect())
}
