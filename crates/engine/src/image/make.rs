//! Makes an image: `[limits, "snapshot/1", functions, program, arguments, ...]`.

use wasmtime::{Instance, PoolConcurrencyLimitError, Store};
use weft_object::{Handle, Kind};
use weft_wasi::{Invocation, Process, Suspended};

use super::call::Call;
use super::form::{CHUNK_BYTES, Data, Made, tree};
use super::{FIRST, Imaged, Linked, MAKE, failed, ill_formed, named, target_of};
use crate::apply::{function, interruptible, without_run};
use crate::limits::Limits;
use crate::modules::{PoolFull, Prepared, Refusal, Target, module};
use crate::outcome::{Applied, NoAnswerKind, Outcome, Stop};
use crate::trap::outcome as outcome_of;
use crate::wasi::{Exit, Reading, Running, arm, form, stop};
use crate::{Engine, Run};

pub(super) fn target(run: &Run<'_>) -> Result<Target<Imaged>, Refusal> {
    if calls(run)?.is_empty() {
        return Err(ill_formed(MAKE, "no function is named that begins the program; name one"));
    }
    let Some(&program) = run.entries.entries().get(3) else {
        return Err(ill_formed(MAKE, "there is no program behind the functions"));
    };
    if !matches!(program.kind(), Kind::Blob | Kind::Tree) {
        return Err(ill_formed(MAKE, format_args!("the program is {}, not blob", program.kind())));
    }
    target_of(run, program).map_err(|refusal| named(MAKE, refusal))
}

/// What to call, one after the other.
fn calls(run: &Run<'_>) -> Result<Vec<Call>, Refusal> {
    let calls = run.entries.entries().get(2).filter(|calls| calls.kind() == Kind::Tree);
    let Some(calls) = calls else {
        return Err(ill_formed(MAKE, "the functions that begin the program are no tree"));
    };
    let tree = form::tree(run, *calls, "the functions")?;
    tree.entries().iter().map(|call| Call::read(run, *call, MAKE)).collect()
}

/// What a run needs that was found out before it began.
struct Given {
    calls: Vec<Call>,
    invocation: Invocation,
    binary: weft_object::Blob,
}

fn given(run: &Run<'_>, prepared: &Prepared<Imaged>) -> Result<(Given, Process), Refusal> {
    let calls = calls(run)?;
    let invocation = form::invocation(run, FIRST).map_err(|refusal| named(MAKE, refusal))?;
    let process = Process::new(invocation.clone());
    let process = process.map_err(|error| ill_formed(MAKE, error))?;
    let binary = module(&prepared.module, run.objects).ok_or_else(|| {
        let detail = format!("#{} is the program and is not resident", prepared.module);
        Refusal::NoAnswer(NoAnswerKind::Missing, detail)
    })?;
    Ok((Given { calls, invocation, binary }, process))
}

pub(super) fn perform(
    run: &Run<'_>,
    prepared: &Prepared<Imaged>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    let (given, process) = match given(run, prepared) {
        Ok(given) => given,
        Err(refusal) => return Ok(without_run(refusal.into())),
    };
    let limits = Limits::new(run.memory_limit_bytes, prepared.linked.beside.bytes);
    // SAFETY: the state ends below, before `run` does.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let running = unsafe { Running::begin(run, engine, process, limits) };
    let mut store = Store::new(&prepared.way.engine, running);
    let bound = engine.config.bounds.made_max_bytes;
    let result = arm(run, &mut store)
        .and_then(|()| begun(run, &prepared.linked, &given, &mut store))
        .and_then(|instance| taken(run, (&prepared.linked, &given), &instance, &mut store, bound));
    let fuel_left = run.fuel.and_then(|_| store.get_fuel().ok());
    let Running { base, process, mut why } = store.into_data();
    let memory_peak_bytes = base.limits.memory_peak_bytes();
    let result = result.and_then(|taken| {
        let mut source = Reading { of: base.borrowed(), why: &mut why };
        let suspended = process.suspend(&given.invocation, &mut source);
        let suspended = suspended.map_err(|halt| stop(halt, why.take()))?;
        let suspended = suspended.map_err(|unfit| {
            failed(format!("snapshot/1: the program cannot go on from an image: {unfit}"))
        })?;
        Ok((taken, suspended))
    });
    base.end();
    let applied = match result {
        Ok((taken, suspended)) => value(run, taken, &suspended),
        Err(error) if error.is::<PoolConcurrencyLimitError>() => return Err(PoolFull),
        Err(error) => without_run(match error.downcast_ref() {
            Some(Exit(code)) => outcome_of(&exited(*code), || None),
            None => outcome_of(&error, || prepared.places(run)),
        }),
    };
    let used = |fuel: u64| fuel_left.map(|left| fuel.saturating_sub(left));
    Ok(Applied { fuel_used: run.fuel.and_then(used), memory_peak_bytes, ..applied })
}

fn exited(code: u32) -> wasmtime::Error {
    failed(format!("snapshot/1: the program ended itself with exit code {code}; nothing goes on"))
}

/// An instance whose functions were called.
fn begun(
    run: &Run<'_>,
    linked: &Linked,
    given: &Given,
    store: &mut Store<Running>,
) -> wasmtime::Result<Instance> {
    let instance = linked.pre.instantiate(&mut *store)?;
    let side = linked.beside.memory(&instance, store);
    if let Some(export) = linked.memories.first() {
        let memory = instance.get_module_export(&mut *store, export);
        let memory = memory.and_then(wasmtime::Extern::into_memory);
        let data = Data::of(given.binary.bytes());
        if let (Some(memory), Some(data)) = (memory, data) {
            let memory = memory.data_mut(&mut *store);
            if !data.fits(memory.len()) {
                return Err(wasmtime::Trap::MemoryOutOfBounds.into());
            }
            data.put(memory, 0);
        }
    }
    interruptible((run.interrupt, side), store, |store| {
        linked.beside.start(&instance, store)?;
        if let Some(initialize) = &linked.initialize {
            function(&instance, store, initialize)?
                .typed::<(), ()>(&*store)?
                .call(&mut *store, ())?;
        }
        for call in &given.calls {
            let code = call.perform(&instance, store)?;
            if code != 0 {
                let name = &call.name;
                return Err(failed(format!("snapshot/1: {name} returned {code}, not 0")));
            }
        }
        Ok(())
    })?;
    Ok(instance)
}

/// Globals and pages.
struct Taken {
    made: Made,
    globals: Vec<wasmtime::Val>,
    memories: Vec<Handle>,
}

fn taken(
    run: &Run<'_>,
    (linked, given): (&Linked, &Given),
    instance: &Instance,
    store: &mut Store<Running>,
    bound: u64,
) -> wasmtime::Result<Taken> {
    let (mut made, mut globals, mut memories) = (Made::default(), Vec::new(), Vec::new());
    for export in &linked.globals {
        let global = instance.get_module_export(&mut *store, export);
        let global = global.and_then(wasmtime::Extern::into_global);
        globals.extend(global.map(|global| global.get(&mut *store)));
    }
    for (number, export) in linked.memories.iter().enumerate() {
        // All of it is memory 0's.
        let data = if number == 0 { Data::of(given.binary.bytes()) } else { None };
        let data = data.unwrap_or_default();
        let memory = instance.get_module_export(&mut *store, export);
        let Some(memory) = memory.and_then(wasmtime::Extern::into_memory) else { continue };
        let bytes = memory.data(&*store);
        let mut entries = vec![Handle::of_u64(bytes.len() as u64)];
        for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
            if run.interrupt.is_set() {
                return Err(crate::state::interrupted().into());
            }
            entries.push(made.chunk(chunk, &data, number * CHUNK_BYTES));
            if made.bytes > bound {
                let detail = format!("the image has more than {bound} bytes that are not zero");
                return Err(Stop::NoAnswer(NoAnswerKind::MadeBytes, detail).into());
            }
        }
        memories.push(made.tree(entries));
    }
    Ok(Taken { made, globals, memories })
}

fn value(run: &Run<'_>, taken: Taken, suspended: &Suspended) -> Applied {
    let Taken { mut made, globals, memories } = taken;
    let program = run.entries.entries()[3];
    // The check lets no other globals through.
    let image = tree(&mut made, program, &globals, suspended, memories);
    match image {
        Some(image) => Applied { made: made.content, ..without_run(Outcome::Value(image)) },
        None => without_run(
            ill_formed(MAKE, "a global of the program holds what an image cannot").into(),
        ),
    }
}
