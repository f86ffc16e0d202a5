//! Components that are commands for WASI 0.2: `wasi:cli/run`, with the interfaces
//! of `wit/world.wit`, over the same process as preview 1.

mod bindings;
pub(super) mod check;
mod cli;
mod clocks;
mod fault;
mod files;
mod poll;
pub(crate) mod resources;
mod streams;

use std::fs::File;

use wasmtime::component::{
    Component, ComponentExportIndex, HasSelf, InstancePre, Linker, Resource, ResourceTable,
};
use wasmtime::{Engine as Compiler, Store};
use weft_wasi::{Direct, Halt};

pub(crate) use fault::Fault;

use super::{Reading, Running, perform, stop};
use crate::check::Shape;
use crate::code::{self, Code};
use crate::modules::{Abi, Caches, PoolFull, Prepared, Target};
use crate::outcome::{Applied, Failure, FailureKind, Stop};
use crate::way::Way;
use crate::ways::Ways;
use crate::{Engine, Run};

/// A component with an entry for a whole program.
pub(crate) struct Command;

/// The state of one run.
pub(crate) struct Hosted {
    running: Running,
    resources: ResourceTable,
    memory_limit_bytes: u64,
}

/// All interfaces.
pub(crate) fn link(compiler: &Compiler) -> wasmtime::Result<Linker<Hosted>> {
    let mut linker = Linker::new(compiler);
    bindings::Program::add_to_linker::<_, HasSelf<_>>(&mut linker, |hosted| hosted)?;
    Ok(linker)
}

/// A component that is linked, and where its function stands.
pub(crate) struct Linked {
    pre: InstancePre<Hosted>,
    run: ComponentExportIndex,
}

impl Code for Component {
    fn compile(compiler: &Compiler, binary: &[u8]) -> wasmtime::Result<Self> {
        Self::from_binary(compiler, binary)
    }

    fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        self.serialize()
    }

    unsafe fn deserialize(compiler: &Compiler, artifact: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: the contract of this function.
        unsafe { Self::deserialize(compiler, artifact) }
    }

    #[cfg(target_os = "linux")]
    unsafe fn load(compiler: &Compiler, artifact: File) -> wasmtime::Result<Self> {
        use std::os::fd::AsRawFd;
        // Of components only what has a path can be mapped, and this is one of
        // the very file that is open.
        let path = format!("/proc/self/fd/{}", artifact.as_raw_fd());
        // SAFETY: the contract of this function.
        let mapped = unsafe { Self::deserialize_file(compiler, path) };
        // SAFETY: the contract of this function.
        mapped.or_else(|_| unsafe { code::read(compiler, artifact) })
    }

    fn bytes(&self) -> u64 {
        let range = self.image_range();
        (range.end as usize).saturating_sub(range.start as usize) as u64
    }
}

impl Abi for Command {
    const SORT: &'static str = "component";

    type Entry = ();
    type Code = Component;
    type Linked = Linked;

    fn check(component: &[u8], (): &()) -> Result<Shape, Failure> {
        check::check(component)
    }

    fn ways(engine: &Engine) -> &Ways {
        &engine.component_ways
    }

    fn link(code: &Component, _: &Target<Self>, way: &Way) -> wasmtime::Result<Linked> {
        let pre = way.components()?.instantiate_pre(code).map_err(|error| {
            let detail = "imports from WASI 0.2 what is not there, or is of another type";
            error.context(Stop::Failure(FailureKind::BadModule, detail.to_owned()))
        })?;
        let instance = code.get_export_index(None, "wasi:cli/run@0.2.0");
        let run = instance.and_then(|instance| code.get_export_index(Some(&instance), "run"));
        let run = run.ok_or_else(|| wasmtime::Error::msg("the checked export is gone"))?;
        Ok(Linked { pre, run })
    }

    fn caches(engine: &Engine) -> &Caches<Self> {
        &engine.components
    }

    fn perform(
        run: &Run<'_>,
        prepared: &Prepared<Self>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull> {
        let memory_limit_bytes = run.memory_limit_bytes;
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(engine.config.bounds.handles_max as usize);
        let hold = |running| Hosted { running, resources, memory_limit_bytes };
        perform(run, engine, prepared, 0, hold, |store| {
            // What a call hands over lies in the program's memory.
            store.set_hostcall_fuel(usize::try_from(memory_limit_bytes).unwrap_or(usize::MAX));
            call(&prepared.linked, store)
        })
    }
}

impl AsMut<Running> for Hosted {
    fn as_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

impl From<Hosted> for Running {
    fn from(hosted: Hosted) -> Self {
        hosted.running
    }
}

/// Runs the program to the end; its exit code, if it did not end itself.
fn call(linked: &Linked, store: &mut Store<Hosted>) -> wasmtime::Result<u32> {
    let instance = linked.pre.instantiate(&mut *store);
    let instance = instance.map_err(|error| too_large(&store.data().running, error))?;
    let function = instance
        .get_func(&mut *store, linked.run)
        .ok_or_else(|| wasmtime::Error::msg("the checked export is gone"))?;
    let run = function.typed::<(), (Result<(), ()>,)>(&*store)?;
    let (status,) = run.call(store, ()).map_err(broken)?;
    Ok(u32::from(status.is_err()))
}

/// What the rules of components end without a trap is a failure all the same:
/// it follows from what the program does.
fn broken(error: wasmtime::Error) -> wasmtime::Error {
    match is_own(&error) {
        true => error,
        false => {
            let detail = "a call broke the rules of components".to_owned();
            error.context(Stop::Failure(FailureKind::Trap, detail))
        }
    }
}

/// How much a component begins with is only known as it begins.
fn too_large(running: &Running, error: wasmtime::Error) -> wasmtime::Error {
    match running.base.limits.new_refused() && !is_own(&error) {
        true => {
            let detail = "the component's memories or tables begin with more than the limit";
            error.context(Stop::Failure(FailureKind::MemoryLimit, detail.to_owned()))
        }
        false => error,
    }
}

/// Whether an error says by itself what it means.
fn is_own(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::Trap>()
        || error.is::<Stop>()
        || error.is::<super::link::Exit>()
        || error.is::<wasmtime::ThrownException>()
        || error.is::<wasmtime::GcHeapOutOfMemory<()>>()
        || error.is::<wasmtime::PoolConcurrencyLimitError>()
}

impl Hosted {
    /// Does something to files.
    fn direct<R>(
        &mut self,
        act: impl FnOnce(&mut Direct<'_>) -> Result<R, Halt>,
    ) -> Result<R, Fault> {
        let Running { base, process, why } = &mut self.running;
        let mut source = Reading { of: base.borrowed(), why };
        let done = act(&mut process.direct(&mut source));
        done.map_err(|halt| match halt {
            Halt::Errno(errno) => Fault::Errno(errno),
            Halt::Stop(halt) => Fault::End(stop(halt, why.take()).into()),
        })
    }

    /// Closes the descriptor of a resource that goes.
    fn close(&mut self, fd: u32) -> wasmtime::Result<()> {
        match self.direct(|direct| Ok(direct.close(fd)?)) {
            Err(Fault::End(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn push<R: Send + 'static>(&mut self, it: R) -> wasmtime::Result<Resource<R>> {
        self.resources.push(it).map_err(fault::table)
    }

    fn get<R: Send + 'static>(&self, it: &Resource<R>) -> wasmtime::Result<&R> {
        self.resources.get(it).map_err(fault::table)
    }

    fn get_mut<R: Send + 'static>(&mut self, it: &Resource<R>) -> wasmtime::Result<&mut R> {
        self.resources.get_mut(it).map_err(fault::table)
    }

    fn delete<R: Send + 'static>(&mut self, it: Resource<R>) -> wasmtime::Result<R> {
        self.resources.delete(it).map_err(fault::table)
    }
}
