//! The functions of the ABI, one for each row of the [`table`](super::table).

use wasmtime::{Linker, Result};
use weft_object::{Handle, Selection};

use super::memory::{Guest, bytes, entered, memory, trap, written};
use super::table::MODULE;
use crate::Interrupt;
use crate::meaning::FAIL_MESSAGE_MAX_BYTES;
use crate::outcome::{FailureKind, Stop};
use crate::state::{STEP_BYTES, State, interrupted, wrong_kind};

const PAGE: u64 = 1 << 16;

/// Defines every function; a test compares the result with the table.
pub(crate) fn link(linker: &mut Linker<Box<State>>) -> Result<()> {
    linker
        .func_wrap(MODULE, "kind", kind)?
        .func_wrap(MODULE, "length", length)?
        .func_wrap(MODULE, "same", same)?
        .func_wrap(MODULE, "blob_read", blob_read)?
        .func_wrap(MODULE, "blob_window", blob_window)?
        .func_wrap(MODULE, "blob_u64", blob_u64)?
        .func_wrap(MODULE, "u64_blob", u64_blob)?
        .func_wrap(MODULE, "blob_new", blob_new)?
        .func_wrap(MODULE, "tree_get", tree_get)?
        .func_wrap(MODULE, "tree_read", tree_read)?
        .func_wrap(MODULE, "tree_new", tree_new)?
        .func_wrap(MODULE, "tag", tag)?
        .func_wrap(MODULE, "application", application)?
        .func_wrap(MODULE, "identification", identification)?
        .func_wrap(MODULE, "selection", selection)?
        .func_wrap(MODULE, "selection_range", selection_range)?
        .func_wrap(MODULE, "selection_path", selection_path)?
        .func_wrap(MODULE, "selection_digest", selection_digest)?
        .func_wrap(MODULE, "strict", strict)?
        .func_wrap(MODULE, "shallow", shallow)?
        .func_wrap(MODULE, "fail", fail)?
        .func_wrap(MODULE, "log", log)?;
    Ok(())
}

fn kind(mut guest: Guest<'_>, h: i32) -> Result<i32> {
    entered(&mut guest, "kind")?;
    Ok(guest.data().handle("kind", h)?.kind().number().into())
}

fn length(mut guest: Guest<'_>, h: i32) -> Result<u64> {
    const CALL: &str = "length";
    entered(&mut guest, CALL)?;
    let handle = guest.data().handle(CALL, h)?;
    Ok(handle.length().ok_or_else(|| wrong_kind(CALL, h, handle, "data"))?)
}

fn same(mut guest: Guest<'_>, a: i32, b: i32) -> Result<i32> {
    entered(&mut guest, "same")?;
    let state = guest.data();
    Ok(i32::from(state.handle("same", a)? == state.handle("same", b)?))
}

/// The part of `content` from `offset`, at most `len` bytes.
fn part(content: &[u8], offset: u64, len: u32) -> &[u8] {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
    let rest = &content[from..];
    &rest[..rest.len().min(len as usize)]
}

/// Copies all of `source`, looking at the flag now and then.
pub(crate) fn copy(target: &mut [u8], source: &[u8], watch: Option<Interrupt>) -> Result<(), Stop> {
    let Some(interrupt) = watch else {
        target.copy_from_slice(source);
        return Ok(());
    };
    for (target, source) in target.chunks_mut(STEP_BYTES).zip(source.chunks(STEP_BYTES)) {
        target.copy_from_slice(source);
        if interrupt.is_set() {
            return Err(interrupted());
        }
    }
    Ok(())
}

fn blob_read(mut guest: Guest<'_>, h: i32, offset: u64, ptr: u32, len: u32) -> Result<u32> {
    const CALL: &str = "blob_read";
    entered(&mut guest, CALL)?;
    let (target, state) = bytes(&mut guest, CALL, ptr, u64::from(len))?;
    let watch = state.watch(target.len());
    let part = part(state.blob(CALL, h)?, offset, len);
    copy(&mut target[..part.len()], part, watch)?;
    let copied = part.len();
    written(&mut guest, ptr, copied);
    Ok(copied as u32)
}

fn blob_window(mut guest: Guest<'_>, h: i32, offset: u64, len: u32) -> Result<i32> {
    const CALL: &str = "blob_window";
    entered(&mut guest, CALL)?;
    let shown = part(guest.data_mut().blob(CALL, h)?, offset, len).len() as u64;
    let memory = memory(&mut guest, CALL)?;
    let address = memory.data_size(&guest) as u64;
    // An address that an i32 cannot hold, or not tell from -1.
    let Ok(ptr) = u32::try_from(address) else { return Ok(-1) };
    let pages = shown.div_ceil(PAGE);
    if pages > 0 {
        match memory.grow(&mut guest, pages) {
            Ok(_) => {}
            // The limiter's word that the machine, not the limit, refused.
            Err(error) if error.is::<Stop>() => return Err(error),
            Err(_) => return Ok(-1),
        }
    }
    let (target, state) = bytes(&mut guest, CALL, ptr, shown)?;
    let mapped = state.map_window(CALL, h, offset, target)?;
    let target = &mut target[mapped..];
    let watch = state.watch(target.len());
    let shown = part(state.blob(CALL, h)?, offset, len);
    copy(target, &shown[mapped..], watch)?;
    Ok(ptr as i32)
}

fn blob_u64(mut guest: Guest<'_>, h: i32) -> Result<u64> {
    const CALL: &str = "blob_u64";
    entered(&mut guest, CALL)?;
    let content = guest.data_mut().blob(CALL, h)?;
    let mut raw = [0; 8];
    let Some(low) = raw.get_mut(..content.len()) else {
        return Err(trap(CALL, "the blob is longer than 8 bytes").into());
    };
    low.copy_from_slice(content);
    Ok(u64::from_le_bytes(raw))
}

fn u64_blob(mut guest: Guest<'_>, v: u64) -> Result<i32> {
    entered(&mut guest, "u64_blob")?;
    Ok(guest.data_mut().push(Handle::of_u64(v))?)
}

fn blob_new(mut guest: Guest<'_>, ptr: u32, len: u32) -> Result<i32> {
    const CALL: &str = "blob_new";
    entered(&mut guest, CALL)?;
    let (content, state) = bytes(&mut guest, CALL, ptr, u64::from(len))?;
    Ok(state.make_blob(content)?)
}

fn tree_get(mut guest: Guest<'_>, h: i32, i: u64) -> Result<i32> {
    const CALL: &str = "tree_get";
    entered(&mut guest, CALL)?;
    let state = guest.data_mut();
    let entries = state.tree(CALL, h)?.entries();
    let entry = usize::try_from(i).ok().and_then(|i| entries.get(i).copied());
    let length = entries.len();
    let entry = entry.ok_or_else(|| trap(CALL, &format!("no entry {i} in a tree of {length}")))?;
    Ok(state.push(entry)?)
}

fn tree_read(mut guest: Guest<'_>, h: i32, first: u64, ptr: u32, n: u32) -> Result<u32> {
    const CALL: &str = "tree_read";
    entered(&mut guest, CALL)?;
    let (target, state) = bytes(&mut guest, CALL, ptr, 4 * u64::from(n))?;
    // The Tree is shared with the state that the entries go to.
    let tree = state.tree(CALL, h)?.clone();
    let from = usize::try_from(first).unwrap_or(usize::MAX).min(tree.entries().len());
    let mut count = 0u32;
    for (slot, entry) in target.chunks_exact_mut(4).zip(&tree.entries()[from..]) {
        slot.copy_from_slice(&state.push(*entry)?.to_le_bytes());
        count += 1;
        if count.is_multiple_of(1 << 16) {
            state.go_on()?;
        }
    }
    written(&mut guest, ptr, 4 * count as usize);
    Ok(count)
}

fn tree_new(mut guest: Guest<'_>, ptr: u32, n: u32) -> Result<i32> {
    const CALL: &str = "tree_new";
    entered(&mut guest, CALL)?;
    let (indices, state) = bytes(&mut guest, CALL, ptr, 4 * u64::from(n))?;
    Ok(state.make_tree(CALL, indices)?)
}

fn tag(mut guest: Guest<'_>, target: i32, data: i32) -> Result<i32> {
    const CALL: &str = "tag";
    entered(&mut guest, CALL)?;
    let state = guest.data_mut();
    let (target, data) = (markable(state, target)?, markable(state, data)?);
    Ok(state.make_tag(target, data)?)
}

/// A part of a Tag: one that evaluation leaves as it is, so that a Tag is its
/// own evaluation.
fn markable(state: &State, index: i32) -> Result<Handle, Stop> {
    let handle = state.handle("tag", index)?;
    match handle.has_encode() {
        true => Err(trap("tag", &format!("an encode can be reached in handle {index}"))),
        false => Ok(handle),
    }
}

/// Puts what a handle is turned into into the table.
fn turned(
    mut guest: Guest<'_>,
    call: &str,
    h: i32,
    turn: fn(Handle) -> Option<Handle>,
    wanted: &str,
) -> Result<i32> {
    entered(&mut guest, call)?;
    let state = guest.data_mut();
    let handle = state.handle(call, h)?;
    let made = turn(handle).ok_or_else(|| wrong_kind(call, h, handle, wanted))?;
    Ok(state.push(made)?)
}

fn application(guest: Guest<'_>, tree: i32) -> Result<i32> {
    turned(guest, "application", tree, Handle::application, "an accessible tree")
}

fn identification(guest: Guest<'_>, data: i32) -> Result<i32> {
    turned(guest, "identification", data, Handle::identification, "data")
}

fn strict(guest: Guest<'_>, thunk: i32) -> Result<i32> {
    turned(guest, "strict", thunk, Handle::strict, "a thunk")
}

fn shallow(guest: Guest<'_>, thunk: i32) -> Result<i32> {
    turned(guest, "shallow", thunk, Handle::shallow, "a thunk")
}

fn select(mut guest: Guest<'_>, call: &str, target: i32, what: Selection) -> Result<i32> {
    entered(&mut guest, call)?;
    let state = guest.data_mut();
    let target = state.handle(call, target)?;
    Ok(match what {
        Selection::Entry(i) => state.make_selection(&[target, Handle::of_u64(i)])?,
        Selection::Range(from, to) => {
            state.make_selection(&[target, Handle::of_u64(from), Handle::of_u64(to)])?
        }
        _ => state.make_selection(&what.definition(target))?,
    })
}

fn selection(guest: Guest<'_>, target: i32, i: u64) -> Result<i32> {
    select(guest, "selection", target, Selection::Entry(i))
}

fn selection_range(guest: Guest<'_>, target: i32, from: u64, to: u64) -> Result<i32> {
    select(guest, "selection_range", target, Selection::Range(from, to))
}

fn selection_digest(guest: Guest<'_>, target: i32, from: u64, to: u64) -> Result<i32> {
    select(guest, "selection_digest", target, Selection::Digest(from, to))
}

fn selection_path(mut guest: Guest<'_>, target: i32, ptr: u32, len: u32) -> Result<i32> {
    const CALL: &str = "selection_path";
    entered(&mut guest, CALL)?;
    let (path, state) = bytes(&mut guest, CALL, ptr, u64::from(len))?;
    let target = state.handle(CALL, target)?;
    let path = state.make_unlisted_blob(path)?;
    Ok(state.make_selection(&Selection::Path(path).definition(target))?)
}

fn fail(mut guest: Guest<'_>, ptr: u32, len: u32) -> Result<()> {
    const CALL: &str = "fail";
    entered(&mut guest, CALL)?;
    let (message, _) = bytes(&mut guest, CALL, ptr, u64::from(len))?;
    let kept = &message[..message.len().min(FAIL_MESSAGE_MAX_BYTES)];
    let message = String::from_utf8_lossy(kept).into_owned();
    Err(Stop::Failure(FailureKind::Failed, message).into())
}

fn log(mut guest: Guest<'_>, ptr: u32, len: u32) -> Result<()> {
    const CALL: &str = "log";
    entered(&mut guest, CALL)?;
    let (line, state) = bytes(&mut guest, CALL, ptr, u64::from(len))?;
    state.log_line(line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use wasmtime::{ExternType, Store};

    use super::*;
    use crate::abi::table::CALLS;
    use crate::way::{Ended, Kind, Way};

    #[test]
    fn exactly_the_rows_of_the_table_are_linked() {
        let way = Way::new(Kind::Roomy, Ended::ByPolls, false).unwrap();
        let mut store = Store::new(&way.engine, Box::<State>::default());
        let mut linked: Vec<_> = way
            .linker
            .iter(&mut store)
            .map(|(module, name, item)| (module.to_owned(), name.to_owned(), item))
            .collect();
        linked.sort_by_key(|(_, name, _)| CALLS.iter().position(|call| call.name == name));
        assert_eq!(linked.len(), CALLS.len());
        for ((module, name, item), call) in linked.into_iter().zip(CALLS) {
            assert_eq!((module.as_str(), name.as_str()), (MODULE, call.name));
            let ExternType::Func(ty) = item.ty(&store) else { panic!("{name} is no function") };
            let params: Vec<_> = ty.params().map(|ty| ty.to_string()).collect();
            let expected: Vec<_> = call.params.iter().map(|(_, ty)| ty.wasm()).collect();
            assert_eq!(params, expected, "{name}");
            let results: Vec<_> = ty.results().map(|ty| ty.to_string()).collect();
            let expected: Vec<_> = call.result.iter().map(|ty| ty.wasm()).collect();
            assert_eq!(results, expected, "{name}");
        }
    }
}
