//! Modules that a generator makes of bytes.

use std::sync::LazyLock;

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};
pub use weft_engine::fuzz::Fault;

use crate::storing;

/// What a function may call.
static IMPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    binary(
        r#"(module
            (import "weft_1" "u64_blob" (func (param i64) (result i32)))
            (import "weft_1" "blob_u64" (func (param i32) (result i64)))
            (import "weft_1" "tree_get" (func (param i32 i64) (result i32)))
            (import "weft_1" "length" (func (param i32) (result i64)))
            (import "weft_1" "kind" (func (param i32) (result i32)))
            (import "weft_1" "blob_new" (func (param i32 i32) (result i32)))
            (import "weft_1" "tree_read" (func (param i32 i64 i32 i32) (result i32)))
            (import "weft_1" "log" (func (param i32 i32))))"#,
    )
});

/// Of that what never traps.
static CALM_IMPORTS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    binary(r#"(module (import "weft_1" "u64_blob" (func (param i64) (result i32))))"#)
});

/// How it is called; its memory is seen by those calls in one of them.
static SHAPES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let apply = r#"(func (export "weft_apply") (param i32) (result i32) unreachable)"#;
    let memory = r#"(memory (export "memory") 1 20)"#;
    [binary(&format!("(module {apply} {memory})")), binary(&format!("(module {apply})"))]
});

fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_default()
}

/// So much a module may do before it traps, in loops and calls.
const STEPS: u32 = 1000;

/// Makes a module of the bytes and applies it in instances that are used again.
pub(crate) fn reuse(bytes: &[u8]) {
    if let Ok((module, argument)) = made(&mut Unstructured::new(bytes)) {
        weft_engine::fuzz::fuzz_reuse(&module, argument);
    }
}

/// The same as the target `reuse`, where instances are put back but for one thing.
///
/// # Panics
/// If that is found.
pub fn faulty_reuse(fault: Fault, bytes: &[u8]) {
    if let Ok((module, argument)) = made(&mut Unstructured::new(bytes)) {
        weft_engine::fuzz::fuzz_faulty_reuse(fault, &module, argument);
    }
}

fn made(bytes: &mut Unstructured<'_>) -> arbitrary::Result<(Vec<u8>, u64)> {
    let argument = bytes.arbitrary::<u64>()?;
    match bytes.arbitrary::<bool>()? {
        true => Ok((binary(&storing::module(bytes)?), argument)),
        false => Ok((any(bytes)?, argument)),
    }
}

/// One of any instructions. Most end in a trap if they may.
fn any(bytes: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let is_calm = bytes.ratio(3u8, 4u8)?;
    let shape = &SHAPES[usize::from(bytes.arbitrary::<bool>()?)];
    let imports = if is_calm { &CALM_IMPORTS } else { &IMPORTS };
    let config = Config {
        available_imports: Some(imports.to_vec()),
        exports: Some(shape.clone()),
        disallow_traps: is_calm,
        // As the meaning has them; a module with more is refused, which shows little.
        reference_types_enabled: bytes.ratio(1, 4)?,
        threads_enabled: false,
        shared_everything_threads_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        memory64_enabled: false,
        max_memories: 1 + usize::from(bytes.ratio(1, 8)?),
        max_memory32_bytes: 2 << 20,
        max_funcs: 12,
        max_table_elements: 100,
        max_tables: 2,
        max_instructions: 200,
        min_data_segments: 1,
        min_globals: 2,
        ..Config::default()
    };
    let mut module = Module::new(config, bytes)?;
    match module.ensure_termination(STEPS) {
        Ok(_) => Ok(module.to_bytes()),
        Err(_) => Err(arbitrary::Error::IncorrectFormat),
    }
}
