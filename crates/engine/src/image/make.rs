//! Makes an image: `[limits, "snapshot/1", functions, program, arguments, ...]`.

use wasmtime::{Instance, PoolConcurrencyLimitError, Store};
use weft_object::{Handle, Kind};
use weft_wasi::Suspended;

use super::call::Call;
use super::form::{CHUNK_BYTES, Data, Made, is_image, tree};
use super::host::Host;
use super::{Imaged, Linked, MAKE, Of, entry_of, failed, ill_formed, named};
use crate::apply::{arm, function, interruptible, without_run};
use crate::check::is_codelet;
use crate::limits::Limits;
use crate::modules::{PoolFull, Prepared, Refusal, module};
use crate::outcome::{Applied, NoAnswerKind, Outcome, Stop};
use crate::trap::outcome as outcome_of;
use crate::wasi::{Exit, form};
use crate::{Engine, Run};

pub(super) fn target(run: &Run<'_>) -> Result<Of, Refusal> {
    if calls(run)?.is_empty() {
        return Err(ill_formed(MAKE, "no function is named that begins the program; name one"));
    }
    let Some(&program) = run.entries.entries().get(3) else {
        return Err(ill_formed(MAKE, "there is no program behind the functions"));
    };
    if !matches!(program.kind(), Kind::Blob | Kind::Tree) {
        return Err(ill_formed(MAKE, format_args!("the program is {}, not blob", program.kind())));
    }
    if program.kind() == Kind::Tree && is_image(&form::tree(run, program, "the program")?) {
        let detail =
            "the program is an image; name that of which it is one, and all that is called";
        return Err(ill_formed(MAKE, detail));
    }
    let program = entry_of(run, program).map_err(|refusal| named(MAKE, refusal))?;
    let is_codelet = module(&program.1, run.objects).is_some_and(|blob| is_codelet(blob.bytes()));
    Ok(Of::new(program, is_codelet))
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
struct Given<H: Host> {
    calls: Vec<Call>,
    beginning: H::Beginning,
    data: Data,
}

fn given<H: Host>(run: &Run<'_>, prepared: &Prepared<Imaged<H>>) -> Result<Given<H>, Refusal> {
    let calls = calls(run)?;
    let beginning = H::beginning(run)?;
    let binary = module(&prepared.module, run.objects).ok_or_else(|| {
        let detail = format!("#{} is the program and is not resident", prepared.module);
        Refusal::NoAnswer(NoAnswerKind::Missing, detail)
    })?;
    Ok(Given { calls, beginning, data: Data::of(binary) })
}

pub(super) fn perform<H: Host>(
    run: &Run<'_>,
    prepared: &Prepared<Imaged<H>>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    let mut given = match given(run, prepared) {
        Ok(given) => given,
        Err(refusal) => return Ok(without_run(refusal.into())),
    };
    let linked = &prepared.linked;
    let limits = Limits::new(run.memory_limit_bytes, linked.beside.bytes);
    // SAFETY: the state ends in `suspend`, before `run` does.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let data = unsafe { H::begin(run, engine, &mut given.beginning, limits) };
    let mut store = Store::new(&prepared.way.engine, data);
    let bound = engine.config.bounds.made_max_bytes;
    let result = arm(run, &mut store, AsMut::as_mut)
        .and_then(|()| begun(run, linked, &given, &mut store))
        .and_then(|instance| H::fit(store.data(), &given.beginning).map(|()| instance))
        .and_then(|instance| taken(run, (linked, &given), &instance, &mut store, bound));
    let fuel_left = run.fuel.and_then(|_| store.get_fuel().ok());
    let memory_peak_bytes = store.data_mut().as_mut().limits.memory_peak_bytes();
    let suspended = H::suspend(store.into_data(), &given.beginning);
    let applied = match result.and_then(|taken| Ok((taken, suspended?))) {
        Ok((taken, suspended)) => value(run, taken, suspended.as_ref()),
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
fn begun<H: Host>(
    run: &Run<'_>,
    linked: &Linked<H>,
    given: &Given<H>,
    store: &mut Store<H::Data>,
) -> wasmtime::Result<Instance> {
    let instance = linked.pre.instantiate(&mut *store)?;
    let side = linked.beside.memory(&instance, store);
    if let Some(export) = linked.memories.first() {
        let memory = instance.get_module_export(&mut *store, export);
        let memory = memory.and_then(wasmtime::Extern::into_memory);
        if let Some(memory) = memory {
            let memory = memory.data_mut(&mut *store);
            if !given.data.fits(memory.len()) {
                return Err(wasmtime::Trap::MemoryOutOfBounds.into());
            }
            given.data.put(memory, 0);
        }
    }
    interruptible((run.interrupt, side), store, |store| {
        linked.beside.start(&instance, store)?;
        if let Some(initialize) = H::initialize(&linked.exports) {
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

fn taken<H: Host>(
    run: &Run<'_>,
    (linked, given): (&Linked<H>, &Given<H>),
    instance: &Instance,
    store: &mut Store<H::Data>,
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
        let data = Some(&given.data).filter(|_| number == 0);
        let memory = instance.get_module_export(&mut *store, export);
        let Some(memory) = memory.and_then(wasmtime::Extern::into_memory) else { continue };
        let bytes = memory.data(&*store);
        let mut entries = vec![Handle::of_u64(bytes.len() as u64)];
        for (number, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
            if run.interrupt.is_set() {
                return Err(crate::state::interrupted().into());
            }
            entries.push(made.chunk(chunk, data, number * CHUNK_BYTES));
            if made.bytes > bound {
                let detail = format!("the image has more than {bound} bytes that are not zero");
                return Err(Stop::NoAnswer(NoAnswerKind::MadeBytes, detail).into());
            }
        }
        memories.push(made.tree(entries));
    }
    Ok(Taken { made, globals, memories })
}

fn value(run: &Run<'_>, taken: Taken, suspended: Option<&Suspended>) -> Applied {
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
