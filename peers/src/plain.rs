//! One program on plain wasmtime, from what was compiled before.

use wasmtime::{Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

use crate::Result;

pub(crate) fn engine() -> Result<Engine> {
    Ok(Engine::new(&wasmtime::Config::new())?)
}

pub(crate) fn run(artifact: &str, arguments: &[&str]) -> Result<()> {
    let engine = engine()?;
    // SAFETY: `start` has just written it, with the same engine, in a directory
    // of its own.
    // JUSTIFICATION: to load and not compile is what is measured.
    let module = unsafe { Module::deserialize_file(&engine, artifact)? };
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    add_to_linker_sync(&mut linker, |context| context)?;
    let mut builder = WasiCtxBuilder::new();
    let context = builder.inherit_stdio().arg("program").args(arguments).build_p1();
    let mut store = Store::new(&engine, context);
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    match start.call(&mut store, ()) {
        Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
        ended => Ok(ended?),
    }
}
