//! What meaning version 1 fixes about WebAssembly, in one place: it decides
//! which modules are valid, so a change here is a new version.

use wasmtime::WasmFeatures;

/// The version of the meaning under which this engine's outcomes hold.
pub const MEANING_VERSION: u32 = 1;

/// The memory limit of an application that states none: 256 MiB.
pub const MEMORY_LIMIT_DEFAULT_BYTES: u64 = 256 << 20;

/// The most elements that a run's tables come to together. A module whose
/// initial tables have more is refused; `table.grow` beyond answers -1.
pub const TABLE_ELEMENTS_MAX: u64 = 1 << 20;

/// The bytes of a message to `fail` that are kept.
pub const FAIL_MESSAGE_MAX_BYTES: usize = 4096;

/// The enabled proposals.
///
/// Everything in the standard's version 2, and of version 3 what is
/// deterministic and needs no collector. Not enabled: threads and shared
/// memory (not deterministic), garbage-collected types and with them
/// `externref` (the size of a collected heap is the machine's business),
/// function references and exceptions (wait until a toolchain for functions
/// needs them; programs have them), and whatever is no standard yet.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::FLOATS
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::MEMORY64
        | WasmFeatures::EXTENDED_CONST
}

/// The same for programs: exceptions too, because `setjmp` and C++ are compiled
/// to them. Their objects lie in a collected heap, which grows as this engine
/// has it and counts among the memory; who fills that with them has no answer.
pub(crate) fn program_features() -> WasmFeatures {
    features() | WasmFeatures::EXCEPTIONS
}

/// The same for modules for Fixpoint's interface: with `externref`, which is what
/// a handle is there. They never have a heap of collected objects (see
/// [`handles`](crate::rewrite::handles)).
pub(crate) fn fixpoint_features() -> WasmFeatures {
    features() | WasmFeatures::GC_TYPES
}

/// The same for the modules in a component, and the component itself.
pub(crate) fn component_features() -> WasmFeatures {
    program_features() | WasmFeatures::COMPONENT_MODEL
}
