//! Programs for WASI, whose images hold the process, too.

use std::mem;
use std::thread::LocalKey;

use wasmtime::{Instance, InstancePre, Module, ModuleExport, Store};
use weft_wasi::{Invocation, Process, Suspended, Unfit};

use super::call::Call;
use super::host::Host;
use super::kept::Kepts;
use super::pages::Loaded;
use super::{FIRST, Imaged, Linked, MAKE, RESTORE, failed, ill_formed, named};
use crate::check::Shape;
use crate::limits::Limits;
use crate::modules::{Caches, PoolFull, Prepared, Refusal};
use crate::outcome::{Applied, Failure};
use crate::wasi::{
    Entry, Program, Reading, Running, check_imports, end, form, initialize, pre, stop,
};
use crate::way::Way;
use crate::{Engine, Run};

thread_local! {
    static KEPT: Kepts<Program> = const { Kepts::new() };
}

/// What a program begins with.
pub(crate) struct Begun {
    invocation: Invocation,
    /// Whether a seed and a clock are given.
    has: (bool, bool),
    process: Process,
}

/// What a program goes on with.
pub(crate) struct Called {
    call: Call,
    process: Process,
}

/// Whether an invocation has a seed and a clock.
fn has(run: &Run<'_>) -> (bool, bool) {
    let is_given = |at: usize| {
        let entry = run.entries.entries().get(FIRST + at);
        entry.is_some_and(|entry| entry.content().literal_bytes() != Some(b""))
    };
    (is_given(3), is_given(4))
}

fn unfit(why: &Unfit) -> wasmtime::Error {
    failed(format!("snapshot/1: the program cannot go on from an image: {why}"))
}

impl Host for Program {
    const SORT: &'static str = "image";

    type Data = Running;
    type Exports = Option<ModuleExport>;
    type Given = Called;
    type Beginning = Begun;

    fn check(module: &[u8], entry: &Entry) -> Result<Shape, Failure> {
        check_imports(module, entry)
    }

    fn pre(code: &Module, entry: &Entry, way: &Way) -> wasmtime::Result<InstancePre<Running>> {
        pre(code, entry, way)
    }

    fn exports(code: &Module) -> wasmtime::Result<Option<ModuleExport>> {
        Ok(initialize(code))
    }

    fn initialize(exports: &Option<ModuleExport>) -> Option<&ModuleExport> {
        exports.as_ref()
    }

    fn caches(engine: &Engine) -> &Caches<Imaged<Self>> {
        &engine.imaged_programs
    }

    fn shelf() -> &'static LocalKey<Kepts<Self>> {
        &KEPT
    }

    fn beginning(run: &Run<'_>) -> Result<Begun, Refusal> {
        let invocation = form::invocation(run, FIRST).map_err(|refusal| named(MAKE, refusal))?;
        let process = Process::new(invocation.clone());
        let process = process.map_err(|error| ill_formed(MAKE, error))?;
        Ok(Begun { invocation, has: has(run), process })
    }

    unsafe fn begin(
        run: &Run<'_>,
        engine: &Engine,
        beginning: &mut Begun,
        limits: Limits,
    ) -> Running {
        let process = mem::replace(&mut beginning.process, Process::hollow());
        // SAFETY: the contract of this function.
        unsafe { Running::begin(run, engine, process, limits) }
    }

    fn fit(data: &Running, beginning: &Begun) -> wasmtime::Result<()> {
        data.process.unfit(beginning.has).map_or(Ok(()), |why| Err(unfit(&why)))
    }

    fn suspend(data: Running, beginning: &Begun) -> wasmtime::Result<Option<Suspended>> {
        let Running { base, process, mut why } = data;
        let mut source = Reading { of: base.borrowed(), why: &mut why };
        let suspended = process.suspend(&beginning.invocation, beginning.has, &mut source);
        base.end();
        let suspended = suspended.map_err(|halt| stop(halt, why.take()))?;
        suspended.map(Some).map_err(|why| unfit(&why))
    }

    fn given(run: &Run<'_>, image: &Loaded) -> Result<Called, Refusal> {
        let suspended = image.suspended.as_ref();
        let suspended =
            suspended.ok_or_else(|| ill_formed(RESTORE, "the image is no program's"))?;
        let invocation = form::invocation(run, FIRST).map_err(|refusal| named(RESTORE, refusal))?;
        let process = Process::resume(suspended, invocation, has(run));
        let process =
            process.map_err(|unlike| ill_formed(RESTORE, format_args!("the program {unlike}")))?;
        let process = process.map_err(|error| ill_formed(RESTORE, error))?;
        let call = match run.entries.entries().get(3) {
            Some(call) => Call::read(run, *call, RESTORE)?,
            None => return Err(ill_formed(RESTORE, "no function is named that goes on; name one")),
        };
        Ok(Called { call, process })
    }

    unsafe fn go_on(run: &Run<'_>, engine: &Engine, given: &mut Called, limits: Limits) -> Running {
        let process = mem::replace(&mut given.process, Process::hollow());
        // SAFETY: the contract of this function.
        unsafe { Running::begin(run, engine, process, limits) }
    }

    fn hollow() -> Running {
        Running::hollow()
    }

    fn call(
        given: &Called,
        _: &Linked<Self>,
        instance: &Instance,
        store: &mut Store<Running>,
    ) -> wasmtime::Result<u32> {
        given.call.perform(instance, store)
    }

    fn end(
        run: &Run<'_>,
        prepared: &Prepared<Imaged<Self>>,
        data: Running,
        result: wasmtime::Result<u32>,
        fuel_left: Option<u64>,
    ) -> Result<Applied, PoolFull> {
        end(run, prepared, data, result, fuel_left)
    }
}
