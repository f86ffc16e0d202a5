//! Modules for the interface of Fixpoint, unchanged: what differs from ours stays
//! here. `docs/fixpoint.md` has every call and every difference.
//!
//! A handle is an `externref` to them and a number to us, which the module cannot
//! make: see [`handles`](crate::rewrite::handles). Number 0 is a null reference,
//! which is the empty Blob; any other is one more than an index of the table of
//! handles that each run has.

mod again;
mod calls;
mod check;
mod link;
mod names;
mod shapes;

use std::sync::Arc;

use wasmtime::{I31, Instance, InstancePre, Memory, Module, ModuleExport};
use wasmtime::{PoolConcurrencyLimitError, Store, UpdateDeadline};
use weft_object::{Handle, Kind, Tree};

pub(crate) use again::again;
pub(crate) use check::is_one;

use crate::apply::{Beside, export, finished, function, interruptible};
use crate::check::Shape;
use crate::limits::Limits;
use crate::modules::{Abi, Caches, PoolFull, Prepared, Ready, Refusal, Target};
use crate::outcome::{Applied, Failure, FailureKind, Outcome, Stop};
use crate::rewrite::Places;
use crate::rewrite::handles::lower;
use crate::state::{State, interrupted};
use crate::trap::outcome as outcome_of;
use crate::way::Way;
use crate::{Engine, Run};
use link::Layout;

/// The procedure that is given a closure as Fixpoint has it.
const NAME: &[u8] = b"fixpoint/1";

/// A module that imports from `fixpoint`.
pub(crate) struct Fixpoint;

/// What a store holds while one runs.
pub(crate) struct Hosted {
    base: Box<State>,
    instance: Option<Instance>,
    layout: Arc<Layout>,
    /// The memory of tables.
    tables: Option<Memory>,
    /// By the place that a memory has in the layout.
    memories: Vec<Option<Memory>>,
    /// What is attached to read-only memories and tables, by the same or by the
    /// record.
    blobs: Vec<Option<Attached>>,
    trees: Vec<(u32, Handle)>,
}

/// A Blob in a read-only memory.
#[derive(Clone, Copy)]
struct Attached {
    handle: Handle,
    bytes: usize,
}

/// One that is linked.
pub(crate) struct Linked {
    pre: InstancePre<Hosted>,
    apply: ModuleExport,
    beside: Beside,
    layout: Arc<Layout>,
}

/// The module that an application of [`NAME`] is of; `None` if it is none.
pub(crate) fn named(run: &Run<'_>) -> Option<Result<Target<Fixpoint>, Refusal>> {
    let entries = run.entries.entries();
    if entries.get(1)?.literal_bytes() != Some(NAME) {
        return None;
    }
    let Some(&procedure) = entries.get(2) else {
        return Some(Err(Refusal::bad_module(
            "fixpoint/1 needs a procedure as its first argument",
        )));
    };
    Some(innermost(run, procedure).map(target))
}

/// The module of a closure `[limits, procedure, argument...]`, also of closures.
fn innermost(run: &Run<'_>, mut procedure: Handle) -> Result<Handle, Refusal> {
    loop {
        match procedure.kind() {
            Kind::Blob => return Ok(procedure),
            Kind::Tree | Kind::Tag => {}
            kind => {
                return Err(Refusal::bad_module(&format!("the procedure is {kind}, not blob")));
            }
        }
        let tree = run.objects.tree(procedure).ok_or_else(|| {
            let detail = format!("#{procedure} is the procedure and is not resident");
            Refusal::NoAnswer(crate::NoAnswerKind::Missing, detail)
        })?;
        let inner = tree.entries().get(1).copied();
        procedure = inner.ok_or_else(|| {
            Refusal::bad_module("a closure of fixpoint/1 has limits and a procedure, at least")
        })?;
    }
}

pub(crate) fn target(module: Handle) -> Target<Fixpoint> {
    Target { name: module, module, entry: () }
}

impl Abi for Fixpoint {
    const SORT: &'static str = "fixpoint";

    type Entry = ();
    type Code = Module;
    type Linked = Linked;

    fn check(module: &[u8], (): &()) -> Result<Shape, Failure> {
        check::check(module)
    }

    fn lower(module: &[u8], name: &Handle) -> wasmtime::Result<Option<(Vec<u8>, Places)>> {
        lower(module, name).map(Some)
    }

    fn link(code: &Module, target: &Target<Self>, way: &Way) -> wasmtime::Result<Linked> {
        let layout = Layout::of(code, &target.module)?;
        let linker = link::link(&way.engine, code, &layout)?;
        Ok(Linked {
            pre: linker.instantiate_pre(code)?,
            apply: export(code, names::EXPORT)?,
            beside: Beside::of(code, &target.module),
            layout: Arc::new(layout),
        })
    }

    fn caches(engine: &Engine) -> &Caches<Self> {
        &engine.fixpoint
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
        match again::begin(run, ready, engine) {
            Some(applied) => Ok(applied),
            None => perform(run, &ready.prepared, engine),
        }
    }
}

/// The application as the module sees it.
enum Seen<'a> {
    AsIs(Handle, &'a Tree),
    /// Without the name of the built-in.
    Nested(Handle, Tree, Handle),
}

impl<'a> Seen<'a> {
    fn of(run: &Run<'a>, module: Handle) -> Self {
        let entries = run.entries.entries();
        if entries.get(1).and_then(Handle::literal_bytes) != Some(NAME) {
            return Self::AsIs(run.application, run.entries);
        }
        let seen = Tree::new([&entries[..1], &entries[2..]].concat());
        Self::Nested(seen.handle(), seen, module)
    }

    fn given(&self) -> (Handle, &Tree) {
        match self {
            Self::AsIs(handle, tree) => (*handle, tree),
            Self::Nested(handle, tree, _) => (*handle, tree),
        }
    }

    /// Of the application's module, whatever it is nested in; and what nobody else
    /// has the content of.
    fn tell(&self, state: &mut State) -> Result<(), Stop> {
        if let Self::Nested(_, tree, module) = self {
            state.set_procedure(*module);
            let entries = tree.entries();
            state.make_tree_of(entries.len(), |_, nth| Ok(entries[nth]))?;
        }
        Ok(())
    }
}

/// A store for a run, which has the state's borrows, and what is seen, for as long.
fn store(
    run: &Run<'_>,
    seen: &Seen<'_>,
    prepared: &Prepared<Fixpoint>,
    engine: &Engine,
) -> Store<Hosted> {
    let linked = &prepared.linked;
    let beside = linked.beside.bytes + linked.layout.beside_bytes;
    let limits = Limits::new(run.memory_limit_bytes, beside);
    let bounds = engine.config.bounds;
    // SAFETY: `run` and `seen` are borrowed for longer than the run lasts, and
    // whoever has the store clears or drops the state before that ends.
    // JUSTIFICATION: as for codelets, see `State::begin`.
    let base = unsafe { State::begin(run, seen.given(), limits, bounds) };
    let slots = linked.layout.memories.len();
    let hosted = Hosted {
        base,
        instance: None,
        layout: Arc::clone(&linked.layout),
        tables: None,
        memories: vec![None; slots],
        blobs: vec![None; slots],
        trees: Vec::new(),
    };
    let mut store = Store::new(&prepared.way.engine, hosted);
    store.limiter(|hosted| &mut hosted.base.limits);
    store.epoch_deadline_callback(|context| match context.data().base.interrupted() {
        true => Err(interrupted().into()),
        false => Ok(UpdateDeadline::Continue(1)),
    });
    store.set_epoch_deadline(1);
    store
}

/// An instance, and the memory beside its own.
fn instance(
    run: &Run<'_>,
    linked: &Linked,
    store: &mut Store<Hosted>,
) -> wasmtime::Result<(Instance, Option<Memory>)> {
    if run.interrupt.set_after_deadline() {
        return Err(interrupted().into());
    }
    if let Some(fuel) = run.fuel {
        store.set_fuel(fuel)?;
    }
    let instance = linked.pre.instantiate(&mut *store)?;
    store.data_mut().instance = Some(instance);
    Ok((instance, linked.beside.memory(&instance, store)))
}

fn perform(
    run: &Run<'_>,
    prepared: &Prepared<Fixpoint>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    let seen = Seen::of(run, prepared.module);
    let mut store = store(run, &seen, prepared, engine);
    let told = seen.tell(&mut store.data_mut().base);
    let result = match told {
        Ok(()) => call(run, &prepared.linked, &mut store),
        Err(stop) => Err(stop.into()),
    };
    if result.as_ref().is_err_and(|error| error.is::<PoolConcurrencyLimitError>()) {
        store.into_data().base.end();
        return Err(PoolFull);
    }
    let left = run.fuel.and_then(|fuel| Some((fuel, store.get_fuel().ok()?)));
    let fuel_used = left.map(|(fuel, left)| fuel.saturating_sub(left));
    let mut hosted = store.into_data();
    let applied = applied(run, prepared, &mut hosted.base, result);
    hosted.base.end();
    Ok(Applied { fuel_used, ..applied })
}

/// The number of the application, which is the first of the table.
fn first() -> Option<I31> {
    Some(I31::wrapping_u32(1))
}

fn call(
    run: &Run<'_>,
    linked: &Linked,
    store: &mut Store<Hosted>,
) -> wasmtime::Result<Option<I31>> {
    let (instance, side) = instance(run, linked, store)?;
    let apply = function(&instance, store, &linked.apply)?;
    let apply = apply.typed::<Option<I31>, Option<I31>>(&*store)?;
    interruptible((run.interrupt, side), store, |store| {
        linked.beside.start(&instance, store)?;
        store.data_mut().base.entered = true;
        apply.call(store, first())
    })
}

/// What a run has come to whose function gave a handle.
fn applied(
    run: &Run<'_>,
    prepared: &Prepared<Fixpoint>,
    state: &mut State,
    result: wasmtime::Result<Option<I31>>,
) -> Applied {
    let value = result.and_then(|result| {
        let handle = shapes::handle(state, names::EXPORT, result)?;
        Ok(shapes::asked_for(state, handle)?)
    });
    let outcome = match value {
        Ok(handle) => Outcome::Value(handle),
        Err(error) => outcome_of(&error, || prepared.places(run)),
    };
    finished(state, outcome)
}

fn trap(call: &str, what: &str) -> Stop {
    Stop::Failure(FailureKind::Trap, format!("{call}: {what}"))
}
