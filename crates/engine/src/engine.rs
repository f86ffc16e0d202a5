use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use crate::EngineError;
use crate::apply::Codelet;
use crate::artifact::Artifacts;
use crate::artifact::bound::ARTIFACTS_MAX_BYTES;
use crate::compiling::{Compiling, Counts};
use crate::fixpoint::Fixpoint;
use crate::image::{Imaged, Images};
use crate::modules::Caches;
use crate::shelf;
use crate::wasi::Program;
use crate::wasi::component::Command;
use crate::way::Ended;
use crate::ways::Ways;

/// How an [`Engine`] is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where compiled modules are kept between processes: a directory of this
    /// user alone, which does not travel with data. `None` keeps none.
    pub artifacts: Option<PathBuf>,
    /// What they may take there, with the pages of images; beyond, what was used
    /// longest ago is removed.
    pub artifacts_max_bytes: u64,
    /// How many functions can have their memory from the pool at a time; more
    /// run outside it, slower. 0 means no pool.
    pub instances: u32,
    /// The compiled code that is kept ready in this process: so much of
    /// codelets, of programs, and of components.
    pub module_cache_bytes: u64,
    /// The largest module that is compiled.
    pub module_max_bytes: u64,
    /// What one run may use of the machine.
    pub bounds: RunBounds,
    /// Whether instances of functions are used again.
    pub reuse: Reuse,
    /// Compares an instance that was put back with a new one, all of it, after each
    /// of its first 200 runs and then one in 200.
    pub compare_reused: bool,
    /// Compiles for a debugger: unoptimized, with what a module says of its
    /// source, and told to gdb and lldb as they expect it. Without pool or
    /// artifacts. Outcomes are the same.
    pub debug: bool,
}

impl Default for Config {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as u32;
        Self {
            artifacts: None,
            artifacts_max_bytes: ARTIFACTS_MAX_BYTES,
            instances: (4 * threads).max(16),
            module_cache_bytes: 512 << 20,
            module_max_bytes: 256 << 20,
            bounds: RunBounds::default(),
            reuse: Reuse::Measured,
            compare_reused: cfg!(debug_assertions),
            debug: false,
        }
    }
}

/// Whether an instance, put back into the state in which it began, serves the next
/// run. No outcome depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Each run has a new one.
    Never,
    /// Of functions whose runs are found to be short.
    Measured,
    /// Of all functions for which it can be done, as soon as they run.
    Always,
}

/// What one run may use of the machine beyond its memories. Who exceeds them
/// has no answer here, except for the log, which is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunBounds {
    /// Handles in the table of one run.
    pub handles_max: u32,
    /// What one run holds beside its memories: the bytes of the Blobs and Trees
    /// that it makes and 256 for each, and 64 for each handle of its table and
    /// each Object that it reads. Counted before it is allocated.
    pub made_max_bytes: u64,
    /// Bytes of the log that are kept.
    pub log_max_bytes: usize,
}

impl Default for RunBounds {
    fn default() -> Self {
        Self { handles_max: 4 << 20, made_max_bytes: 512 << 20, log_max_bytes: 64 << 10 }
    }
}

/// What an engine has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Modules compiled.
    pub compiled: u64,
    /// Modules loaded from their artifacts.
    pub loaded: u64,
}

/// Compiles modules and applies them; shared by the threads of a process.
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) artifacts: Option<Arc<Artifacts>>,
    pub(crate) compiling: Arc<Counts>,
    pub(crate) module_ways: Ways,
    pub(crate) component_ways: Ways,
    pool_refused: Option<String>,
    /// How many instances threads keep. Goes with the engine, which who keeps them
    /// sees.
    pub(crate) kept: Arc<AtomicU32>,
    pub(crate) codelets: Caches<Codelet>,
    pub(crate) fixpoint: Caches<Fixpoint>,
    pub(crate) programs: Caches<Program>,
    pub(crate) components: Caches<Command>,
    pub(crate) imaged_programs: Caches<Imaged<Program>>,
    pub(crate) imaged_codelets: Caches<Imaged<Codelet>>,
    pub(crate) images: Images,
    version: String,
}

impl Engine {
    /// Sets up an engine.
    ///
    /// Where the address space of the pool cannot be reserved (as under
    /// `ulimit -v`) the engine works without one, slower;
    /// [`Engine::pool_refused`] says so.
    ///
    /// # Errors
    /// An artifact directory that cannot be used or trusted, or a machine that
    /// the compiler does not support.
    pub fn new(config: Config) -> Result<Self, EngineError> {
        let artifacts = config.artifacts.clone().filter(|_| !config.debug);
        let artifacts = artifacts.map(|dir| Artifacts::open(dir, config.artifacts_max_bytes));
        let artifacts = artifacts.transpose()?.map(Arc::new);
        let ended = match config.debug || !cfg!(unix) {
            true => Ended::ByCounter,
            false => Ended::ByPolls,
        };
        let ways = |ended, instances| Ways::new(ended, instances, config.debug);
        // Beside those that run there are those that are kept.
        let places = match config.instances {
            0 => 0,
            instances => instances + shelf::PLACES,
        };
        let module_ways = ways(ended, places);
        let component_ways = ways(Ended::ByCounter, config.instances);
        let pool_refused = module_ways.pooled().and_then(Result::err);
        if pool_refused.is_some() || config.instances == 0 || config.debug {
            module_ways.roomy().map_err(EngineError::Compiler)?;
        }
        Ok(Self {
            artifacts,
            compiling: Arc::default(),
            module_ways,
            component_ways,
            pool_refused,
            kept: Arc::default(),
            codelets: Caches::new(config.module_cache_bytes),
            fixpoint: Caches::new(config.module_cache_bytes),
            programs: Caches::new(config.module_cache_bytes),
            components: Caches::new(config.module_cache_bytes),
            imaged_programs: Caches::new(config.module_cache_bytes),
            imaged_codelets: Caches::new(config.module_cache_bytes),
            images: Images::default(),
            version: format!("weft {} wasmtime {WASMTIME}", env!("CARGO_PKG_VERSION")),
            config,
        })
    }

    /// This engine's name: of the versions that made its outcomes.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Why there is no pool although one was asked for.
    #[must_use]
    pub fn pool_refused(&self) -> Option<&str> {
        self.pool_refused.as_deref()
    }

    /// What was compiled and loaded so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counts = [
            self.codelets.counts(),
            self.fixpoint.counts(),
            self.programs.counts(),
            self.components.counts(),
            self.imaged_programs.counts(),
            self.imaged_codelets.counts(),
        ];
        Stats {
            compiled: counts.iter().map(|counts| counts.0).sum(),
            loaded: counts.iter().map(|counts| counts.1).sum(),
        }
    }

    /// How far the modules are that are compiled now; zeros if there are none.
    #[must_use]
    pub fn compiling(&self) -> Compiling {
        self.compiling.now()
    }
}

// The compiler's version is not among what its crate tells; a test compares
// this with the lock file.
const WASMTIME: &str = "48.0.8";
