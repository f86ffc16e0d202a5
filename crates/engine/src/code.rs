//! Native code: compiled, or loaded from an artifact.

use std::fs::File;
use std::io::{Read, Seek};
use std::sync::Arc;

use wasmtime::{Engine, Error, Module, Result};
use weft_object::Handle;

use crate::artifact::{Artifact, Artifacts};
use crate::compiling::{self, Counts};
use crate::rewrite::{For, rewrite};
use crate::way::Way;

/// Something that was compiled.
pub(crate) trait Code: Sized + Send {
    fn compile(engine: &Engine, binary: &[u8]) -> Result<Self>;

    fn serialize(&self) -> Result<Vec<u8>>;

    /// # Safety
    /// The artifact is what [`Code::serialize`] gave, with nothing changed.
    unsafe fn deserialize(engine: &Engine, artifact: &[u8]) -> Result<Self>;

    /// The same from a file, mapped where that can be.
    ///
    /// # Safety
    /// As for [`Code::deserialize`]; nor does the file change from then on.
    unsafe fn load(engine: &Engine, artifact: File) -> Result<Self> {
        // SAFETY: the contract of this function.
        unsafe { read(engine, artifact) }
    }

    /// The bytes of its code.
    fn bytes(&self) -> u64;
}

/// What [`Code::load`] does where nothing can be mapped.
///
/// # Safety
/// As for [`Code::deserialize`].
pub(crate) unsafe fn read<C: Code>(engine: &Engine, mut artifact: File) -> Result<C> {
    let mut bytes = Vec::new();
    // Whoever looked whether it is sound has read it.
    artifact.rewind()?;
    artifact.read_to_end(&mut bytes)?;
    // SAFETY: the contract of this function.
    unsafe { C::deserialize(engine, &bytes) }
}

impl Code for Module {
    fn compile(engine: &Engine, binary: &[u8]) -> Result<Self> {
        Self::from_binary(engine, binary)
    }

    fn serialize(&self) -> Result<Vec<u8>> {
        self.serialize()
    }

    unsafe fn deserialize(engine: &Engine, artifact: &[u8]) -> Result<Self> {
        // SAFETY: the contract of this function.
        unsafe { Self::deserialize(engine, artifact) }
    }

    unsafe fn load(engine: &Engine, artifact: File) -> Result<Self> {
        // SAFETY: the contract of this function.
        unsafe { Self::deserialize_open_file(engine, artifact) }
    }

    fn bytes(&self) -> u64 {
        let range = self.image_range();
        (range.end as usize).saturating_sub(range.start as usize) as u64
    }
}

/// The code of a module for one way to run, as it was compiled before, and what
/// was found out about the module then.
pub(crate) fn kept<C: Code>(
    module: &Handle,
    artifacts: &Artifacts,
    way: &Way,
) -> Option<(C, Vec<u8>)> {
    let Artifact { code, about } = artifacts.load(module, &way.settings)?;
    // SAFETY: `Artifacts::load` gives only what it found to be what
    // `Artifacts::store` wrote below for this module and these settings, in a
    // directory that nobody else may write to. Nothing there is written to once
    // it has its name.
    // JUSTIFICATION: compiling a large module takes minutes; its artifact is
    // only mapped.
    let code = unsafe { C::load(&way.engine, code) };
    code.ok().map(|code| (code, about))
}

/// The code of a module, compiled and kept with what was found out about it.
pub(crate) fn compiled<C: Code>(
    (module, binary): (&Handle, &[u8]),
    about: &[u8],
    artifacts: Option<&Artifacts>,
    way: &Way,
    compiling: &Arc<Counts>,
) -> Result<C> {
    let code: C = compile(module, binary, way, compiling)?;
    if let Some(artifacts) = artifacts
        && let Ok(artifact) = code.serialize()
    {
        artifacts.store(module, &way.settings, &artifact, about);
    }
    Ok(code)
}

/// For people who look at it with a debugger: nobody is told.
const NOT_COVERED: &str = "instances of this module cannot be put back";

// Functions are compiled in parallel where there are enough of them.
pub(crate) const ALONE_BYTES: usize = 64 << 10;

/// Compiles on threads of this module alone: on those that a process shares, a
/// few functions that take long would hold up every other module.
fn compile<C: Code>(name: &Handle, binary: &[u8], way: &Way, compiling: &Arc<Counts>) -> Result<C> {
    let threads = match binary.len() {
        0..ALONE_BYTES => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let module = compiling::Module::begin(compiling, binary);
    let count = module.counter();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).start_handler(move |_| count());
    let pool = pool.build().map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    let rewritten;
    let binary = match way.what.map(|what| rewrite(binary, name, what)).transpose()? {
        Some(Some((binary, _))) => {
            rewritten = binary;
            &rewritten
        }
        Some(None) if way.what != Some(For::Once) => return Err(Error::msg(NOT_COVERED)),
        _ => binary,
    };
    pool.install(|| C::compile(&way.engine, binary))
}
