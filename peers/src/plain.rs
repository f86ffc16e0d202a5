//! Programs on plain wasmtime, from what was compiled before.

use std::io::{self, Write};
use std::path::Path;

use wasmtime::{Engine, InstancePre, Linker, Module, Store};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use crate::Result;

pub(crate) fn engine() -> Result<Engine> {
    Ok(Engine::new(&wasmtime::Config::new())?)
}

/// What was compiled before. This program has written it, and nobody else can
/// have who could not replace this program.
fn load(engine: &Engine, artifact: &Path) -> Result<Module> {
    // SAFETY: as said above.
    // JUSTIFICATION: to load and not compile is what is measured.
    Ok(unsafe { Module::deserialize_file(engine, artifact)? })
}

/// Whether what was compiled before is there, and of this version.
pub(crate) fn is_there(artifact: &Path) -> bool {
    engine().and_then(|engine| load(&engine, artifact)).is_ok()
}

/// A program that is linked.
pub(crate) struct Linked {
    engine: Engine,
    pre: InstancePre<WasiP1Ctx>,
}

impl Linked {
    pub(crate) fn load(artifact: &Path) -> Result<Self> {
        let engine = engine()?;
        let module = load(&engine, artifact)?;
        let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
        add_to_linker_sync(&mut linker, |context| context)?;
        let pre = linker.instantiate_pre(&module)?;
        Ok(Self { engine, pre })
    }

    fn run(&self, context: WasiP1Ctx) -> Result<()> {
        let mut store = Store::new(&self.engine, context);
        let instance = self.pre.instantiate(&mut store)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        match start.call(&mut store, ()) {
            Err(error) if error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
            ended => Ok(ended?),
        }
    }

    /// Runs it with directories, each with the path under which it is given.
    pub(crate) fn run_in(
        &self,
        directories: &[(impl AsRef<Path>, &str)],
        arguments: &[&str],
    ) -> Result<()> {
        let mut builder = WasiCtxBuilder::new();
        builder.inherit_stderr().args(arguments);
        for (directory, path) in directories {
            builder.preopened_dir(directory, path, FsPerms::ReadWrite)?;
        }
        self.run(builder.build_p1())
    }
}

/// Runs a program once.
pub(crate) fn once(artifact: &str, arguments: &[&str]) -> Result<()> {
    let mut builder = WasiCtxBuilder::new();
    let context = builder.inherit_stdio().arg("program").args(arguments).build_p1();
    Linked::load(Path::new(artifact))?.run(context)
}

/// Runs a program for each line of standard input, with the words of it as
/// arguments, and says so.
///
/// `directories` are pairs: where one is, and under which path it is given.
pub(crate) fn serve(artifact: &str, directories: &[&str]) -> Result<()> {
    let linked = Linked::load(Path::new(artifact))?;
    let directories: Vec<_> = directories.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    for line in io::stdin().lines() {
        let line = line?;
        let arguments: Vec<&str> = line.split(' ').collect();
        linked.run_in(&directories, &arguments)?;
        println!("done");
        io::stdout().flush()?;
    }
    Ok(())
}
