use std::ptr::NonNull;
use std::sync::Arc;

use wasmtime::{Func, Instance, InstancePre, Memory, Module, ModuleExport};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};
use weft_object::{Blob, Content, Handle, Kind, Tree};

use crate::abi::table::EXPORT;
use crate::abi::window::Mapped;
use crate::check::{Shape, check};
use crate::fixpoint::{self, Fixpoint};
use crate::image::{self, Imaged, Of};
use crate::limits::Limits;
use crate::modules::{
    Abi, Caches, PoolFull, Prepared, Ready, Refusal, Source, Start, Target, module,
};
use crate::outcome::{Applied, Failure, FailureKind, NoAnswerKind, Outcome, Steps, Stop};
use crate::recycle;
use crate::rewrite::{SIDE_AGAIN_BYTES, run_name, side_name, start_name};
use crate::state::{State, interrupted};
use crate::trap::{no_answer, outcome as outcome_of};
use crate::wasi::component::Command;
use crate::wasi::{self, Program, Sort};
use crate::way::{self, POOL_MEMORY_BYTES, Way};
use crate::{Engine, Interrupt};

/// The footprint of an application: everything that it reaches through
/// accessible Objects, the module included, is resident.
///
/// # Contract
/// The caller of [`Engine::apply`] holds the whole footprint for as long as the
/// call lasts. If a lookup finds nothing, the run ends without an answer
/// ([`NoAnswerKind::Missing`]); nothing else goes wrong.
pub trait Objects: Sync {
    /// The content of an accessible Blob that is no literal.
    fn blob(&self, handle: Handle) -> Option<Blob>;
    /// The entries of an accessible Tree or Tag.
    fn tree(&self, handle: Handle) -> Option<Tree>;

    /// The file that these bytes of a Blob are a mapping of, to be mapped once
    /// more, at an address; `None` where they are of none, or where that file
    /// is not what it was.
    ///
    /// # Contract
    /// The engine maps it there privately, and not any more when it drops what
    /// is returned. If the file changes meanwhile, whoever implements this finds
    /// out as if the bytes themselves had been read.
    fn mapped(&self, bytes: &[u8], address: usize) -> Option<Box<dyn Mapped>> {
        let _ = (bytes, address);
        None
    }

    /// Whether [`Objects::fetch`] may be called on another thread than the run's, which
    /// waits for it.
    fn may_fetch_elsewhere(&self) -> bool {
        true
    }

    /// What a program opens in a directory that it was given as a Ref, which is
    /// no part of the footprint: brought in now, if it is not resident.
    ///
    /// # Errors
    /// Why it cannot be had, for people.
    fn fetch(&self, object: Handle, interrupt: &Interrupt) -> Result<Content, String> {
        let _ = interrupt;
        let blob = || self.blob(object).map(Content::Blob);
        let found = blob().or_else(|| self.tree(object).map(Content::Tree));
        found.ok_or_else(|| format!("#{object} is not resident"))
    }
}

/// One application to perform.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The canonical Tree `[limits, procedure, argument...]`, which the
    /// function sees as handle 0.
    pub application: Handle,
    /// The entries of that Tree.
    pub entries: &'a Tree,
    /// What the sum of the function's memories may come to. Part of the
    /// meaning: the limits in canonical form say the same.
    pub memory_limit_bytes: u64,
    /// How much fuel it may use; counted, at a cost, only where given.
    pub fuel: Option<u64>,
    /// The footprint.
    pub objects: &'a dyn Objects,
    /// Ends the run from outside.
    pub interrupt: &'a Interrupt,
}

/// The modules of `docs/abi.md`.
pub(crate) struct Codelet;

/// One that is linked.
pub(crate) struct Linked {
    pub(crate) pre: InstancePre<Box<State>>,
    /// The function that applies; with [`For::Again`](crate::rewrite::For) also
    /// the one that puts back.
    apply: ModuleExport,
    pub(crate) run: Option<ModuleExport>,
    memory: Option<ModuleExport>,
    pub(crate) beside: Beside,
}

/// What was put beside a module when it was rewritten.
pub(crate) struct Beside {
    side: Option<ModuleExport>,
    start: Option<ModuleExport>,
    pub(crate) bytes: u64,
}

impl Beside {
    pub(crate) fn of(code: &Module, name: &Handle) -> Self {
        let side = side_name(name);
        let pages = code.get_export(&side).and_then(|ty| ty.memory().map(|ty| ty.minimum()));
        Self {
            side: code.get_export_index(&side),
            start: code.get_export_index(&start_name(name)),
            bytes: pages.map_or(0, |pages| pages << 16),
        }
    }

    /// Whether it is for an instance that is used again: what is written is marked there,
    /// and handles are taken there.
    pub(crate) fn is_for_again(&self) -> bool {
        self.bytes == SIDE_AGAIN_BYTES
    }

    /// The memory beside that of an instance.
    pub(crate) fn memory<T: 'static>(
        &self,
        instance: &Instance,
        store: &mut Store<T>,
    ) -> Option<Memory> {
        let export = instance.get_module_export(&mut *store, self.side.as_ref()?);
        export.and_then(wasmtime::Extern::into_memory)
    }

    /// What the module wants called first, once that can be interrupted.
    pub(crate) fn start<T: 'static>(
        &self,
        instance: &Instance,
        store: &mut Store<T>,
    ) -> wasmtime::Result<()> {
        let Some(start) = &self.start else { return Ok(()) };
        function(instance, store, start)?.typed::<(), ()>(&*store)?.call(store, ())
    }
}

/// The page that a run polls, of the memory beside.
pub(crate) fn page<T: 'static>(side: Memory, store: &Store<T>) -> Option<NonNull<u8>> {
    NonNull::new(side.data_ptr(store))
}

/// A function that a module was checked for.
pub(crate) fn function<T: 'static>(
    instance: &Instance,
    store: &mut Store<T>,
    export: &ModuleExport,
) -> wasmtime::Result<Func> {
    let found = instance.get_module_export(store, export).and_then(wasmtime::Extern::into_func);
    found.ok_or_else(|| wasmtime::Error::msg("the checked export is gone"))
}

/// Calls into an instance, ended by an interruption.
pub(crate) fn interruptible<T: 'static, R>(
    (interrupt, side): (&Interrupt, Option<Memory>),
    store: &mut Store<T>,
    call: impl FnOnce(&mut Store<T>) -> wasmtime::Result<R>,
) -> wasmtime::Result<R> {
    let Some(page) = side.and_then(|side| page(side, store)) else {
        return match interrupt.is_set() {
            true => Err(interrupted().into()),
            false => call(store),
        };
    };
    // SAFETY: the memory is the store's, which is borrowed for longer than the
    // page is watched; its first page is for polls alone.
    // JUSTIFICATION: see `Interrupt`.
    let Some(watch) = (unsafe { interrupt.watch(page) }) else { return Err(interrupted().into()) };
    let result = call(store);
    result.map_err(|error| match error.downcast_ref() {
        // Such is a poll of a page that was taken away. What is none is ended
        // too, which needs no other answer.
        Some(Trap::MemoryOutOfBounds) if watch.is_shut() => interrupted().into(),
        _ => error,
    })
}

impl Abi for Codelet {
    const SORT: &'static str = "function";

    type Entry = ();
    type Code = Module;
    type Linked = Linked;

    fn check(module: &[u8], (): &()) -> Result<Shape, Failure> {
        check(module)
    }

    fn link(code: &Module, target: &Target<Self>, way: &Way) -> wasmtime::Result<Linked> {
        Ok(Linked {
            pre: way.linker.instantiate_pre(code)?,
            apply: export(code, EXPORT)?,
            run: code.get_export_index(&run_name(&target.module)),
            memory: code.get_export_index("memory"),
            beside: Beside::of(code, &target.module),
        })
    }

    fn of_another_sort(module: &[u8]) -> Option<Refusal> {
        fixpoint::is_one(module).then_some(Refusal::Fixpoint)
    }

    fn caches(engine: &Engine) -> &Caches<Self> {
        &engine.codelets
    }

    fn perform(
        run: &Run<'_>,
        prepared: &Prepared<Self>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull> {
        perform(run, prepared, engine)
    }

    fn perform_measured(
        run: &Run<'_>,
        ready: &Arc<Ready<Self>>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull> {
        recycle::measured(run, ready, engine)
    }
}

/// Where an export stands that a module was checked for.
pub(crate) fn export(code: &Module, name: &str) -> wasmtime::Result<ModuleExport> {
    code.get_export_index(name).ok_or_else(|| wasmtime::Error::msg("the checked export is gone"))
}

const WASM_MAGIC: &[u8] = b"\0asm";

impl Engine {
    /// Applies a procedure to its arguments, in a fresh instance.
    ///
    /// Needs [`crate::THREAD_STACK_MIN_BYTES`] of stack.
    #[must_use]
    pub fn apply(&self, run: Run<'_>) -> Applied {
        if let Some(found) = recycle::find(&run, self) {
            return recycle::again(&run, self, found);
        }
        match image::target(&run, self) {
            Some(Ok(Of::Program(target))) => {
                return self.apply_as::<Imaged<Program>>(&run, Ok(target));
            }
            Some(Ok(Of::Codelet(target))) => {
                return self.apply_as::<Imaged<Codelet>>(&run, Ok(target));
            }
            Some(Err(refusal)) => return without_run(refusal.into()),
            None => {}
        }
        match wasi::program(&run) {
            Some(Ok(Sort::Component(target))) => self.apply_as::<Command>(&run, Ok(target)),
            Some(Ok(Sort::Module(target))) => self.apply_as::<Program>(&run, Ok(target)),
            Some(Err(refusal)) => without_run(refusal.into()),
            None => self.apply_unkept(&run),
        }
    }

    /// By a function that this thread has no instance of. Which sort it is of is
    /// found out when it is made ready as one of ours.
    fn apply_unkept(&self, run: &Run<'_>) -> Applied {
        if let Some(applied) = fixpoint::again(run, self) {
            return applied;
        }
        if let Some(named) = fixpoint::named(run) {
            return self.apply_as::<Fixpoint>(run, named);
        }
        let procedure = match procedure(run) {
            Ok(procedure) => procedure,
            Err(refusal) => return without_run(refusal.into()),
        };
        let given = self.ready(run, codelet(procedure));
        match given {
            Err(Refusal::Fixpoint) => {
                self.apply_as::<Fixpoint>(run, Ok(fixpoint::target(procedure)))
            }
            given => self.apply_ready(run, given),
        }
    }

    /// A module, ready for how it is to run.
    fn ready<A: Abi>(
        &self,
        run: &Run<'_>,
        target: Target<A>,
    ) -> Result<(Target<A>, Arc<Ready<A>>), Refusal> {
        let caches = A::caches(self);
        let modules = match run.fuel {
            Some(_) => &caches.metered,
            None => &caches.standard,
        };
        let ready = modules.get(target.name, run.interrupt, || match run.fuel {
            Some(_) => self.prepare(run, &target, A::ways(self).metered().map_err(no_way)?),
            None => self.prepare(run, &target, A::ways(self).standard().map_err(no_way)?),
        })?;
        Ok((target, ready))
    }

    fn apply_as<A: Abi>(&self, run: &Run<'_>, target: Result<Target<A>, Refusal>) -> Applied {
        self.apply_ready(run, target.and_then(|target| self.ready(run, target)))
    }

    fn apply_ready<A: Abi>(
        &self,
        run: &Run<'_>,
        found: Result<(Target<A>, Arc<Ready<A>>), Refusal>,
    ) -> Applied {
        let (target, ready) = match found {
            Ok(found) => found,
            Err(refusal) => return without_run(refusal.into()),
        };
        if ready.shape.memory_min_bytes > run.memory_limit_bytes {
            return without_run(Outcome::Failure(Failure {
                kind: FailureKind::MemoryLimit,
                detail: format!(
                    "the module begins with {} bytes of memory and the limit is {}",
                    ready.shape.memory_min_bytes, run.memory_limit_bytes
                ),
                note: None,
            }));
        }
        let pooled = matches!(ready.prepared.way.kind, way::Kind::Pooled { .. });
        if !pooled {
            return A::perform(run, &ready.prepared, self).unwrap_or_else(pool_is_full);
        }
        if !(ready.shape.has_memory64 && run.memory_limit_bytes > POOL_MEMORY_BYTES)
            && let Ok(applied) = A::perform_measured(run, &ready, self)
        {
            return applied;
        }
        match self.outside_the_pool(run, &target) {
            Ok(ready) => A::perform(run, &ready.prepared, self).unwrap_or_else(pool_is_full),
            Err(refusal) => without_run(refusal.into()),
        }
    }

    #[cold]
    fn outside_the_pool<A: Abi>(
        &self,
        run: &Run<'_>,
        target: &Target<A>,
    ) -> Result<Arc<Ready<A>>, Refusal> {
        let modules = &A::caches(self).roomy;
        let ways = || A::ways(self).roomy().map_err(no_way);
        modules.get(target.name, run.interrupt, || self.prepare(run, target, ways()?))
    }

    #[cold]
    pub(crate) fn prepare<A: Abi>(
        &self,
        run: &Run<'_>,
        target: &Target<A>,
        ways: Vec<Arc<way::Way>>,
    ) -> Result<Start<A>, Refusal> {
        let name = target.module;
        let module = A::module(run, &name).unwrap_or_else(|| {
            module(&name, run.objects).ok_or_else(|| {
                let detail = format!("#{name} is the module to apply and is not resident");
                Refusal::NoAnswer(NoAnswerKind::Missing, detail)
            })
        })?;
        let ways = match A::WHAT {
            None => ways,
            Some(what) => ways.iter().map(|way| Arc::new(way.with(what))).collect(),
        };
        let bytes = module.bytes().len() as u64;
        if bytes > self.config.module_max_bytes {
            let most = self.config.module_max_bytes;
            let detail =
                format!("the module has {bytes} bytes and this engine compiles up to {most}");
            return Err(Refusal::NoAnswer(NoAnswerKind::ModuleTooLarge, detail));
        }
        if let Some(refusal) = A::of_another_sort(module.bytes()) {
            return Err(refusal);
        }
        let (target, artifacts) = (target.clone(), self.artifacts.clone());
        let compiling = Arc::clone(&self.compiling);
        let source = Source { target, binary: module, artifacts, compiling, ways };
        Ok(source.start())
    }
}

fn no_way(what: String) -> Refusal {
    Refusal::NoAnswer(NoAnswerKind::HostMemory, what)
}

pub(crate) fn codelet(module: Handle) -> Target<Codelet> {
    Target { name: module, module, entry: () }
}

/// The module to apply, or why there is none.
fn procedure(run: &Run<'_>) -> Result<Handle, Refusal> {
    let Some(&name) = run.entries.entries().get(1) else {
        return Err(Refusal::bad_module("the application has no procedure"));
    };
    match name.literal_bytes() {
        Some(bytes) if is_built_in(bytes) => Err(Refusal::NoAnswer(
            NoAnswerKind::Unsupported,
            format!("the built-in `{}` is not known here", bytes.escape_ascii()),
        )),
        Some(bytes) if !bytes.starts_with(WASM_MAGIC) => Err(Refusal::bad_module(&format!(
            "`{}` is neither a module nor the name of a built-in, such as wasi/1; \
             is it a path that needs no quotes",
            bytes.escape_ascii()
        ))),
        None if name.kind() != Kind::Blob => {
            Err(Refusal::bad_module(&format!("the procedure is {}, not blob", name.kind())))
        }
        _ => Ok(name),
    }
}

/// Whether a procedure is the name of a built-in, of this version or another:
/// lower-case letters and digits, a slash, and a number.
fn is_built_in(literal: &[u8]) -> bool {
    let mut parts = literal.split(|&byte| byte == b'/');
    let (Some(word), Some(version), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !word.is_empty()
        && word.iter().all(is_word)
        && !version.is_empty()
        && version.iter().all(u8::is_ascii_digit)
}

fn pool_is_full(_: PoolFull) -> Applied {
    without_run(no_answer(NoAnswerKind::HostMemory, "no room for another instance"))
}

pub(crate) fn without_run(outcome: Outcome) -> Applied {
    Applied {
        outcome,
        made: Vec::new(),
        log: Vec::new(),
        log_truncated: false,
        fuel_used: None,
        memory_peak_bytes: 0,
        steps: Steps::default(),
    }
}

fn perform(
    run: &Run<'_>,
    prepared: &Prepared<Codelet>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    let mut store = store(run, prepared, engine);
    let result = call(run, prepared, &mut store);
    if result.as_ref().is_err_and(|error| error.is::<PoolConcurrencyLimitError>()) {
        store.into_data().end();
        return Err(PoolFull);
    }
    let left = run.fuel.and_then(|fuel| Some((fuel, store.get_fuel().ok()?)));
    let fuel_used = left.map(|(fuel, left)| fuel.saturating_sub(left));
    // The memory goes back before the state is there.
    store.data_mut().windows.close();
    let mut state = store.into_data();
    let applied = applied(run, prepared, &mut state, result);
    state.end();
    Ok(Applied { fuel_used, ..applied })
}

/// A store for a run, which has the state's borrows for as long.
pub(crate) fn store(
    run: &Run<'_>,
    prepared: &Prepared<Codelet>,
    engine: &Engine,
) -> Store<Box<State>> {
    let limits = Limits::new(run.memory_limit_bytes, prepared.linked.beside.bytes);
    let given = (run.application, run.entries);
    // SAFETY: `run` borrows both for longer than the run lasts, and whoever has the
    // store clears or drops the state before that ends.
    let mut state = unsafe { State::begin(run, given, limits, engine.config.bounds) };
    state.memory_export = prepared.linked.memory;
    state.windows.may_map = matches!(prepared.way.kind, way::Kind::Pooled { .. });
    let mut store = Store::new(&prepared.way.engine, state);
    // Closures without captures: neither of them is allocated.
    store.limiter(|state| &mut state.limits);
    store.epoch_deadline_callback(|context| match context.data().interrupted() {
        true => Err(interrupted().into()),
        false => Ok(UpdateDeadline::Continue(1)),
    });
    store.set_epoch_deadline(1);
    store
}

/// Sets a run's limits, and lets it be interrupted.
pub(crate) fn arm<T: 'static>(
    run: &Run<'_>,
    store: &mut Store<T>,
    state: fn(&mut T) -> &mut State,
) -> wasmtime::Result<()> {
    store.limiter(move |data| &mut state(data).limits);
    store.epoch_deadline_callback(move |mut context| {
        match state(context.data_mut()).interrupted() {
            true => Err(interrupted().into()),
            false => Ok(UpdateDeadline::Continue(1)),
        }
    });
    store.set_epoch_deadline(1);
    if run.interrupt.set_after_deadline() {
        return Err(interrupted().into());
    }
    match run.fuel {
        Some(fuel) => store.set_fuel(fuel),
        None => Ok(()),
    }
}

/// An instance, and the memory beside its own.
pub(crate) fn instance(
    run: &Run<'_>,
    prepared: &Prepared<Codelet>,
    store: &mut Store<Box<State>>,
) -> wasmtime::Result<(Instance, Option<Memory>)> {
    if run.interrupt.set_after_deadline() {
        return Err(interrupted().into());
    }
    if let Some(fuel) = run.fuel {
        store.set_fuel(fuel)?;
    }
    let linked = &prepared.linked;
    let instance = linked.pre.instantiate(&mut *store)?;
    store.data_mut().instance = Some(instance);
    let side = linked.beside.memory(&instance, store);
    store.data_mut().cards = side.filter(|_| linked.beside.is_for_again());
    Ok((instance, side))
}

fn call(
    run: &Run<'_>,
    prepared: &Prepared<Codelet>,
    store: &mut Store<Box<State>>,
) -> wasmtime::Result<i32> {
    let (instance, side) = instance(run, prepared, store)?;
    let apply = function(&instance, store, &prepared.linked.apply)?.typed::<i32, i32>(&*store)?;
    interruptible((run.interrupt, side), store, |store| {
        prepared.linked.beside.start(&instance, store)?;
        store.data_mut().entered = true;
        apply.call(store, 0)
    })
}

/// What a run has come to whose function gave the index of a handle.
pub(crate) fn applied<A: Abi>(
    run: &Run<'_>,
    prepared: &Prepared<A>,
    state: &mut State,
    result: wasmtime::Result<i32>,
) -> Applied {
    let places = || prepared.places(run);
    let outcome = match result {
        Ok(index) => result_of(state, index),
        Err(error) => outcome_of(&error, places),
    };
    finished(state, outcome)
}

/// The same, with what the value reaches.
pub(crate) fn finished(state: &mut State, outcome: Outcome) -> Applied {
    let (outcome, made) = match outcome {
        Outcome::Value(result) => match state.reachable(result) {
            Ok(made) => (Outcome::Value(result), made),
            Err(stop) => (outcome_of(&stop.into(), || None), Vec::new()),
        },
        other => (other, Vec::new()),
    };
    Applied {
        made,
        outcome,
        log: match state.log.is_empty() {
            true => Vec::new(),
            false => state.log.clone(),
        },
        log_truncated: state.log_truncated,
        fuel_used: None,
        memory_peak_bytes: state.limits.memory_peak_bytes(),
        steps: Steps::default(),
    }
}

fn result_of(state: &mut State, index: i32) -> Outcome {
    match state.result(index) {
        Ok(handle) => Outcome::Value(handle),
        Err(Stop::NoAnswer(kind, detail)) => no_answer(kind, &detail),
        Err(Stop::Failure(..)) => Outcome::Failure(Failure {
            kind: FailureKind::BadHandle,
            detail: format!("weft_apply returned {index}, which is no handle of this run"),
            note: None,
        }),
    }
}
