//! Goes on from an image: `[limits, "image/1", image, function, arguments, ...]`.

use std::sync::Arc;

use wasmtime::{Instance, ModuleExport, Store};
use weft_object::{Handle, Kind};

use super::form::Form;
use super::host::Host;
use super::kept::Kept;
use super::pages::{Loaded, Pages, Touched, check_memory, written};
use super::{Imaged, Linked, Of, RESTORE, entry_of, failed, ill_formed, named};
use crate::apply::{arm, interruptible, without_run};
use crate::limits::Limits;
use crate::modules::{PoolFull, Prepared, Ready, Refusal};
use crate::outcome::{Applied, Stop};
use crate::state::State;
use crate::wasi::Exit;
use crate::way::Kind as WayKind;
use crate::{Engine, Run};

pub(super) fn target(run: &Run<'_>, engine: &Engine) -> Result<Of, Refusal> {
    let image = image(run)?;
    match engine.images.known(image) {
        Some(known) => Ok(known.of()),
        None => {
            let form = Form::read(run, image)?;
            let program = entry_of(run, form.program).map_err(|refusal| named(RESTORE, refusal))?;
            Ok(Of::new(program, form.suspended.is_none()))
        }
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

/// What a run is about, once it is known that it can begin.
struct Begin<H: Host> {
    image: Arc<Loaded>,
    given: H::Given,
}

/// Looks at things in the order in which an image that is not ready is looked at:
/// what a run comes to does not depend on whether it is.
fn begin<H: Host>(
    run: &Run<'_>,
    prepared: &Prepared<Imaged<H>>,
    engine: &Engine,
) -> Result<Begin<H>, Refusal> {
    let artifacts = engine.artifacts.as_deref();
    let image = engine.images.get(run, image(run)?, artifacts, may_map(prepared))?;
    check_memory(run, image.memory_bytes())?;
    let given = H::given(run, &image)?;
    Ok(Begin { image, given })
}

/// Whether what memories show may be mapped: those of the pool stay where they are.
fn may_map<H: Host>(prepared: &Prepared<Imaged<H>>) -> bool {
    matches!(prepared.way.kind, WayKind::Pooled { .. })
}

/// Goes on in a new instance.
pub(super) fn fresh<H: Host>(
    run: &Run<'_>,
    prepared: &Prepared<Imaged<H>>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    match begin(run, prepared, engine) {
        Ok(begin) => new(run, prepared, None, engine, begin),
        Err(refusal) => Ok(without_run(refusal.into())),
    }
}

/// Goes on in an instance that this thread has kept, or in a new one that is kept
/// then.
pub(super) fn kept<H: Host>(
    run: &Run<'_>,
    ready: &Arc<Ready<Imaged<H>>>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    let begin = match begin(run, &ready.prepared, engine) {
        Ok(begin) => begin,
        Err(refusal) => return Ok(without_run(refusal.into())),
    };
    let kept = run.fuel.is_none().then(|| Kept::take(&begin.image, engine));
    match kept.flatten() {
        Some(kept) => again(run, engine, kept, begin),
        None => {
            let keep = Some(ready).filter(|_| run.fuel.is_none());
            new(run, &ready.prepared, keep, engine, begin)
        }
    }
}

fn new<H: Host>(
    run: &Run<'_>,
    prepared: &Prepared<Imaged<H>>,
    keep: Option<&Arc<Ready<Imaged<H>>>>,
    engine: &Engine,
    begin: Begin<H>,
) -> Result<Applied, PoolFull> {
    let image = Arc::clone(&begin.image);
    match image.arriving() {
        None => new_in(run, prepared, keep, engine, begin),
        Some(arriving) => arriving
            .serve(run, |run| new_in(run, prepared, None, engine, begin))
            .unwrap_or_else(|refusal| Ok(without_run(refusal.into()))),
    }
}

fn new_in<H: Host>(
    run: &Run<'_>,
    prepared: &Prepared<Imaged<H>>,
    keep: Option<&Arc<Ready<Imaged<H>>>>,
    engine: &Engine,
    Begin { image, mut given }: Begin<H>,
) -> Result<Applied, PoolFull> {
    let linked = &prepared.linked;
    let limits = Limits::new(run.memory_limit_bytes, linked.beside.bytes);
    // SAFETY: the state goes to `end` before `run` and what is given do.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let mut data = unsafe { H::go_on(run, engine, &mut given, limits) };
    data.as_mut().windows.may_map = may_map(prepared);
    let mut store = Store::new(&prepared.way.engine, data);
    let mut begun = None;
    let result = arm(run, &mut store, AsMut::as_mut).and_then(|()| {
        let instance = linked.pre.instantiate(&mut store)?;
        let is_mapped = put(&image, linked, &instance, &mut store)?;
        let state = store.data_mut().as_mut();
        let limits = state.limits.clone();
        state.limits = limits.again(run.memory_limit_bytes);
        begun = Some((instance, limits, is_mapped));
        let side = linked.beside.memory(&instance, &mut store);
        interruptible((run.interrupt, side), &mut store, |store| {
            H::call(&given, linked, &instance, store)
        })
    });
    let fuel_left = run.fuel.and_then(|_| store.get_fuel().ok());
    if let Some((instance, limits, true)) = begun
        && is_whole(&result, &mut store)
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
    store.data_mut().as_mut().windows.close();
    H::end(run, prepared, store.into_data(), result, fuel_left)
}

fn again<H: Host>(
    run: &Run<'_>,
    engine: &Engine,
    mut kept: Kept<H>,
    Begin { image, mut given }: Begin<H>,
) -> Result<Applied, PoolFull> {
    let limits = kept.begun.again(run.memory_limit_bytes);
    // SAFETY: the state goes to `end` before `run` and what is given do.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let mut data = unsafe { H::go_on(run, engine, &mut given, limits) };
    std::mem::swap(&mut data.as_mut().windows, &mut kept.windows);
    data.as_mut().windows.prefetch(|window| image.touched(window));
    *kept.store.data_mut() = data;
    let (store, instance) = (&mut kept.store, kept.instance);
    let linked = &kept.ready.prepared.linked;
    let side = linked.beside.memory(&instance, store);
    let result = arm(run, store, AsMut::as_mut).and_then(|()| {
        interruptible((run.interrupt, side), store, |store| {
            H::call(&given, linked, &instance, store)
        })
    });
    ended(run, engine, kept, result)
}

/// Whether nothing but memory and globals of an instance can have changed.
fn is_whole<T: AsMut<State>>(result: &wasmtime::Result<u32>, store: &mut Store<T>) -> bool {
    let returned = match result {
        Ok(_) => true,
        Err(error) => error.is::<Exit>(),
    };
    returned && !store.data_mut().as_mut().limits.has_grown()
}

/// What a run has come to, of an instance that is kept if it can be.
fn ended<H: Host>(
    run: &Run<'_>,
    engine: &Engine,
    mut kept: Kept<H>,
    result: wasmtime::Result<u32>,
) -> Result<Applied, PoolFull> {
    let is_whole = is_whole(&result, &mut kept.store);
    let mut data = std::mem::replace(kept.store.data_mut(), H::hollow());
    std::mem::swap(&mut data.as_mut().windows, &mut kept.windows);
    let applied = H::end(run, &kept.ready.prepared, data, result, None);
    if is_whole {
        kept.keep(engine.config.compare_reused);
    }
    applied
}

/// What a run has written, of each memory.
fn touched<H: Host>(
    image: &Loaded,
    linked: &Linked<H>,
    instance: &Instance,
    store: &mut Store<H::Data>,
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
/// was mapped, so that it can be put back.
fn put<H: Host>(
    image: &Arc<Loaded>,
    linked: &Linked<H>,
    instance: &Instance,
    store: &mut Store<H::Data>,
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
        let (target, data) = memory.data_and_store_mut(&mut *store);
        let target = &mut target[..pages.bytes as usize];
        if let Some(arriving) = image.arriving() {
            if !data.as_mut().windows.map_arriving(number, target, image) {
                return Err(arriving.refused().into());
            }
            is_mapped = false;
            continue;
        }
        if !data.as_mut().windows.map_image(
            number,
            target,
            (image, pages.offset),
            image.touched(number),
        ) {
            is_mapped = false;
            image.copy(pages, target)?;
        }
    }
    Ok(is_mapped)
}

fn other() -> wasmtime::Error {
    failed("image/1: the image is of another program".to_owned())
}

/// Sets the globals to what the image has.
pub(super) fn put_globals<H: Host>(
    image: &Loaded,
    linked: &Linked<H>,
    instance: &Instance,
    store: &mut Store<H::Data>,
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
