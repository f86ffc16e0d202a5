//! Goes on from an image: `[limits, "image/1", image, function, arguments, ...]`.

use std::sync::Arc;

use wasmtime::{Instance, ModuleExport, Store};
use weft_object::{Handle, Kind};
use weft_wasi::Process;

use super::call::Call;
use super::form::Form;
use super::kept::{self, Kept};
use super::pages::{Loaded, Pages, Touched, check_memory, written};
use super::{FIRST, Imaged, Linked, RESTORE, failed, ill_formed, named, target_of};
use crate::apply::{interruptible, without_run};
use crate::limits::Limits;
use crate::modules::{PoolFull, Prepared, Ready, Refusal, Target};
use crate::outcome::{Applied, Stop};
use crate::wasi::{Exit, Running, arm, end, form};
use crate::way::Kind as WayKind;
use crate::{Engine, Run};

pub(super) fn target(run: &Run<'_>, engine: &Engine) -> Result<Target<Imaged>, Refusal> {
    let image = image(run)?;
    match engine.images.known(image) {
        Some(known) => Ok(known.target.clone()),
        None => target_of(run, Form::read(run, image)?.program)
            .map_err(|refusal| named(RESTORE, refusal)),
    }
}

fn image(run: &Run<'_>) -> Result<Handle, Refusal> {
    match run.entries.entries().get(2) {
        Some(image) if matches!(image.kind(), Kind::Tree | Kind::TreeRef) => Ok(*image),
        Some(other) => {
            Err(ill_formed(RESTORE, format_args!("the image is {}, not tree", other.kind())))
        }
        None => Err(ill_formed(RESTORE, "it needs an image, a tree, as its first argument")),
    }
}

/// What to call.
fn what(run: &Run<'_>) -> Result<Call, Refusal> {
    match run.entries.entries().get(3) {
        Some(call) => Call::read(run, *call, RESTORE),
        None => Err(ill_formed(RESTORE, "no function is named that goes on; name one")),
    }
}

/// What a run is about, once it is known that it can begin.
struct Begin {
    image: Arc<Loaded>,
    what: Call,
    process: Process,
}

/// Looks at things in the order in which an image that is not ready is looked at:
/// what a run comes to does not depend on whether it is.
fn begin(run: &Run<'_>, engine: &Engine) -> Result<Begin, Refusal> {
    let image = engine.images.get(run, image(run)?, engine.artifacts.as_deref())?;
    check_memory(run, image.memory_bytes())?;
    let invocation = form::invocation(run, FIRST).map_err(|refusal| named(RESTORE, refusal))?;
    let is_given = |at: usize| {
        let entry = run.entries.entries().get(FIRST + at);
        entry.is_some_and(|entry| entry.literal_bytes() != Some(b""))
    };
    let process = Process::resume(&image.suspended, invocation, (is_given(3), is_given(4)));
    let process =
        process.map_err(|unlike| ill_formed(RESTORE, format_args!("the program {unlike}")))?;
    let process = process.map_err(|error| ill_formed(RESTORE, error))?;
    Ok(Begin { image, what: what(run)?, process })
}

/// Goes on in a new instance.
pub(super) fn fresh(
    run: &Run<'_>,
    prepared: &Prepared<Imaged>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    match begin(run, engine) {
        Ok(begin) => new(run, prepared, None, engine, begin),
        Err(refusal) => Ok(without_run(refusal.into())),
    }
}

/// Goes on in an instance that this thread has kept, or in a new one that is kept
/// then.
pub(super) fn kept(
    run: &Run<'_>,
    ready: &Arc<Ready<Imaged>>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    let begin = match begin(run, engine) {
        Ok(begin) => begin,
        Err(refusal) => return Ok(without_run(refusal.into())),
    };
    let kept = run.fuel.is_none().then(|| kept::take(&begin.image, engine));
    match kept.flatten() {
        Some(kept) => again(run, engine, kept, begin),
        None => {
            let keep = Some(ready).filter(|_| run.fuel.is_none());
            new(run, &ready.prepared, keep, engine, begin)
        }
    }
}

fn new(
    run: &Run<'_>,
    prepared: &Prepared<Imaged>,
    keep: Option<&Arc<Ready<Imaged>>>,
    engine: &Engine,
    Begin { image, what, process }: Begin,
) -> Result<Applied, PoolFull> {
    let linked = &prepared.linked;
    let limits = Limits::new(run.memory_limit_bytes, linked.beside.bytes);
    // SAFETY: the state goes to `end` before `run` does.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let mut data = unsafe { Running::begin(run, engine, process, limits) };
    data.base.windows.may_map = matches!(prepared.way.kind, WayKind::Pooled { .. });
    let mut store = Store::new(&prepared.way.engine, data);
    let mut begun = None;
    let result = arm(run, &mut store).and_then(|()| {
        let instance = linked.pre.instantiate(&mut store)?;
        let is_mapped = put(&image, linked, &instance, &mut store)?;
        let limits = store.data().base.limits.clone();
        store.data_mut().base.limits = limits.again(run.memory_limit_bytes);
        begun = Some((instance, limits, is_mapped));
        let side = linked.beside.memory(&instance, &mut store);
        interruptible((run.interrupt, side), &mut store, |store| what.perform(&instance, store))
    });
    let fuel_left = run.fuel.and_then(|_| store.get_fuel().ok());
    if let Some((instance, limits, true)) = begun
        && is_whole(&result, &store)
    {
        if image.wants_touched() {
            let touched = touched(&image, linked, &instance, &mut store);
            let name = run.entries.entries()[2];
            image.note_touched(name, touched, engine.artifacts.as_deref());
        }
        if let Some(ready) = keep {
            match Kept::new(engine, &image, ready, (store, instance), limits) {
                Ok(kept) => return ended(run, engine, kept, result),
                Err(back) => store = back,
            }
        }
    }
    // The memory goes back before the state is there.
    store.data_mut().base.windows.close();
    end(run, prepared, store.into_data(), result, fuel_left)
}

fn again(
    run: &Run<'_>,
    engine: &Engine,
    mut kept: Kept,
    Begin { image, what, process }: Begin,
) -> Result<Applied, PoolFull> {
    let limits = kept.begun.again(run.memory_limit_bytes);
    // SAFETY: the state goes to `end` before `run` does.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let mut data = unsafe { Running::begin(run, engine, process, limits) };
    std::mem::swap(&mut data.base.windows, &mut kept.windows);
    data.base.windows.prefetch(|window| image.touched(window));
    *kept.store.data_mut() = data;
    let (store, instance) = (&mut kept.store, kept.instance);
    let side = kept.ready.prepared.linked.beside.memory(&instance, store);
    let result = arm(run, store).and_then(|()| {
        interruptible((run.interrupt, side), store, |store| what.perform(&instance, store))
    });
    ended(run, engine, kept, result)
}

/// Whether nothing but memory and globals of an instance can have changed.
fn is_whole(result: &wasmtime::Result<u32>, store: &Store<Running>) -> bool {
    let returned = match result {
        Ok(_) => true,
        Err(error) => error.is::<Exit>(),
    };
    returned && !store.data().base.limits.has_grown()
}

/// What a run has come to, of an instance that is kept if it can be.
fn ended(
    run: &Run<'_>,
    engine: &Engine,
    mut kept: Kept,
    result: wasmtime::Result<u32>,
) -> Result<Applied, PoolFull> {
    let is_whole = is_whole(&result, &kept.store);
    let mut data = std::mem::replace(kept.store.data_mut(), Running::hollow());
    std::mem::swap(&mut data.base.windows, &mut kept.windows);
    let applied = end(run, &kept.ready.prepared, data, result, None);
    if is_whole {
        kept.keep(engine);
    }
    applied
}

/// What a run has written, of each memory.
fn touched(
    image: &Loaded,
    linked: &Linked,
    instance: &Instance,
    store: &mut Store<Running>,
) -> Vec<Touched> {
    let of = |(export, pages): (&ModuleExport, &Pages)| {
        let memory = instance.get_module_export(&mut *store, export);
        let memory = memory.and_then(wasmtime::Extern::into_memory)?;
        written(memory.data(&*store).get(..pages.bytes as usize)?).ok()
    };
    let all = linked.memories.iter().zip(&image.memories).map(of);
    all.map(Option::unwrap_or_default).collect()
}

/// Puts the image into an instance that has nothing yet; whether all of its memory
/// was mapped.
fn put(
    image: &Arc<Loaded>,
    linked: &Linked,
    instance: &Instance,
    store: &mut Store<Running>,
) -> wasmtime::Result<bool> {
    let mut is_mapped = true;
    if linked.memories.len() != image.memories.len() {
        return Err(other());
    }
    put_globals(image, linked, instance, store)?;
    for (number, (export, pages)) in linked.memories.iter().zip(&image.memories).enumerate() {
        let memory = instance.get_module_export(&mut *store, export);
        let memory = memory.and_then(wasmtime::Extern::into_memory).ok_or_else(other)?;
        let now = memory.data_size(&*store) as u64;
        let more = pages.bytes.checked_sub(now).ok_or_else(other)?;
        let page_bytes = memory.page_size(&*store);
        if more > 0 {
            memory.grow(&mut *store, more / page_bytes).map_err(|error| {
                match error.downcast::<Stop>() {
                    Ok(stop) => stop.into(),
                    Err(_) => other(),
                }
            })?;
        }
        let (target, running) = memory.data_and_store_mut(&mut *store);
        let target = &mut target[..pages.bytes as usize];
        if !running.base.windows.map_image(
            number,
            target,
            (image, pages.offset),
            image.touched(number),
        ) {
            is_mapped = false;
            image.read(pages, target)?;
        }
    }
    Ok(is_mapped)
}

fn other() -> wasmtime::Error {
    failed("image/1: the image is of another program".to_owned())
}

/// Sets the globals to what the image has.
pub(super) fn put_globals(
    image: &Loaded,
    linked: &Linked,
    instance: &Instance,
    store: &mut Store<Running>,
) -> wasmtime::Result<()> {
    if linked.globals.len() != image.globals.len() {
        return Err(other());
    }
    for (export, value) in linked.globals.iter().zip(&image.globals) {
        let global = instance.get_module_export(&mut *store, export);
        let global = global.and_then(wasmtime::Extern::into_global).ok_or_else(other)?;
        global.set(&mut *store, *value).map_err(|_| other())?;
    }
    Ok(())
}
