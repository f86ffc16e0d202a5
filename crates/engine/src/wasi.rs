//! Programs for WASI preview 1, under the built-in procedure `wasi/1`.
//!
//! What the calls do is the crate `weft-wasi`'s; here they are linked, and an
//! application becomes an invocation and what the program leaves behind a value.

mod check;
pub(crate) mod component;
mod entry;
pub(crate) mod form;
mod link;
mod matching;

use wasmtime::{Instance, InstancePre, Module, ModuleExport};
use wasmtime::{PoolConcurrencyLimitError, Store};
use weft_object::{Content, Handle, Kind};
use weft_wasi::{End, Process, Source, Start, Steps, Stop as Halt};

pub(crate) use check::check_imports;
pub(crate) use entry::{Entry, INITIALIZE};
pub(crate) use link::{Exit, link};
pub use matching::{Matching, matching};

use self::component::Command;
use self::entry::START;
use crate::apply::{Beside, arm, export, function, interruptible, without_run};
use crate::check::Shape;
use crate::limits::Limits;
use crate::modules::{Abi, Caches, PoolFull, Prepared, Refusal, Target};
use crate::outcome::{Applied, Failure, FailureKind, NoAnswerKind, Outcome};
use crate::state::{State, interrupted};
use crate::trap::outcome as outcome_of;
use crate::way::Way;
use crate::{Engine, Interrupt, Objects, Run};

/// The name of the procedure.
const NAME: &[u8] = b"wasi/1";

/// A module with an entry for a whole program.
pub(crate) struct Program;

/// The state of one run.
pub(crate) struct Running {
    pub(crate) base: Box<State>,
    pub(crate) process: Process,
    /// Why content was missing.
    pub(crate) why: Option<String>,
}

impl Running {
    /// The state of a run.
    ///
    /// # Safety
    /// As of [`State::begin`], with what `run` borrows.
    pub(crate) unsafe fn begin(
        run: &Run<'_>,
        engine: &Engine,
        process: Process,
        limits: Limits,
    ) -> Self {
        let given = (run.application, run.entries);
        // SAFETY: the contract of this function.
        let base = unsafe { State::begin(run, given, limits, engine.config.bounds) };
        Self { base, process, why: None }
    }

    /// What a store holds between two runs.
    pub(crate) fn hollow() -> Self {
        Self { base: Box::default(), process: Process::hollow(), why: None }
    }
}

/// What is to be run, by what it is compiled to.
pub(crate) enum Sort {
    Module(Target<Program>),
    Component(Target<Command>),
}

/// The program to run, if an application is of one; or why it cannot be.
pub(crate) fn program(run: &Run<'_>) -> Option<Result<Sort, Refusal>> {
    let entries = run.entries.entries();
    if entries.get(1)?.literal_bytes() != Some(NAME) {
        return None;
    }
    Some(match entries.get(2) {
        Some(&module) if module.kind() == Kind::Blob => Ok(match is_component(run, module) {
            true => Sort::Component(Target { name: module, module, entry: () }),
            false => Sort::Module(Target { name: module, module, entry: Entry::default() }),
        }),
        Some(&name) if name.kind() == Kind::Tree => in_a_tree(run, name),
        Some(program) => {
            let kind = program.kind();
            Err(Refusal::bad_module(&format!("the program is {kind}, not blob or tree")))
        }
        None => Err(Refusal::bad_module("wasi/1 needs a program, a blob, as its first argument")),
    })
}

fn in_a_tree(run: &Run<'_>, name: Handle) -> Result<Sort, Refusal> {
    let (module, entry) = Entry::read(run, &form::tree(run, name, "the program")?)?;
    match is_component(run, module) {
        false => Ok(Sort::Module(Target { name, module, entry })),
        true => Err(Refusal::bad_module(
            "a component has no function to choose and no stubs; give it alone",
        )),
    }
}

fn is_component(run: &Run<'_>, module: Handle) -> bool {
    match module.literal_bytes() {
        Some(bytes) => component::check::is_component(bytes),
        None => {
            let content = run.objects.blob(module);
            content.is_some_and(|blob| component::check::is_component(blob.bytes()))
        }
    }
}

/// A program that is linked.
pub(crate) struct Linked {
    pre: InstancePre<Running>,
    initialize: Option<ModuleExport>,
    function: ModuleExport,
    beside: Beside,
}

impl Abi for Program {
    const SORT: &'static str = "program";

    type Entry = Entry;
    type Code = Module;
    type Linked = Linked;

    fn check(module: &[u8], entry: &Entry) -> Result<Shape, Failure> {
        check::check(module, entry)
    }

    fn link(code: &Module, target: &Target<Self>, way: &Way) -> wasmtime::Result<Linked> {
        let entry = &target.entry;
        let pre = pre(code, entry, way)?;
        let function = export(code, entry.function.as_deref().unwrap_or(START))?;
        // A command has none.
        let initialize = entry.function.as_ref().and_then(|_| initialize(code));
        let beside = Beside::of(code, &target.module);
        Ok(Linked { pre, initialize, function, beside })
    }

    fn caches(engine: &Engine) -> &Caches<Self> {
        &engine.programs
    }

    fn perform(
        run: &Run<'_>,
        prepared: &Prepared<Self>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull> {
        let call = |store: &mut Store<Running>| call(run, &prepared.linked, store);
        perform(run, engine, prepared, prepared.linked.beside.bytes, |running| running, call)
    }
}

/// A program with what it imports.
pub(crate) fn pre(
    code: &Module,
    entry: &Entry,
    way: &Way,
) -> wasmtime::Result<InstancePre<Running>> {
    if entry.stubs.is_empty() {
        return way.programs.instantiate_pre(code);
    }
    let mut linker = way.programs.clone();
    entry.link(code, &mut linker)?;
    linker.instantiate_pre(code)
}

/// What a store holds while a program runs.
pub(crate) trait Holding: Into<Running> + AsMut<Running> + 'static {}

impl<T: Into<Running> + AsMut<Running> + 'static> Holding for T {}

impl AsMut<State> for Running {
    fn as_mut(&mut self) -> &mut State {
        &mut self.base
    }
}

impl AsMut<Running> for Running {
    fn as_mut(&mut self) -> &mut Running {
        self
    }
}

/// Runs a program, of whatever sort: `call` does it, in a store with what `hold`
/// makes, and gives the exit code of one that did not end itself.
fn perform<A: Abi, T: Holding>(
    run: &Run<'_>,
    engine: &Engine,
    prepared: &Prepared<A>,
    side_bytes: u64,
    hold: impl FnOnce(Running) -> T,
    call: impl FnOnce(&mut Store<T>) -> wasmtime::Result<u32>,
) -> Result<Applied, PoolFull> {
    let limits = Limits::new(run.memory_limit_bytes, side_bytes);
    // SAFETY: the state goes to `end` before `run` does.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let running = match unsafe { begin(run, engine, limits) } {
        Ok(running) => running,
        Err(applied) => return Ok(*applied),
    };
    let mut store = Store::new(&prepared.way.engine, hold(running));
    let result =
        arm(run, &mut store, |data| &mut data.as_mut().base).and_then(|()| call(&mut store));
    // Not asked for where none is counted: that is an error, which costs a backtrace.
    let fuel_left = run.fuel.and_then(|_| store.get_fuel().ok());
    end(run, prepared, store.into_data().into(), result, fuel_left)
}

/// What a run begins with, or what it comes to without being begun.
///
/// # Safety
/// As of [`State::begin`], with what `run` borrows.
unsafe fn begin(run: &Run<'_>, engine: &Engine, limits: Limits) -> Result<Running, Box<Applied>> {
    let process = match form::invocation(run, form::FIRST).map(Process::new) {
        Ok(Ok(process)) => process,
        Ok(Err(error)) => return Err(refused(ill_formed(error.to_string()))),
        Err(refusal) => return Err(refused(refusal)),
    };
    // SAFETY: the contract of this function.
    Ok(unsafe { Running::begin(run, engine, process, limits) })
}

fn refused(refusal: Refusal) -> Box<Applied> {
    Box::new(without_run(refusal.into()))
}

/// What a run has come to.
pub(crate) fn end<A: Abi>(
    run: &Run<'_>,
    prepared: &Prepared<A>,
    mut running: Running,
    result: wasmtime::Result<u32>,
    fuel_left: Option<u64>,
) -> Result<Applied, PoolFull> {
    let ended = match result {
        Ok(code) => running.ended(run, code),
        Err(error) => match error.downcast_ref::<link::Exit>() {
            Some(link::Exit(code)) => running.ended(run, *code),
            None if error.is::<PoolConcurrencyLimitError>() => {
                running.base.end();
                return Err(PoolFull);
            }
            None => Err(outcome_of(&error, || prepared.places(run))),
        },
    };
    let memory_peak_bytes = running.base.limits.memory_peak_bytes();
    running.base.end();
    let applied = ended.unwrap_or_else(without_run);
    let used = |fuel: u64| fuel_left.map(|left| fuel.saturating_sub(left));
    Ok(Applied { fuel_used: run.fuel.and_then(used), memory_peak_bytes, ..applied })
}

/// What a reactor wants called first, if it has the type for it.
pub(crate) fn initialize(code: &Module) -> Option<ModuleExport> {
    let ty = code.get_export(INITIALIZE)?;
    let ty = ty.func()?;
    let fits = ty.params().len() == 0 && ty.results().len() == 0;
    fits.then(|| code.get_export_index(INITIALIZE)).flatten()
}

/// Runs the program to the end; its exit code, if it did not end itself.
fn call(run: &Run<'_>, linked: &Linked, store: &mut Store<Running>) -> wasmtime::Result<u32> {
    let instance = linked.pre.instantiate(&mut *store)?;
    let side = linked.beside.memory(&instance, store);
    interruptible((run.interrupt, side), store, |store| run_in(&instance, linked, store))
}

fn run_in(
    instance: &Instance,
    linked: &Linked,
    store: &mut Store<Running>,
) -> wasmtime::Result<u32> {
    linked.beside.start(instance, store)?;
    if let Some(initialize) = &linked.initialize {
        function(instance, store, initialize)?.typed::<(), ()>(&*store)?.call(&mut *store, ())?;
    }
    let function = function(instance, store, &linked.function)?;
    match function.typed::<(), ()>(&*store) {
        Ok(function) => function.call(store, ()).map(|()| 0),
        Err(_) => function.typed::<(), i32>(&*store)?.call(store, ()).map(i32::cast_unsigned),
    }
}

impl Running {
    /// What is left behind by a program that ended itself.
    fn ended(&mut self, run: &Run<'_>, code: u32) -> Result<Applied, Outcome> {
        let Self { base, process, why } = self;
        let finished = process.finish(&mut Reading { of: base.borrowed(), why });
        let mut finished =
            finished.map_err(|halt| outcome_of(&stop(halt, why.take()).into(), || None))?;
        let observations = finished.observations.take();
        let edits = std::mem::take(&mut finished.edits);
        let value = form::value(code, finished);
        let end = End { code, stdout: value.stdout, stderr: value.stderr, edits };
        let start = Start::of(run.entries.entries());
        let steps = start.zip(observations);
        let steps = steps.map(|(start, seen)| Steps::new(start.place, &seen, &end));
        let applied = without_run(Outcome::Value(value.handle));
        Ok(Applied { made: value.made, steps: steps.unwrap_or_default(), ..applied })
    }
}

/// The directories of a run, as its calls read them.
pub(crate) struct Reading<'a> {
    pub(crate) of: Option<(&'a dyn Objects, &'a Interrupt)>,
    pub(crate) why: &'a mut Option<String>,
}

impl Source for Reading<'_> {
    fn content(&mut self, handle: &Handle) -> Result<Content, Halt> {
        let (objects, interrupt) = self.of.ok_or(Halt::Interrupted)?;
        if interrupt.is_set() {
            return Err(Halt::Interrupted);
        }
        objects.fetch(*handle, interrupt).map_err(|why| {
            *self.why = Some(why);
            Halt::Missing(*handle)
        })
    }
}

/// What ends a run beside the program's own exit, in the engine's words.
pub(crate) fn stop(halt: Halt, why: Option<String>) -> crate::outcome::Stop {
    use crate::outcome::Stop;
    match halt {
        Halt::Interrupted => interrupted(),
        Halt::Missing(_) => {
            let detail = why.unwrap_or_else(|| halt.to_string());
            Stop::NoAnswer(NoAnswerKind::Missing, detail)
        }
        other => Stop::Failure(FailureKind::BadHandle, other.to_string()),
    }
}

fn ill_formed(detail: String) -> Refusal {
    ill_formed_as(&format!("wasi/1: {detail}"))
}

/// Of an application that names a built-in, in whose name it is told.
pub(crate) fn ill_formed_as(detail: &str) -> Refusal {
    let kind = FailureKind::BadHandle;
    Refusal::Failure(Failure { kind, detail: detail.to_owned(), note: None })
}
