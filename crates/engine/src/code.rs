//! Native code: compiled, or loaded from an artifact.

use wasmtime::{Engine, Module, Result};
use weft_object::Handle;

use crate::artifact::Artifacts;
use crate::modules::Origin;
use crate::way::Way;

/// Something that was compiled.
pub(crate) trait Code: Sized + Send {
    fn compile(engine: &Engine, binary: &[u8]) -> Result<Self>;

    fn serialize(&self) -> Result<Vec<u8>>;

    /// # Safety
    /// The artifact is what [`Code::serialize`] gave, with nothing changed.
    unsafe fn deserialize(engine: &Engine, artifact: &[u8]) -> Result<Self>;

    /// The bytes of its code.
    fn bytes(&self) -> u64;
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

    fn bytes(&self) -> u64 {
        let range = self.image_range();
        (range.end as usize).saturating_sub(range.start as usize) as u64
    }
}

/// The code of a module, for one way to run.
pub(crate) fn code<C: Code>(
    module: &Handle,
    binary: &[u8],
    artifacts: Option<&Artifacts>,
    way: &Way,
) -> Result<(C, Origin)> {
    if let Some(artifact) = artifacts.and_then(|artifacts| artifacts.load(module, &way.settings)) {
        // SAFETY: `Artifacts::load` returns only bytes that it found to be what
        // `Artifacts::store` wrote below for this module and these settings, in
        // a directory that nobody else may write to.
        // JUSTIFICATION: compiling a large module takes seconds; its artifact
        // loads in microseconds to milliseconds.
        if let Ok(code) = unsafe { C::deserialize(&way.engine, &artifact) } {
            return Ok((code, Origin::Loaded));
        }
    }
    let code: C = compile(binary, way)?;
    if let Some(artifacts) = artifacts
        && let Ok(artifact) = code.serialize()
    {
        artifacts.store(module, &way.settings, &artifact);
    }
    Ok((code, Origin::Compiled))
}

// Functions are compiled in parallel where there are enough of them.
const ALONE_BYTES: usize = 64 << 10;

/// Compiles on threads of this module alone: on those that a process shares, a
/// few functions that take long would hold up every other module.
fn compile<C: Code>(binary: &[u8], way: &Way) -> Result<C> {
    let threads = match binary.len() {
        0..ALONE_BYTES => 1,
        _ => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| wasmtime::Error::msg(error.to_string()))?;
    pool.install(|| C::compile(&way.engine, binary))
}
