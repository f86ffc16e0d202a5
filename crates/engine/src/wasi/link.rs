//! The calls, as imports of a module.

use std::fmt;

use wasmtime::{Caller, Engine, FuncType, Linker, Result, Val, ValType};
use weft_wasi::{CALLS, Call, MODULE, Stop as Halt, Wasm};

use super::{Reading, Running, stop};
use crate::outcome::{FailureKind, Stop};

/// A program has ended itself, with a code.
#[derive(Debug)]
pub(super) struct Exit(pub(super) u32);

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Every row of the table, under its name.
pub(crate) fn link(engine: &Engine) -> Result<Linker<Running>> {
    let mut linker = Linker::new(engine);
    for (index, call) in CALLS.iter().enumerate() {
        let params = call.params.iter().map(|(_, ty)| match ty {
            Wasm::I32 => ValType::I32,
            Wasm::I64 => ValType::I64,
        });
        let results = call.returns.then_some(ValType::I32);
        let ty = FuncType::new(engine, params, results);
        linker.func_new(MODULE, call.name, ty, move |guest, params, results| {
            perform(guest, index, params, results)
        })?;
    }
    Ok(linker)
}

/// A row's type, as messages have it.
pub(super) fn signature(call: &Call) -> String {
    let params: Vec<_> = call
        .params
        .iter()
        .map(|(_, ty)| match ty {
            Wasm::I32 => "i32",
            Wasm::I64 => "i64",
        })
        .collect();
    let result = if call.returns { "i32" } else { "()" };
    format!("({}) -> {result}", params.join(", "))
}

/// More than any row has.
const PARAMS_MAX: usize = 16;

fn perform(
    mut guest: Caller<'_, Running>,
    index: usize,
    params: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let mut bits = [0; PARAMS_MAX];
    for (bits, param) in bits.iter_mut().zip(params) {
        *bits = match param {
            Val::I32(value) => u64::from(value.cast_unsigned()),
            Val::I64(value) => value.cast_unsigned(),
            _ => 0,
        };
    }
    let memory = match guest.data().base.memory {
        Some(memory) => memory,
        None => {
            let export = guest.get_export("memory").and_then(wasmtime::Extern::into_memory);
            let memory = export.ok_or_else(|| {
                let detail = format!("{}: the module exports no memory", CALLS[index].name);
                Stop::Failure(FailureKind::Trap, detail)
            })?;
            guest.data_mut().base.memory = Some(memory);
            memory
        }
    };
    let (memory, running) = memory.data_and_store_mut(&mut guest);
    let Running { base, process, why } = running;
    let mut source = Reading { of: base.borrowed(), why };
    match process.call(&mut source, memory, index, &bits[..params.len()]) {
        Ok(errno) => {
            if let Some(result) = results.first_mut() {
                *result = Val::I32(errno.number().into());
            }
            Ok(())
        }
        Err(Halt::Exit(code)) => Err(Exit(code).into()),
        Err(halt) => Err(stop(halt, why.take()).into()),
    }
}
