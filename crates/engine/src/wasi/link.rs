//! The calls, as imports of a module.

use std::fmt;
use std::mem::MaybeUninit;

use wasmtime::{Caller, Engine, FuncType, Linker, Result, ValRaw, ValType};
use weft_wasi::{CALLS, Call, Errno, MODULE, Stop as Halt, Wasm};

use super::{Reading, Running, stop};
use crate::outcome::{FailureKind, Stop};

/// A program has ended itself, with a code.
#[derive(Debug)]
pub(crate) struct Exit(pub(crate) u32);

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
        // SAFETY: the caller, compiled for the type that was just made of this
        // row, has put a value of each parameter's type into the first slots,
        // and finds the errno, of the only type that a result has, in the first.
        // JUSTIFICATION: a safe function of a type that is data has its values
        // wrapped and checked in each call.
        unsafe {
            linker.func_new_unchecked(MODULE, call.name, ty, move |guest, slots| {
                let mut bits = [0; PARAMS_MAX];
                for ((bits, slot), (_, ty)) in bits.iter_mut().zip(&*slots).zip(call.params) {
                    let value = slot.assume_init();
                    *bits = match ty {
                        Wasm::I32 => value.get_u32().into(),
                        Wasm::I64 => value.get_u64(),
                    };
                }
                let errno = perform(guest, index, &bits[..call.params.len()])?;
                if let (Some(slot), true) = (slots.first_mut(), call.returns) {
                    *slot = MaybeUninit::new(ValRaw::i32(errno.number().into()));
                }
                Ok(())
            })?
        };
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

fn perform(mut guest: Caller<'_, Running>, index: usize, arguments: &[u64]) -> Result<Errno> {
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
    match process.call(&mut source, memory, index, arguments) {
        Ok(errno) => Ok(errno),
        Err(Halt::Exit(code)) => Err(Exit(code).into()),
        Err(halt) => Err(stop(halt, why.take()).into()),
    }
}
