//! Instances that the host puts back and that serve the next run on the same
//! thread, as [`recycle`](crate::recycle) does for codelets.
//!
//! A module here has several memories, and what the host wrote into them the host
//! knows. So nothing is marked and no other code is compiled: after a run, what
//! was attached is cleared, and memories that the module writes to, up to a few
//! pages, are written anew. An instance whose memory grew is not kept.

use std::sync::Arc;

use wasmtime::{Global, I31, Instance, Memory, Store, TypedFunc, Val};
use weft_object::Handle;

use super::{Fixpoint, Hosted, Seen, applied, first, instance, store};
use crate::apply::{function, interruptible};
use crate::engine::Reuse;
use crate::limits::Limits;
use crate::modules::Ready;
use crate::outcome::{Applied, Outcome};
use crate::rewrite::handles::END_AT;
use crate::shelf::{COMPARED, Place, Placed, Shelf};
use crate::{Engine, Run};

/// Instances that a thread keeps.
const KEPT_PER_THREAD: usize = 8;

/// An instance in the state in which it began.
struct Kept {
    module: Handle,
    ready: Arc<Ready<Fixpoint>>,
    store: Store<Hosted>,
    apply: TypedFunc<Option<I31>, Option<I31>>,
    side: Option<Memory>,
    begun: Limits,
    tables: Began,
    written: Vec<Began>,
    globals: Vec<(Global, Val)>,
    runs: u64,
    place: Place,
}

/// A memory, and what it began with up to the last byte that is not zero.
struct Began {
    memory: Memory,
    bytes: Vec<u8>,
}

impl Placed for Kept {
    fn place(&self) -> &Place {
        &self.place
    }
}

thread_local! {
    static KEPT: Shelf<Kept, KEPT_PER_THREAD> = const { Shelf::new() };
}

/// Applies by an instance that this thread has kept, if there is one.
pub(crate) fn again(run: &Run<'_>, engine: &Engine) -> Option<Applied> {
    let &module = run.entries.entries().get(1)?;
    let fits = |kept: &Kept| {
        run.fuel.is_none() && kept.ready.shape.memory_min_bytes <= run.memory_limit_bytes
    };
    let mut kept = KEPT.with(|all| all.take(engine, |kept| kept.module == module, fits))?;
    let limits = kept.begun.again(run.memory_limit_bytes);
    let given = (run.application, run.entries);
    // SAFETY: `run` borrows all of it for longer than the call, after which the
    // state is cleared or dropped.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    unsafe {
        let base = &mut kept.store.data_mut().base;
        base.set(run, given, limits, engine.config.bounds);
    }
    Some(perform(run, engine, kept))
}

/// Runs in a new instance that is kept; `None` if that cannot be, or its run could
/// not begin.
pub(super) fn begin(
    run: &Run<'_>,
    ready: &Arc<Ready<Fixpoint>>,
    engine: &Engine,
) -> Option<Applied> {
    let prepared = &ready.prepared;
    let &module = run.entries.entries().get(1)?;
    // What is nested is found by another name.
    let layout = Arc::clone(&prepared.linked.layout);
    let is_kept = layout.kept.is_some() && module == prepared.module;
    let wanted = engine.config.reuse != Reuse::Never && run.fuel.is_none();
    if !is_kept || !wanted {
        return None;
    }
    // The pool has so much room for memories and tables as if each had two.
    let places = layout.memories_in_all.max(layout.tables_in_all).div_ceil(2);
    let place = Place::take(engine, places)?;
    let seen = Seen::of(run, module);
    let mut store = store(run, &seen, prepared, engine);
    let made = instance(run, &prepared.linked, &mut store).and_then(|(instance, side)| {
        let apply = function(&instance, &mut store, &prepared.linked.apply)?;
        let apply = apply.typed(&store)?;
        Ok((apply, side, began(ready, &instance, &mut store)?))
    });
    // Why there is none will be told by the way that everybody knows.
    let Ok((apply, side, (tables, written, globals))) = made else {
        store.into_data().base.end();
        return None;
    };
    store.data_mut().base.entered = true;
    let begun = store.data().base.limits.clone();
    store.data_mut().base.limits = begun.again(run.memory_limit_bytes);
    let ready = Arc::clone(ready);
    let kept =
        Kept { module, ready, store, apply, side, begun, tables, written, globals, runs: 0, place };
    Some(perform(run, engine, kept))
}

type All = (Began, Vec<Began>, Vec<(Global, Val)>);

/// What an instance begins with.
fn began(
    ready: &Ready<Fixpoint>,
    instance: &Instance,
    store: &mut Store<Hosted>,
) -> wasmtime::Result<All> {
    let gone = || wasmtime::Error::msg("an added export is gone");
    let layout = &ready.prepared.linked.layout;
    let kept = layout.kept.as_ref().ok_or_else(gone)?;
    let mut memory = |export| {
        let found = instance.get_module_export(&mut *store, export);
        let memory = found.and_then(wasmtime::Extern::into_memory).ok_or_else(gone)?;
        let bytes = memory.data(&*store);
        let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Ok::<_, wasmtime::Error>(Began { memory, bytes: bytes[..length].to_vec() })
    };
    let tables = memory(&layout.tables)?;
    let written = kept.memories.iter().map(memory).collect::<wasmtime::Result<_>>()?;
    let mut globals = Vec::new();
    for export in &kept.globals {
        let found = instance.get_module_export(&mut *store, export);
        let global = found.and_then(wasmtime::Extern::into_global).ok_or_else(gone)?;
        let value = global.get(&mut *store);
        // A handle is none before anything has run, and functions are not written to.
        globals.push((global, value));
    }
    Ok((tables, written, globals))
}

/// Applies, and keeps the instance if it is put back.
fn perform(run: &Run<'_>, engine: &Engine, mut kept: Kept) -> Applied {
    let Kept { store, apply, side, .. } = &mut kept;
    let result = interruptible((run.interrupt, *side), store, |store| apply.call(store, first()));
    let returned = result.is_ok() && !kept.store.data().base.limits.has_grown();
    let prepared = &kept.ready.prepared;
    let applied = applied(run, prepared, &mut kept.store.data_mut().base, result);
    let is_value = matches!(applied.outcome, Outcome::Value(_));
    if kept.store.data_mut().base.clear() && returned && is_value && put_back(&mut kept).is_ok() {
        kept.runs += 1;
        let compared = kept.runs <= COMPARED || kept.runs.is_multiple_of(COMPARED);
        if engine.config.compare_reused && compared {
            compare(&kept);
        }
        // Where the thread is about to end, there is nothing to keep for.
        let _ = KEPT.try_with(|all| all.put(kept));
    }
    applied
}

fn put_back(kept: &mut Kept) -> wasmtime::Result<()> {
    let Kept { store, tables, written, globals, .. } = kept;
    for place in 0..store.data().blobs.len() {
        let Some(attached) = store.data_mut().blobs[place].take() else { continue };
        if let Some(memory) = store.data().memories[place]
            && let Some(bytes) = memory.data_mut(&mut *store).get_mut(..attached.bytes)
        {
            bytes.fill(0);
        }
    }
    store.data_mut().trees.clear();
    let bytes = tables.memory.data_mut(&mut *store);
    let end = bytes.get(END_AT as usize..).and_then(|rest| rest.first_chunk());
    let end = end.map_or(bytes.len(), |end| u32::from_le_bytes(*end) as usize);
    put(bytes, &tables.bytes, end);
    for Began { memory, bytes } in written {
        let there = memory.data_mut(&mut *store);
        let end = there.len();
        put(there, bytes, end);
    }
    for (global, value) in globals {
        global.set(&mut *store, *value)?;
    }
    Ok(())
}

/// Writes what there was, and zeros up to an end.
fn put(there: &mut [u8], began: &[u8], end: usize) {
    let end = end.min(there.len());
    there[..began.len()].copy_from_slice(began);
    if let Some(rest) = there.get_mut(began.len()..end) {
        rest.fill(0);
    }
}

/// # Panics
/// If a memory is not as it was.
fn compare(kept: &Kept) {
    let Kept { store, tables, written, .. } = kept;
    for Began { memory, bytes } in std::iter::once(tables).chain(written) {
        let there = memory.data(store);
        let is_back =
            there.starts_with(bytes) && there[bytes.len()..].iter().all(|byte| *byte == 0);
        assert!(is_back, "an instance was not put back");
    }
}
