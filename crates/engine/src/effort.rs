//! Validation, and how much work a function is for the compiler.
//!
//! What compiling takes grows with the branches of one function times the values
//! alive at them, and with the square of the branches, which a module can make
//! large in few bytes. That is counted while the function is validated; a
//! function far above what compilers make is not compiled here. Validity does
//! not depend on it.

use wasmparser::types::Types;
use wasmparser::{FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, Parser};
use wasmparser::{Result, ValidPayload, Validator, ValidatorResources, WasmFeatures};

/// The most bytes of one function that are compiled.
pub(crate) const BODY_MAX_BYTES: usize = 4 << 20;

/// The most effort that one function may be.
///
/// For scale, with a compiler that is itself optimised only a little, on a
/// 2-core virtual machine: 10,000 conditionals over 200 locals are 5 Mi and
/// took 4.5 seconds; 20,000 are 16 Mi and took 16.
pub(crate) const EFFORT_MAX: u64 = 32 << 20;

// A value at a branch took about as long as this many pairs of branches.
const PAIRS_PER_VALUE: u64 = 32;

/// Validates a module: its types, and why it is too much to compile, if it is.
pub(crate) fn validate(
    module: &[u8],
    features: WasmFeatures,
) -> Result<Option<(Types, Option<String>)>> {
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut functions: Vec<(FuncToValidate<ValidatorResources>, FunctionBody<'_>)> = Vec::new();
    let mut last = None;
    for payload in parser.parse_all(module) {
        match validator.payload(&payload?)? {
            ValidPayload::Func(function, body) => functions.push((function, body)),
            ValidPayload::End(types) => last = Some(types),
            _ => {}
        }
    }
    let mut too_much = None;
    let mut allocations = FuncValidatorAllocations::default();
    for (function, body) in functions {
        let index = function.index;
        let mut validator = function.into_validator(allocations);
        let effort = function_of(&mut validator, &body, features)?;
        allocations = validator.into_allocations();
        let bytes = body.range().len();
        if bytes > BODY_MAX_BYTES || effort > EFFORT_MAX {
            too_much.get_or_insert_with(|| {
                format!(
                    "function {index} has {bytes} bytes and is an effort of {effort} for its \
                     branches and the values at them; this engine compiles up to \
                     {BODY_MAX_BYTES} and {EFFORT_MAX}, split the function"
                )
            });
        }
    }
    Ok(last.map(|types| (types, too_much)))
}

/// Validates a function and tells the effort. The values at a branch are the
/// locals and what is on the operand stack.
fn function_of(
    validator: &mut FuncValidator<ValidatorResources>,
    body: &FunctionBody<'_>,
    features: WasmFeatures,
) -> Result<u64> {
    let (mut branches, mut at_branches) = (0u64, 0u64);
    let mut catches = false;
    let content = body.as_bytes();
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(features);
    while !reader.eof() {
        let at = reader.current_position();
        let values = validator.len_locals() + validator.operand_stack_height();
        reader.visit_operator(&mut validator.visitor(reader.original_position()))??;
        let here = match content.get(at) {
            // block, loop, if, br_if
            Some(0x02..=0x04 | 0x0d) => 1,
            // br_table: its targets take a byte each, or more.
            Some(0x0e) => (reader.current_position() - at) as u64,
            // try_table: the same of its catches.
            Some(0x1f) => {
                catches = true;
                (reader.current_position() - at) as u64
            }
            // call, call_indirect: what they throw goes to a catch.
            Some(0x10 | 0x11) if catches => 1,
            _ => continue,
        };
        branches += here;
        at_branches = at_branches.saturating_add(here * u64::from(values));
    }
    reader.finish_expression(&validator.visitor(reader.original_position()))?;
    Ok(at_branches.saturating_add(branches.saturating_mul(branches) / PAIRS_PER_VALUE))
}
