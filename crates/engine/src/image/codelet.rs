//! Codelets, whose images hold nothing of the host.

use std::thread::LocalKey;

use wasmtime::{Instance, InstancePre, Module, ModuleExport, PoolConcurrencyLimitError, Store};
use weft_object::{Handle, Tree};
use weft_wasi::Suspended;

use super::host::Host;
use super::kept::Kepts;
use super::pages::Loaded;
use super::{FIRST, Imaged, Linked, MAKE, RESTORE, ill_formed};
use crate::abi::table::EXPORT;
use crate::apply::{Codelet, applied, export, function};
use crate::check::{Shape, bad, check};
use crate::limits::Limits;
use crate::modules::{Caches, PoolFull, Prepared, Refusal};
use crate::outcome::{Applied, Failure};
use crate::state::State;
use crate::wasi::Entry;
use crate::way::Way;
use crate::{Engine, Run};

/// An application as a codelet sees it: its procedure is the closure of its image,
/// so that it finds its arguments where it would without one, and can be applied
/// again by what it finds. The closure has the image as a Ref, in whichever form it was
/// given: pages need not be there, and Tags that it makes, which are the closure's, are
/// of one procedure. They are not the module's: of one module anybody can make images.
pub(crate) struct Seen {
    closure: Tree,
    application: (Handle, Tree),
}

impl Seen {
    fn of(run: &Run<'_>) -> Option<Self> {
        let [limits, procedure, image, arguments @ ..] = run.entries.entries() else {
            return None;
        };
        let closure = Tree::new(&[*procedure, image.lower().unwrap_or(*image)][..]);
        let application = Tree::new([&[*limits, closure.handle()], arguments].concat());
        Some(Self { closure, application: (application.handle(), application) })
    }
}

/// What is entered, and the memory that its calls mean.
pub(crate) struct Exports {
    apply: ModuleExport,
    memory: Option<ModuleExport>,
}

thread_local! {
    static KEPT: Kepts<Codelet> = const { Kepts::new() };
}

impl Host for Codelet {
    const SORT: &'static str = "function image";

    type Data = Box<State>;
    type Exports = Exports;
    type Given = Seen;
    type Beginning = ();

    fn check(module: &[u8], entry: &Entry) -> Result<Shape, Failure> {
        match entry.is_plain() {
            true => check(module),
            false => Err(bad("a function for `weft eval` has no stubs; give it alone".to_owned())),
        }
    }

    fn pre(code: &Module, _: &Entry, way: &Way) -> wasmtime::Result<InstancePre<Box<State>>> {
        way.linker.instantiate_pre(code)
    }

    fn exports(code: &Module) -> wasmtime::Result<Exports> {
        let memory = code.get_export_index("memory");
        Ok(Exports { apply: export(code, EXPORT)?, memory })
    }

    fn initialize(_: &Exports) -> Option<&ModuleExport> {
        None
    }

    fn caches(engine: &Engine) -> &Caches<Imaged<Self>> {
        &engine.imaged_codelets
    }

    fn shelf() -> &'static LocalKey<Kepts<Self>> {
        &KEPT
    }

    fn beginning(run: &Run<'_>) -> Result<(), Refusal> {
        match run.entries.entries().len() > FIRST {
            false => Ok(()),
            true => {
                let detail = "a function for `weft eval` begins with nothing beside what is called";
                Err(ill_formed(MAKE, detail))
            }
        }
    }

    unsafe fn begin(run: &Run<'_>, engine: &Engine, (): &mut (), limits: Limits) -> Box<State> {
        let given = (run.application, run.entries);
        let bounds = engine.config.bounds;
        // SAFETY: the contract of this function.
        unsafe { State::begin(run, given, limits, bounds) }
    }

    fn fit(_: &Box<State>, (): &()) -> wasmtime::Result<()> {
        Ok(())
    }

    fn suspend(data: Box<State>, (): &()) -> wasmtime::Result<Option<Suspended>> {
        data.end();
        Ok(None)
    }

    fn given(run: &Run<'_>, _: &Loaded) -> Result<Seen, Refusal> {
        Seen::of(run).ok_or_else(|| ill_formed(RESTORE, "there is no image"))
    }

    unsafe fn go_on(
        run: &Run<'_>,
        engine: &Engine,
        given: &mut Seen,
        limits: Limits,
    ) -> Box<State> {
        let (handle, tree) = &given.application;
        let bounds = engine.config.bounds;
        // SAFETY: the contract of this function.
        unsafe { State::begin(run, (*handle, tree), limits, bounds) }
    }

    fn hollow() -> Box<State> {
        Box::default()
    }

    fn call(
        given: &Seen,
        linked: &Linked<Self>,
        instance: &Instance,
        store: &mut Store<Box<State>>,
    ) -> wasmtime::Result<u32> {
        let Exports { apply, memory } = &linked.exports;
        let state = store.data_mut();
        let Seen { closure, application } = given;
        state.set_procedure(closure.handle());
        // Nobody else has their content.
        state.make_unlisted_tree(closure)?;
        state.make_unlisted_tree(&application.1)?;
        state.instance = Some(*instance);
        state.memory_export = *memory;
        state.entered = true;
        let apply = function(instance, store, apply)?.typed::<i32, i32>(&*store)?;
        apply.call(store, 0).map(i32::cast_unsigned)
    }

    fn end(
        run: &Run<'_>,
        prepared: &Prepared<Imaged<Self>>,
        mut state: Box<State>,
        result: wasmtime::Result<u32>,
        fuel_left: Option<u64>,
    ) -> Result<Applied, PoolFull> {
        if result.as_ref().is_err_and(|error| error.is::<PoolConcurrencyLimitError>()) {
            state.end();
            return Err(PoolFull);
        }
        let applied = applied(run, prepared, &mut state, result.map(u32::cast_signed));
        state.end();
        let used = |fuel: u64| fuel_left.map(|left| fuel.saturating_sub(left));
        Ok(Applied { fuel_used: run.fuel.and_then(used), ..applied })
    }
}
