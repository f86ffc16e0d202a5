//! What the calls do.

use wasmtime::{Caller, I31, Memory, Result};
use weft_object::{Handle, Kind, Selection};

use super::names::{Call, Question};
use super::shapes::{self, handle, push, wrong_kind};
use super::{Attached, Hosted, trap};
use crate::abi::link::copy;
use crate::outcome::{FailureKind, Stop};
use crate::rewrite::handles::{BASE, END_AT, ROOM, SIZE};
use crate::state::State;

const PAGE: usize = 1 << 16;

/// Selects from what is not known yet; its text stands beside it.
const SELECT: &[u8] = include_bytes!("select.wasm");

type Guest<'a> = Caller<'a, Hosted>;
type H = Option<I31>;

/// Where a table or memory is that a call is about.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// Of a memory, among those of the layout.
    pub(super) place: usize,
    pub(super) record: u32,
}

/// Traps unless `_fixpoint_apply` was entered.
fn entered(guest: &Guest<'_>, call: &str) -> Result<(), Stop> {
    match guest.data().base.entered {
        true => Ok(()),
        false => Err(trap(call, "called before _fixpoint_apply")),
    }
}

/// The same, with what the module exports under the call's name.
fn exported(guest: &Guest<'_>, call: &str, at: Option<At>) -> Result<At, Stop> {
    entered(guest, call)?;
    at.ok_or_else(|| trap(call, "the module exports no memory or table of this number"))
}

fn gone() -> Stop {
    trap("the memory of tables", "a checked export is gone")
}

/// The memory of tables.
fn tables(guest: &mut Guest<'_>) -> Result<Memory, Stop> {
    if let Some(memory) = guest.data().tables {
        return Ok(memory);
    }
    let (instance, layout) = (guest.data().instance, guest.data().layout.clone());
    let export =
        instance.and_then(|instance| instance.get_module_export(&mut *guest, &layout.tables));
    let memory = export.and_then(wasmtime::Extern::into_memory).ok_or_else(gone)?;
    guest.data_mut().tables = Some(memory);
    Ok(memory)
}

/// A memory of the module.
fn memory(guest: &mut Guest<'_>, at: At) -> Result<Memory, Stop> {
    if let Some(Some(memory)) = guest.data().memories.get(at.place) {
        return Ok(*memory);
    }
    let (instance, layout) = (guest.data().instance, guest.data().layout.clone());
    let export = instance.zip(layout.memories.get(at.place));
    let export =
        export.and_then(|(instance, export)| instance.get_module_export(&mut *guest, export));
    let memory = export.and_then(wasmtime::Extern::into_memory).ok_or_else(gone)?;
    if let Some(slot) = guest.data_mut().memories.get_mut(at.place) {
        *slot = Some(memory);
    }
    Ok(memory)
}

fn word(bytes: &[u8], at: u32) -> u32 {
    let bytes = bytes.get(at as usize..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn set_word(bytes: &mut [u8], at: u32, value: u32) {
    if let Some(slot) = bytes.get_mut(at as usize..).and_then(|rest| rest.first_chunk_mut()) {
        *slot = value.to_le_bytes();
    }
}

/// Grows a memory, for what must be in it, to so many bytes.
fn reach(guest: &mut Guest<'_>, call: &str, memory: Memory, bytes: u64) -> Result<()> {
    let there = memory.data_size(&*guest) as u64;
    let pages = bytes.saturating_sub(there).div_ceil(PAGE as u64);
    if pages == 0 {
        return Ok(());
    }
    match memory.grow(&mut *guest, pages) {
        Ok(_) => Ok(()),
        // The limiter's word that the machine, not the limit, refused.
        Err(error) if error.is::<Stop>() => Err(error),
        Err(_) => {
            let detail =
                format!("{call}: {bytes} bytes of memory are above the limit or a maximum");
            Err(Stop::Failure(FailureKind::MemoryLimit, detail).into())
        }
    }
}

pub(super) fn attach_tree(
    mut guest: Guest<'_>,
    call: &str,
    at: Option<At>,
    given: H,
) -> Result<()> {
    let At { record, .. } = exported(&guest, call, at)?;
    let tree = shapes::tree(&mut guest.data_mut().base, call, given)?;
    let handle = handle(&guest.data().base, call, given)?;
    let memory = tables(&mut guest)?;
    let entries = tree.entries();
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let (room, end) = {
        let bytes = memory.data(&guest);
        (word(bytes, record + ROOM), word(bytes, END_AT))
    };
    if count > room {
        let to = u64::from(end) + 4 * u64::from(count);
        reach(&mut guest, call, memory, to)?;
        let bytes = memory.data_mut(&mut guest);
        set_word(bytes, record + BASE, end);
        set_word(bytes, record + ROOM, count);
        set_word(bytes, END_AT, u32::try_from(to).map_err(|_| trap(call, "no address is left"))?);
    }
    let (bytes, hosted) = memory.data_and_store_mut(&mut guest);
    let base = word(bytes, record + BASE) as usize;
    for (nth, (slot, entry)) in bytes[base..].chunks_exact_mut(4).zip(entries).enumerate() {
        let index = hosted.base.push(*entry)?;
        slot.copy_from_slice(&shapes::number(&hosted.base, call, index)?.to_le_bytes());
        if nth.is_multiple_of(1 << 16) {
            hosted.base.go_on()?;
        }
    }
    set_word(bytes, record + SIZE, count);
    match hosted.trees.iter_mut().find(|(at, _)| *at == record) {
        Some((_, attached)) => *attached = handle,
        None => hosted.trees.push((record, handle)),
    }
    Ok(())
}

/// The bytes of an accessible Blob.
fn blob<'a>(state: &'a mut State, call: &str, given: H) -> Result<&'a [u8], Stop> {
    let handle = handle(state, call, given)?;
    match shapes::index(given) {
        Some(index) if handle.kind() == Kind::Blob => state.blob(call, index),
        None => Ok(&[]),
        Some(_) => Err(wrong_kind(call, handle, "an accessible blob")),
    }
}

pub(super) fn attach_blob(
    mut guest: Guest<'_>,
    call: &str,
    at: Option<At>,
    given: H,
) -> Result<()> {
    let at = exported(&guest, call, at)?;
    let handle = handle(&guest.data().base, call, given)?;
    let length = blob(&mut guest.data_mut().base, call, given)?.len();
    let memory = memory(&mut guest, at)?;
    reach(&mut guest, call, memory, length as u64)?;
    let (bytes, hosted) = memory.data_and_store_mut(&mut guest);
    let watch = hosted.base.watch(length);
    copy(&mut bytes[..length], blob(&mut hosted.base, call, given)?, watch)?;
    let before = hosted.blobs[at.place].map_or(0, |attached| attached.bytes);
    if before > length {
        bytes[length..before].fill(0);
    }
    hosted.blobs[at.place] = Some(Attached { handle, bytes: length });
    let tables = tables(&mut guest)?;
    let pages = length.div_ceil(PAGE) as u32;
    set_word(tables.data_mut(&mut guest), at.record, pages);
    Ok(())
}

pub(super) fn attached_tree(mut guest: Guest<'_>, call: &str, at: Option<At>) -> Result<H> {
    let at = exported(&guest, call, at)?;
    let attached = guest.data().trees.iter().find(|(record, _)| *record == at.record);
    let handle = attached.map_or(shapes::nil(), |(_, handle)| *handle);
    Ok(push(&mut guest.data_mut().base, handle)?)
}

pub(super) fn attached_blob(mut guest: Guest<'_>, call: &str, at: Option<At>) -> Result<H> {
    let at = exported(&guest, call, at)?;
    let handle = guest.data().blobs[at.place].map_or(shapes::nil(), |attached| attached.handle);
    Ok(push(&mut guest.data_mut().base, handle)?)
}

pub(super) fn size(guest: &Guest<'_>, call: &str, at: Option<At>) -> Result<u32> {
    let at = exported(guest, call, at)?;
    Ok(guest.data().blobs[at.place].map_or(0, |attached| attached.bytes as u32))
}

/// As much of a memory as there is of it for the module.
fn observed(guest: &mut Guest<'_>, at: At, is_recorded: bool) -> Result<(Memory, usize)> {
    let memory = memory(guest, at)?;
    let there = memory.data_size(&*guest);
    if !is_recorded {
        return Ok((memory, there));
    }
    if let Some(Some(attached)) = guest.data().blobs.get(at.place) {
        return Ok((memory, attached.bytes));
    }
    let tables = tables(guest)?;
    let pages = word(tables.data(&*guest), at.record) as usize;
    Ok((memory, there.min(pages * PAGE)))
}

/// A range of it.
fn range(call: &str, there: usize, (from, bytes): (u32, u32)) -> Result<(usize, usize), Stop> {
    let (from, to) = (from as usize, from as usize + bytes as usize);
    match to <= there {
        true => Ok((from, to)),
        false => Err(trap(call, &format!("{from}..{to} is outside memory of {there} bytes"))),
    }
}

pub(super) fn detach_blob(
    mut guest: Guest<'_>,
    call: &str,
    at: Option<At>,
    length: u32,
) -> Result<H> {
    let at = exported(&guest, call, at)?;
    let (memory, there) = observed(&mut guest, at, true)?;
    let (from, to) = range(call, there, (0, length))?;
    let (bytes, hosted) = memory.data_and_store_mut(&mut guest);
    let index = hosted.base.make_blob(&bytes[from..to])?;
    let tables = tables(&mut guest)?;
    set_word(tables.data_mut(&mut guest), at.record, 0);
    Ok(shapes::given(&guest.data().base, call, index)?)
}

pub(super) fn blob_of(
    mut guest: Guest<'_>,
    call: &str,
    at: Option<At>,
    is_recorded: bool,
    given: (u32, u32),
) -> Result<H> {
    let at = exported(&guest, call, at)?;
    let (memory, there) = observed(&mut guest, at, is_recorded)?;
    let (from, to) = range(call, there, given)?;
    let (bytes, hosted) = memory.data_and_store_mut(&mut guest);
    let index = hosted.base.make_blob(&bytes[from..to])?;
    Ok(shapes::given(&hosted.base, call, index)?)
}

pub(super) fn print(
    mut guest: Guest<'_>,
    call: &str,
    at: Option<At>,
    is_recorded: bool,
    given: (u32, u32),
) -> Result<()> {
    let at = exported(&guest, call, at)?;
    let (memory, there) = observed(&mut guest, at, is_recorded)?;
    let (from, to) = range(call, there, given)?;
    let (bytes, hosted) = memory.data_and_store_mut(&mut guest);
    hosted.base.log_line(&bytes[from..to]);
    Ok(())
}

pub(super) fn detach_tree(
    mut guest: Guest<'_>,
    call: &str,
    at: Option<At>,
    count: u32,
) -> Result<H> {
    let At { record, .. } = exported(&guest, call, at)?;
    let memory = tables(&mut guest)?;
    let (bytes, hosted) = memory.data_and_store_mut(&mut guest);
    let size = word(bytes, record + SIZE);
    if count > size {
        return Err(trap(call, &format!("{count} entries of a table of {size}")).into());
    }
    let base = word(bytes, record + BASE);
    let entry = |state: &State, nth: usize| {
        let number = word(bytes, base + 4 * nth as u32);
        handle(state, call, (number > 0).then(|| I31::wrapping_u32(number)))
    };
    let index = hosted.base.make_tree_of(count as usize, entry)?;
    set_word(bytes, record + SIZE, 0);
    Ok(shapes::given(&hosted.base, call, index)?)
}

pub(super) fn literal(mut guest: Guest<'_>, call: &str, bytes: &[u8]) -> Result<H> {
    entered(&guest, call)?;
    Ok(push(&mut guest.data_mut().base, Handle::of_blob(bytes))?)
}

pub(super) fn application(mut guest: Guest<'_>, call: &str, tree: H) -> Result<H> {
    entered(&guest, call)?;
    Ok(shapes::application(&mut guest.data_mut().base, call, tree)?)
}

/// In the interface of that name, what is asked for is all that stands in it.
pub(super) fn eager(mut guest: Guest<'_>, call: &str, tree: H) -> Result<H> {
    entered(&guest, call)?;
    let state = &mut guest.data_mut().base;
    let asked = handle(state, call, tree)?;
    let asked = shapes::asked_for(state, asked)?;
    let tree = push(state, asked)?;
    Ok(shapes::application(state, call, tree)?)
}

/// A handle for another use.
pub(super) fn turned(mut guest: Guest<'_>, call: &str, what: Call, given: H) -> Result<H> {
    entered(&guest, call)?;
    let state = &mut guest.data_mut().base;
    let handle = handle(state, call, given)?;
    let is_data = handle.kind().is_data();
    let (made, wanted) = match what {
        Call::Identification => (handle.identification().filter(|_| is_data), "data"),
        Call::Defined => (handle.selection(), "an accessible tree"),
        Call::Strict => (handle.strict(), "a thunk"),
        Call::Shallow => (handle.shallow(), "a thunk"),
        // A literal stays what it is, and so does what is no data.
        _ => (Some(handle.lower().unwrap_or(handle)), "data"),
    };
    let made = made.ok_or_else(|| wrong_kind(call, handle, wanted))?;
    Ok(push(state, made)?)
}

/// What stands at a place, or between two: as far as there is something.
pub(super) fn selection(
    mut guest: Guest<'_>,
    call: &str,
    target: H,
    (from, to): (u32, Option<u32>),
) -> Result<H> {
    entered(&guest, call)?;
    let state = &mut guest.data_mut().base;
    let target = handle(state, call, target)?;
    if target.kind().is_encode() {
        return Err(wrong_kind(call, target, "an object").into());
    }
    let (from, to) = (u64::from(from), to.map(u64::from));
    let Some(length) = target.length() else { return Ok(of_a_thunk(state, target, from, to)?) };
    let to = to.map(|to| to.min(length));
    let what = match to {
        None if from >= length => {
            let nil = shapes::nil();
            return Ok(push(state, nil.identification().unwrap_or(nil))?);
        }
        None => Selection::Entry(from),
        Some(to) => Selection::Range(from.min(to), to),
    };
    let index = state.make_selection(&what.definition(target))?;
    Ok(shapes::given(state, call, index)?)
}

/// The same of what a Thunk comes to, by a function that is told the length.
fn of_a_thunk(state: &mut State, thunk: Handle, from: u64, to: Option<u64>) -> Result<H, Stop> {
    let select = state.make_unlisted_blob(SELECT)?;
    let (nil, number) = (shapes::nil(), Handle::of_u64);
    let mut entries = vec![nil, select, thunk.shallow().unwrap_or(thunk), nil, number(from)];
    entries.extend(to.map(number));
    let index = state.make_tree_of(entries.len(), |_, nth| Ok(entries[nth]))?;
    let tree = state.handle("create_selection_thunk", index)?;
    push(state, tree.application().unwrap_or(tree))
}

pub(super) fn tag(mut guest: Guest<'_>, call: &str, target: H, data: H) -> Result<H> {
    entered(&guest, call)?;
    let state = &mut guest.data_mut().base;
    let (target, data) = (handle(state, call, target)?, handle(state, call, data)?);
    if target.has_encode() || data.has_encode() {
        return Err(trap(call, "an encode can be reached in the target or the data").into());
    }
    let index = state.make_tag(target, data)?;
    Ok(shapes::given(state, call, index)?)
}

/// A number that says something of a handle.
pub(super) fn asked(mut guest: Guest<'_>, call: &str, what: Call, given: H) -> Result<u32> {
    entered(&guest, call)?;
    let state = &mut guest.data_mut().base;
    let handle = handle(state, call, given)?;
    let kind = handle.kind();
    Ok(match what {
        Call::Length => {
            let length = handle.length().ok_or_else(|| wrong_kind(call, handle, "data"))?;
            u32::try_from(length).map_err(|_| trap(call, "longer than 32 bits tell"))?
        }
        Call::ValueType => match kind {
            Kind::Tree | Kind::TreeRef => 0,
            Kind::Blob | Kind::BlobRef => 2,
            Kind::Tag | Kind::TagRef => 3,
            _ => 1,
        },
        Call::Access => match kind {
            _ if kind.is_object() => 0,
            _ if kind.is_ref() => 1,
            _ => 2,
        },
        Call::Is(Question::Value) => {
            u32::from(kind.is_data() && !shapes::has_computation(state, handle)?)
        }
        Call::Is(Question::Object) => u32::from(match kind.is_data() {
            true => !handle.has_encode() && shapes::has_computation(state, handle)?,
            false => kind.is_thunk(),
        }),
        Call::Is(question) => u32::from(match question {
            Question::Blob => kind == Kind::Blob,
            Question::Tree => matches!(kind, Kind::Tree | Kind::Tag),
            Question::Tag => kind == Kind::Tag,
            Question::BlobRef => kind == Kind::BlobRef,
            Question::TreeRef => matches!(kind, Kind::TreeRef | Kind::TagRef),
            Question::Thunk => kind.is_thunk(),
            Question::Encode => kind.is_encode(),
            Question::Strict => kind == Kind::Strict,
            Question::Shallow => kind == Kind::Shallow,
            Question::Value | Question::Object => false,
        }),
        _ => 0,
    })
}

pub(super) fn equal(guest: &Guest<'_>, call: &str, a: H, b: H) -> Result<u32> {
    entered(guest, call)?;
    let state = &guest.data().base;
    let (a, b) = (handle(state, call, a)?, handle(state, call, b)?);
    if let Some(other) = [a, b].into_iter().find(|handle| !handle.kind().is_data()) {
        return Err(wrong_kind(call, other, "data").into());
    }
    Ok(u32::from(a == b))
}

/// What a result reaches is kept with it, and nothing else is.
pub(super) fn pin(guest: &Guest<'_>, call: &str, a: H, b: H) -> Result<u32> {
    entered(guest, call)?;
    let state = &guest.data().base;
    handle(state, call, a).and(handle(state, call, b))?;
    Ok(1)
}
