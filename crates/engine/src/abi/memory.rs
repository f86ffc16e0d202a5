//! The guest's memory, as the functions of the ABI see it: the memory that the
//! module exports as `memory`.

use wasmtime::{Caller, Memory, Result};

use crate::outcome::{FailureKind, Stop};
use crate::rewrite::{CARD_BITS, CARDS_AT};
use crate::state::State;

pub(super) type Guest<'a> = Caller<'a, Box<State>>;

pub(super) fn trap(call: &str, what: &str) -> Stop {
    Stop::Failure(FailureKind::Trap, format!("{call}: {what}"))
}

/// Traps unless `weft_apply` was entered; then handles are what the function holds
/// them for.
pub(super) fn entered(guest: &mut Guest<'_>, call: &str) -> Result<(), Stop> {
    let state = guest.data_mut();
    match state.entered {
        true => state.catch_up(),
        false => Err(trap(call, "called before weft_apply")),
    }
}

/// The memory that the module exports.
pub(super) fn memory(guest: &mut Guest<'_>, call: &str) -> Result<Memory, Stop> {
    if let Some(memory) = guest.data().memory {
        return Ok(memory);
    }
    let (instance, export) = (guest.data().instance, guest.data().memory_export);
    let memory = instance
        .zip(export)
        .and_then(|(instance, export)| instance.get_module_export(&mut *guest, &export))
        .and_then(wasmtime::Extern::into_memory)
        .ok_or_else(|| trap(call, "the module exports no memory"))?;
    guest.data_mut().memory = Some(memory);
    Ok(memory)
}

/// Marks what the host has written into the guest's memory, if that is to be put
/// back.
pub(super) fn written(guest: &mut Guest<'_>, ptr: u32, len: usize) {
    let Some(cards) = guest.data().cards.filter(|_| len > 0) else { return };
    let (first, last) = (ptr as usize >> CARD_BITS, (ptr as usize + len - 1) >> CARD_BITS);
    let at = CARDS_AT as usize;
    if let Some(marks) = cards.data_mut(guest).get_mut(at + first..=at + last) {
        marks.fill(1);
    }
}

/// The bytes `ptr..ptr + len` of the guest's memory beside the run's state.
pub(super) fn bytes<'a>(
    guest: &'a mut Guest<'_>,
    call: &str,
    ptr: u32,
    len: u64,
) -> Result<(&'a mut [u8], &'a mut State), Stop> {
    let memory = memory(guest, call)?;
    let (bytes, state) = memory.data_and_store_mut(guest);
    let (size, from) = (bytes.len(), u64::from(ptr));
    let to = from.saturating_add(len);
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
    range
        .and_then(|(from, to)| bytes.get_mut(from..to))
        .map(|bytes| (bytes, &mut **state))
        .ok_or_else(|| trap(call, &format!("{from}..{to} is outside memory of {size} bytes")))
}
