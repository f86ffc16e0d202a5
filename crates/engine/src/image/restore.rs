//! Goes on from an image: `[limits, "image/1", image, function, arguments, ...]`.

use std::sync::Arc;

use wasmtime::{Instance, ModuleExport, Store};
use weft_object::{Handle, Kind};
use weft_wasi::Process;

use super::call::Call;
use super::form::Form;
use super::pages::{Loaded, Pages, Touched, written};
use super::{FIRST, Imaged, Linked, RESTORE, failed, ill_formed, target_of};
use crate::apply::{interruptible, without_run};
use crate::limits::Limits;
use crate::modules::{PoolFull, Prepared, Refusal, Target};
use crate::outcome::{Applied, Failure, FailureKind, Outcome, Stop};
use crate::state::State;
use crate::wasi::{Running, arm, end, form};
use crate::way::Kind as WayKind;
use crate::{Engine, Run};

pub(super) fn target(run: &Run<'_>, engine: &Engine) -> Result<Target<Imaged>, Refusal> {
    let image = image(run)?;
    match engine.images.known(image) {
        Some(known) => Ok(known.target.clone()),
        None => target_of(run, Form::read(run, image)?.program),
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

fn given(run: &Run<'_>, engine: &Engine) -> Result<(Arc<Loaded>, Process, Call), Refusal> {
    let image = engine.images.get(run, image(run)?, engine.artifacts.as_deref())?;
    let invocation = form::invocation(run, FIRST)?;
    let is_given = |at: usize| {
        let entry = run.entries.entries().get(FIRST + at);
        entry.is_some_and(|entry| entry.literal_bytes() != Some(b""))
    };
    let process = Process::resume(&image.suspended, invocation, (is_given(3), is_given(4)));
    let process =
        process.map_err(|unlike| ill_formed(RESTORE, format_args!("the program {unlike}")))?;
    let process = process.map_err(|error| ill_formed(RESTORE, error))?;
    Ok((image, process, what(run)?))
}

pub(super) fn perform(
    run: &Run<'_>,
    prepared: &Prepared<Imaged>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    let (image, process, what) = match given(run, engine) {
        Ok(given) => given,
        Err(refusal) => return Ok(without_run(refusal.into())),
    };
    // The same that was asked for.
    let name = run.entries.entries()[2];
    if image.memory_bytes() > run.memory_limit_bytes {
        let (bytes, limit) = (image.memory_bytes(), run.memory_limit_bytes);
        let detail = format!("the image has {bytes} bytes of memory and the limit is {limit}");
        let kind = FailureKind::MemoryLimit;
        return Ok(without_run(Outcome::Failure(Failure { kind, detail, note: None })));
    }
    let linked = &prepared.linked;
    let limits = Limits::new(run.memory_limit_bytes, linked.beside.bytes);
    // SAFETY: the state goes to `end` before `run` does.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let mut base = unsafe {
        State::begin(
            run.objects,
            run.interrupt,
            (run.application, run.entries),
            limits,
            engine.config.bounds,
        )
    };
    base.windows.may_map = matches!(prepared.way.kind, WayKind::Pooled { .. });
    let mut store = Store::new(&prepared.way.engine, Running { base, process, why: None });
    let result = arm(run, &mut store).and_then(|()| {
        let instance = linked.pre.instantiate(&mut store)?;
        put(&image, linked, &instance, &mut store)?;
        let side = linked.beside.memory(&instance, &mut store);
        let called = interruptible((run.interrupt, side), &mut store, |store| {
            what.perform(&instance, store)
        });
        if image.wants_touched() && !store.data().base.windows.is_empty() {
            let touched = touched(&image, linked, &instance, &mut store);
            image.note_touched(name, touched, engine.artifacts.as_deref());
        }
        called
    });
    let fuel_left = run.fuel.and_then(|_| store.get_fuel().ok());
    // The memory goes back before the state is there.
    store.data_mut().base.windows.close();
    end(run, prepared, store.into_data(), result, fuel_left)
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

/// Puts the image into an instance that has nothing yet.
fn put(
    image: &Arc<Loaded>,
    linked: &Linked,
    instance: &Instance,
    store: &mut Store<Running>,
) -> wasmtime::Result<()> {
    let other = || failed("image/1: the image is of another program".to_owned());
    if linked.globals.len() != image.globals.len() || linked.memories.len() != image.memories.len()
    {
        return Err(other());
    }
    for (export, value) in linked.globals.iter().zip(&image.globals) {
        let global = instance.get_module_export(&mut *store, export);
        let global = global.and_then(wasmtime::Extern::into_global).ok_or_else(other)?;
        global.set(&mut *store, *value).map_err(|_| other())?;
    }
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
        if !running.base.windows.map_image(target, (image, pages.offset), image.touched(number)) {
            image.read(pages, target)?;
        }
    }
    Ok(())
}
