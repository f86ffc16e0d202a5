//! Handles as a module has them, and what its Trees are taken for.

use std::collections::HashMap;

use wasmtime::I31;
use weft_object::{Handle, Kind, Tree};

use super::NAME;
use crate::outcome::{FailureKind, Stop};
use crate::state::State;

/// The empty Blob, which a null reference is.
pub(super) fn nil() -> Handle {
    Handle::EMPTY
}

/// The index of a handle in the run's table; `None` of the empty Blob.
pub(super) fn index(given: Option<I31>) -> Option<i32> {
    given.and_then(|given| given.get_u32().checked_sub(1)).map(u32::cast_signed)
}

/// The handle that a module gives.
pub(super) fn handle(state: &State, call: &str, given: Option<I31>) -> Result<Handle, Stop> {
    match index(given) {
        Some(index) => state.handle(call, index),
        None => Ok(nil()),
    }
}

/// The number of a handle that is in the run's table.
pub(super) fn number(state: &State, call: &str, index: i32) -> Result<u32, Stop> {
    let is_nil = state.handle(call, index)? == nil();
    Ok(if is_nil { 0 } else { index.cast_unsigned() + 1 })
}

/// The same as a module is given it.
pub(super) fn given(state: &State, call: &str, index: i32) -> Result<Option<I31>, Stop> {
    let number = number(state, call, index)?;
    Ok((number > 0).then(|| I31::wrapping_u32(number)))
}

/// Puts a handle into the table, for the module.
pub(super) fn push(state: &mut State, handle: Handle) -> Result<Option<I31>, Stop> {
    match handle == nil() {
        true => Ok(None),
        false => Ok(Some(I31::wrapping_u32(place(state, handle)?.cast_unsigned() + 1))),
    }
}

/// An index of a handle. The application's content is known by its own alone.
fn place(state: &mut State, handle: Handle) -> Result<i32, Stop> {
    match state.handle(super::names::EXPORT, 0)? == handle {
        true => Ok(0),
        false => state.push(handle),
    }
}

/// The failure of a call that got a handle it does not take.
pub(super) fn wrong_kind(call: &str, handle: Handle, wanted: &str) -> Stop {
    let detail = format!("{call}: a handle is of kind {}, not {wanted}", handle.kind());
    Stop::Failure(FailureKind::BadHandle, detail)
}

/// The entries of an accessible Tree or Tag.
pub(super) fn tree(state: &mut State, call: &str, given: Option<I31>) -> Result<Tree, Stop> {
    let handle = handle(state, call, given)?;
    match index(given).filter(|_| matches!(handle.kind(), Kind::Tree | Kind::Tag)) {
        Some(index) => Ok(state.tree(call, index)?.clone()),
        None => Err(wrong_kind(call, handle, "an accessible tree")),
    }
}

/// A Tree on the way to what it is asked for as.
struct Frame {
    handle: Handle,
    tree: Tree,
    next: usize,
    changed: Option<Vec<Handle>>,
}

/// A Tree whose bare Thunks are asked for, in all Trees that can be reached in it
/// through Trees: whoever evaluates it gets what Fixpoint would. Anything else is
/// as it is.
pub(super) fn asked_for(state: &mut State, root: Handle) -> Result<Handle, Stop> {
    if root.kind() != Kind::Tree || root.length() == Some(0) {
        return Ok(root);
    }
    let mut done: HashMap<Handle, Handle> = HashMap::new();
    let mut frames = vec![frame(state, root)?];
    let mut looked = 0u32;
    while let Some(top) = frames.last_mut() {
        let Some(&entry) = top.tree.entries().get(top.next) else {
            let (handle, changed) = (top.handle, top.changed.take());
            frames.pop();
            let becomes = match changed {
                Some(entries) => {
                    let index = state.make_tree_of(entries.len(), |_, nth| Ok(entries[nth]))?;
                    state.handle(super::names::EXPORT, index)?
                }
                None => handle,
            };
            done.insert(handle, becomes);
            continue;
        };
        looked = looked.wrapping_add(1);
        if looked.is_multiple_of(1 << 12) {
            state.go_on()?;
        }
        let becomes = match entry.kind() {
            Kind::Tree if entry.length() != Some(0) => match done.get(&entry) {
                Some(becomes) => *becomes,
                None => {
                    let below = frame(state, entry)?;
                    frames.push(below);
                    continue;
                }
            },
            kind if kind.is_thunk() => entry.strict().unwrap_or(entry),
            _ => entry,
        };
        if becomes != entry {
            let changed = top.changed.get_or_insert_with(|| top.tree.entries().to_vec());
            changed[top.next] = becomes;
        }
        top.next += 1;
    }
    Ok(done.get(&root).copied().unwrap_or(root))
}

fn frame(state: &mut State, handle: Handle) -> Result<Frame, Stop> {
    let index = place(state, handle)?;
    let tree = state.tree(super::names::EXPORT, index)?.clone();
    Ok(Frame { handle, tree, next: 0, changed: None })
}

/// Whether a Thunk or Encode can be reached through Trees.
pub(super) fn has_computation(state: &mut State, root: Handle) -> Result<bool, Stop> {
    if root.has_encode() {
        return Ok(true);
    }
    if root.kind() != Kind::Tree {
        return Ok(!root.kind().is_data());
    }
    let mut next = vec![root];
    let mut seen = std::collections::HashSet::from([root]);
    while let Some(handle) = next.pop() {
        state.go_on()?;
        for entry in frame(state, handle)?.tree.entries() {
            match entry.kind() {
                Kind::Tree if seen.insert(*entry) => next.push(*entry),
                kind if !kind.is_data() => return Ok(true),
                _ => {}
            }
        }
    }
    Ok(false)
}

/// The application of a Tree: by the built-in if its procedure is a closure as
/// Fixpoint has it.
pub(super) fn application(
    state: &mut State,
    call: &str,
    tree: Option<I31>,
) -> Result<Option<I31>, Stop> {
    const WASM_MAGIC: &[u8] = b"\0asm";
    let handle = handle(state, call, tree)?;
    let thunk = handle.application();
    let thunk = thunk.ok_or_else(|| wrong_kind(call, handle, "an accessible tree"))?;
    let entries = self::tree(state, call, tree)?;
    let Some((&limits, rest)) = entries.entries().split_first() else {
        return push(state, thunk);
    };
    let Some(&procedure) = rest.first().filter(|entry| entry.kind() == Kind::Tree) else {
        return push(state, thunk);
    };
    let closure = frame(state, procedure)?.tree;
    let (outer, inner) = (closure.entries().first(), closure.entries().get(1));
    // One of ours has its procedure at the front.
    if let Some(&outer) = outer
        && outer.kind() == Kind::Blob
    {
        let index = state.push(outer)?;
        if state.blob(call, index)?.starts_with(WASM_MAGIC) {
            return push(state, thunk);
        }
    }
    if !inner.is_some_and(|inner| matches!(inner.kind(), Kind::Blob | Kind::Tree | Kind::Tag)) {
        return push(state, thunk);
    }
    let nested = [&[limits, Handle::of_blob(NAME)], rest].concat();
    let index = state.make_tree_of(nested.len(), |_, nth| Ok(nested[nth]))?;
    let nested = state.handle(call, index)?;
    push(state, nested.application().unwrap_or(thunk))
}
