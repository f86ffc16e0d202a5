//! The ways to run a module: compiler settings and where its memory comes from.
//!
//! Outcomes never depend on the way.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::OnceLock;

use wasmtime::component::Linker as ComponentLinker;
use wasmtime::{Collector, Enabled, OptLevel, Strategy, WasmFeatures};
use wasmtime::{Engine, InstanceAllocationStrategy, Linker, PoolingAllocationConfig, Result};
use weft_object::Handle;

use crate::abi::link::link;
use crate::interrupt;
use crate::meaning::{TABLE_ELEMENTS_MAX, component_features};
use crate::rewrite::For;
use crate::state::State;
use crate::trap::TOLD_FRAMES;
use crate::wasi::component::{self, Hosted};
use crate::wasi::{self, Running};

/// The native stack that compiled code may use. What the functions of the ABI
/// need comes on top; see [`crate::THREAD_STACK_MIN_BYTES`].
pub(crate) const WASM_STACK_BYTES: usize = 1 << 20;

/// The largest memory that the pool provides.
pub(crate) const POOL_MEMORY_BYTES: u64 = 4 << 30;

// Modules with more memories or tables than this are rare enough to be run
// without the pool. Those for Fixpoint in C declare eight of each, and have a
// memory of their own and two beside.
const POOL_MEMORIES_PER_MODULE: u32 = 12;
const POOL_TABLES_PER_MODULE: u32 = 12;

// A program with its adapter is five instances with two or three tables.
const POOL_INSTANCES_PER_COMPONENT: u32 = 12;
const POOL_TABLES_PER_COMPONENT: u32 = 8;

/// Functions that are put into modules and may be running with theirs: one that applies and
/// one that answers a call.
const ADDED_FRAMES: usize = 2;

/// What the host may keep of an instance beside its memories and tables.
const INSTANCE_MAX_BYTES: usize = 16 << 20;

/// How memory is provided and whether fuel is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From a pool of reserved address space, initialised copy-on-write.
    Pooled { instances: u32 },
    /// As needed, without large reservations: where the pool cannot be had or
    /// the module does not fit it.
    Roomy,
    /// Like `Roomy`, and fuel is counted, which needs other code.
    Metered,
}

/// How runs are ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By what is put into modules.
    ByPolls,
    /// By comparing a counter, which the compiler puts into what it compiles. For
    /// components, which are more than a module, for debuggers, which want a module
    /// as it is, and where pages cannot be taken away.
    ByCounter,
}

/// A way to run: an engine of wasmtime and the functions linked for it.
pub(crate) struct Way {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<Box<State>>,
    /// For programs.
    pub(crate) programs: Linker<Running>,
    /// For those that are components; made when the first one comes.
    components: OnceLock<ComponentLinker<Hosted>>,
    pub(crate) kind: Kind,
    /// What is put into modules; `None` if nothing is.
    pub(crate) what: Option<For>,
    /// Names compiler, target and settings: an artifact of one name is of no
    /// use under another.
    pub(crate) settings: Handle,
}

// To be raised when other things are put into modules.
const REWRITE: &str = "rewrite 4";

impl Way {
    pub(crate) fn new(kind: Kind, ended: Ended, debug: bool) -> Result<Self> {
        let engine = Engine::new(&config(kind, ended, debug))?;
        let what = match ended {
            Ended::ByPolls => Some(For::Once),
            Ended::ByCounter => {
                interrupt::register(&engine);
                None
            }
        };
        let mut linker = Linker::new(&engine);
        link(&mut linker)?;
        let programs = wasi::link(&engine)?;
        let settings = settings(&engine, what);
        Ok(Self { engine, linker, programs, components: OnceLock::new(), kind, what, settings })
    }

    /// The same with more put into modules.
    pub(crate) fn with(&self, what: For) -> Self {
        Self {
            engine: self.engine.clone(),
            linker: self.linker.clone(),
            programs: self.programs.clone(),
            components: OnceLock::new(),
            kind: self.kind,
            what: Some(what),
            settings: settings(&self.engine, Some(what)),
        }
    }

    /// What components are linked with.
    pub(crate) fn components(&self) -> Result<&ComponentLinker<Hosted>> {
        if let Some(linker) = self.components.get() {
            return Ok(linker);
        }
        let linker = component::link(&self.engine)?;
        Ok(self.components.get_or_init(|| linker))
    }
}

fn settings(engine: &Engine, what: Option<For>) -> Handle {
    let mut bytes = Bytes(Vec::new());
    engine.precompile_compatibility_hash().hash(&mut bytes);
    what.map(|what| (REWRITE, what)).hash(&mut bytes);
    Handle::of_blob(&bytes.0)
}

fn config(kind: Kind, ended: Ended, debug: bool) -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        .wasm_features(WasmFeatures::all().difference(compiled()), false)
        .wasm_features(compiled(), true)
        // What throws much and keeps little stays at one page with it, and
        // exceptions make no cycles.
        .collector(Collector::DeferredReferenceCounting)
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // Meaning: equal bits everywhere.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .epoch_interruption(ended == Ended::ByCounter)
        .wasm_backtrace_max_frames(NonZeroUsize::new(TOLD_FRAMES + ADDED_FRAMES))
        .consume_fuel(kind == Kind::Metered);
    match kind {
        Kind::Pooled { instances } => {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances)));
        }
        Kind::Roomy | Kind::Metered => {
            config
                .allocation_strategy(InstanceAllocationStrategy::OnDemand)
                .memory_reservation(0)
                .memory_reservation_for_growth(16 << 20)
                .memory_guard_size(0);
        }
    }
    if debug {
        // DWARF for the debugger, and code that still has the variables.
        config.debug_info(true).cranelift_opt_level(OptLevel::None);
    }
    config
}

/// What the compiler takes; what a codelet or program may use is decided before,
/// by the [meaning](crate::meaning). Exceptions want the heap of collected types
/// but not those types; the handles of modules for Fixpoint are of one of them that
/// needs no heap.
fn compiled() -> WasmFeatures {
    component_features()
        | WasmFeatures::GC_TYPES
        | WasmFeatures::GC
        | WasmFeatures::FUNCTION_REFERENCES
}

const PAGE_BYTES: usize = 4096;

// How a used memory is made pristine, measured with an `add` that dirties one
// page of two Wasm pages, on a 2-core virtual machine: giving its pages back
// costs 4.4 us; clearing the first page 1.8 us, but what lies further up is
// given back; asking the kernel which pages are dirty and clearing those 2.1 us
// wherever they lie. How much may stay that way costs small functions nothing;
// with 2 MiB instead of 256 KiB, counting the words of 1 MB takes 2.9 ms of
// processor time instead of 3.3. With 8 MiB instead of 2, the bench `wordcount`
// takes 1.43 times the native code instead of 1.52, and each thread that has
// run such functions may keep 8 MiB.
fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // With one beside it for each.
    let memories = 3 * instances;
    pool.total_core_instances(instances)
        // Not reserved, only checked, and after all was compiled. A module of
        // 130,000 functions (clang) needs more than the 1 MiB of the default.
        .max_core_instance_size(INSTANCE_MAX_BYTES)
        .total_memories(memories)
        .total_tables(2 * instances)
        .max_memories_per_module(POOL_MEMORIES_PER_MODULE)
        .max_tables_per_module(POOL_TABLES_PER_MODULE)
        .table_elements(TABLE_ELEMENTS_MAX as usize)
        .max_memory_size(POOL_MEMORY_BYTES as usize)
        .total_component_instances(instances)
        .max_component_instance_size(INSTANCE_MAX_BYTES)
        .max_core_instances_per_component(POOL_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(POOL_MEMORIES_PER_MODULE)
        .max_tables_per_component(POOL_TABLES_PER_COMPONENT)
        // Each has a memory's place for itself when a program throws.
        .total_gc_heaps(instances)
        .table_keep_resident(PAGE_BYTES);
    match PoolingAllocationConfig::is_pagemap_scan_available() {
        true => pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(2048 * PAGE_BYTES),
        false => pool.pagemap_scan(Enabled::No).linear_memory_keep_resident(PAGE_BYTES),
    };
    pool
}

/// Collects what is hashed, so that the name does not depend on a hash
/// function that may change with the standard library.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn finish(&self) -> u64 {
        0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}
