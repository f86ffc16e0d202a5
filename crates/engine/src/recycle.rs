//! Instances that are put back and serve the next run on the same thread.
//!
//! An instance that put itself back (see [`rewrite`](crate::rewrite)) is kept by
//! its thread. What it did not put back ends it: whatever grew, and all that its
//! module could not undo. So does every end but a plain return.
//!
//! Which functions are worth it is measured: the first runs of each have new
//! instances, and if these are short, a second compilation begins behind them.
//! What takes long would lose more by marking its stores than it wins. So would what
//! stores much, which shows once it does: the first runs of instances that are used
//! again are compared with those before.

mod compare;
mod tally;

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{Memory, Store, TypedFunc};
use weft_object::Handle;

use crate::apply::{Codelet, applied, codelet, function, instance, interruptible, store};
use crate::engine::Reuse;
use crate::ledger::Ledger;
use crate::limits::Limits;
use crate::modules::{Abi, PoolFull, Ready};
use crate::outcome::{Applied, Outcome};
use crate::shelf::{COMPARED, Place, Placed, Shelf};
use crate::state::State;
use crate::{Engine, Run};
use compare::Pristine;
pub(crate) use tally::Tally;

/// Instances that a thread keeps.
const KEPT_PER_THREAD: usize = 8;

/// An instance in the state in which it began.
struct Kept {
    module: Handle,
    ready: Arc<Ready<Codelet>>,
    /// What the module's first runs were.
    first: Arc<Ready<Codelet>>,
    store: Store<Box<State>>,
    apply: TypedFunc<i32, i64>,
    side: Option<Memory>,
    begun: Limits,
    pristine: Option<Pristine>,
    runs: u64,
    place: Place,
}

impl Placed for Box<Kept> {
    fn place(&self) -> &Place {
        &self.place
    }
}

thread_local! {
    static KEPT: Shelf<Box<Kept>, KEPT_PER_THREAD> = const { Shelf::new() };
}

/// An instance that this thread has kept.
pub(crate) struct Found(Box<Kept>);

/// One that this thread has kept and that fits a run, if there is one.
pub(crate) fn find(run: &Run<'_>, engine: &Engine) -> Option<Found> {
    let module = run.entries.entries().get(1)?;
    let room = run.memory_limit_bytes;
    let found = KEPT.with(|all| {
        all.take(
            engine,
            |kept| kept.module == *module,
            |kept| run.fuel.is_none() && kept.ready.shape.memory_min_bytes <= room,
        )
    });
    found.map(Found)
}

/// Applies by an instance that was found for this run.
pub(crate) fn again(run: &Run<'_>, engine: &Engine, Found(mut kept): Found) -> Applied {
    // SAFETY: `run` borrows all of it for longer than the call, after which the
    // state is cleared or dropped.
    unsafe {
        let limits = kept.begun.again(run.memory_limit_bytes);
        let bounds = engine.config.bounds;
        let given = (run.application, run.entries);
        kept.store.data_mut().set(run, given, limits, bounds);
    }
    perform(run, engine, kept)
}

/// Runs in a new instance from the pool, and measures that; or in a new one that
/// is kept.
pub(crate) fn measured(
    run: &Run<'_>,
    ready: &Arc<Ready<Codelet>>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    let tally = &ready.tally;
    let is_wanted = match engine.config.reuse {
        _ if tally.is_settled() => None,
        Reuse::Never => None,
        Reuse::Always => Some(true),
        Reuse::Measured => Some(tally.is_short()),
    };
    match is_wanted {
        None => return Codelet::perform(run, &ready.prepared, engine),
        Some(true) => {
            let kept = begin(run, ready, engine);
            return kept.unwrap_or_else(|| Codelet::perform(run, &ready.prepared, engine));
        }
        Some(false) => {}
    }
    let began = Instant::now();
    let applied = Codelet::perform(run, &ready.prepared, engine)?;
    let is_plain = matches!(applied.outcome, Outcome::Value(_))
        && applied.memory_peak_bytes == ready.shape.memory_min_bytes;
    tally.ran(began.elapsed(), is_plain);
    Ok(applied)
}

/// Runs in a new instance that is kept, once the module is compiled for that. Who
/// wants all to be used again waits for it.
fn begin(
    run: &Run<'_>,
    first: &Arc<Ready<Codelet>>,
    engine: &Engine,
) -> Option<Result<Applied, PoolFull>> {
    let &name = run.entries.entries().get(1)?;
    let way = engine.module_ways.again(engine.config.compare_reused)?;
    let compile = || {
        // The last time if it comes to nothing.
        first.tally.asked();
        engine.prepare(run, &codelet(name), vec![way])
    };
    let again = &engine.codelets.again;
    let answer = match engine.config.reuse {
        Reuse::Always => again.get(name, run.interrupt, compile),
        Reuse::Never | Reuse::Measured => again.ask(name, compile)?,
    };
    match answer {
        Ok(ready) => new(run, first, ready, engine),
        Err(_) => {
            first.tally.settle();
            None
        }
    }
}

/// `None` if the first run of the instance could not begin.
fn new(
    run: &Run<'_>,
    first: &Arc<Ready<Codelet>>,
    ready: Arc<Ready<Codelet>>,
    engine: &Engine,
) -> Option<Result<Applied, PoolFull>> {
    let place = Place::take(engine, 1)?;
    let mut store = store(run, &ready.prepared, engine);
    let made = instance(run, &ready.prepared, &mut store).and_then(|(instance, side)| {
        let export = ready.prepared.linked.run.as_ref();
        let export = export.ok_or_else(|| wasmtime::Error::msg("the added export is gone"))?;
        let apply = function(&instance, &mut store, export)?.typed::<i32, i64>(&store)?;
        let pristine = match engine.config.compare_reused {
            true => Some(Pristine::of(&ready.prepared, &instance, &mut store)?),
            false => None,
        };
        if let Some(side) = store.data().cards {
            // SAFETY: it goes into the store's own state, which is cleared before the
            // store goes, and whose methods only the host calls.
            let ledger = unsafe { Ledger::of(side, &store) };
            let ledger = ledger.ok_or_else(|| wasmtime::Error::msg("no room for handles"))?;
            store.data_mut().ledger = Some(ledger);
            store.data_mut().open_ledger();
        }
        Ok((apply, side, pristine))
    });
    // Why there is none will be told by the way that everybody knows.
    let Ok((apply, side, pristine)) = made else {
        store.into_data().end();
        return None;
    };
    store.data_mut().entered = true;
    let &module = run.entries.entries().get(1)?;
    let begun = store.data().limits.clone();
    store.data_mut().limits = begun.again(run.memory_limit_bytes);
    let first = Arc::clone(first);
    let kept = Kept { module, ready, first, store, apply, side, begun, pristine, runs: 0, place };
    Some(Ok(perform(run, engine, Box::new(kept))))
}

/// Applies, and keeps the instance if it is as it was.
fn perform(run: &Run<'_>, engine: &Engine, mut kept: Box<Kept>) -> Applied {
    let began = (kept.runs > 0 && kept.first.tally.is_trying()).then(Instant::now);
    let Kept { store, apply, side, .. } = &mut *kept;
    let result = interruptible((run.interrupt, *side), store, |store| apply.call(store, 0));
    let is_back = result.as_ref().is_ok_and(|result| result >> 32 == 0)
        && !kept.store.data().limits.has_grown();
    let result = result.map(|result| result as i32);
    let applied = applied(run, &kept.ready.prepared, kept.store.data_mut(), result);
    let took = began.map(|began| began.elapsed());
    let is_worth_it = kept.first.tally.came_back(is_back, took);
    if !is_worth_it {
        engine.codelets.again.drop_named(&kept.module);
    }
    if kept.store.data_mut().clear() && is_back && is_worth_it {
        kept.runs += 1;
        if let Some(pristine) = &kept.pristine
            && (kept.runs <= COMPARED || kept.runs.is_multiple_of(COMPARED))
        {
            pristine.compare(&mut kept.store);
        }
        // Where the thread is about to end, there is nothing to keep for.
        let _ = KEPT.try_with(|all| all.put(kept));
    }
    applied
}
