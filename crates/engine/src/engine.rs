use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::EngineError;
use crate::apply::Codelet;
use crate::artifact::Artifacts;
use crate::compiling::{Compiling, Counts};
use crate::modules::{Caches, Refusal};
use crate::outcome::NoAnswerKind;
use crate::wasi::Program;
use crate::wasi::component::Command;
use crate::way::{Kind, Way};

/// How an [`Engine`] is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where compiled modules are kept between processes: a directory of this
    /// user alone, which does not travel with data. `None` keeps none.
    pub artifacts: Option<PathBuf>,
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
            instances: (4 * threads).max(16),
            module_cache_bytes: 512 << 20,
            module_max_bytes: 256 << 20,
            bounds: RunBounds::default(),
            debug: false,
        }
    }
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
    pooled: Option<Arc<Way>>,
    pool_refused: Option<String>,
    roomy: OnceLock<Result<Arc<Way>, String>>,
    metered: OnceLock<Result<Arc<Way>, String>>,
    pub(crate) codelets: Caches<Codelet>,
    pub(crate) programs: Caches<Program>,
    pub(crate) components: Caches<Command>,
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
        let artifacts = artifacts.map(Artifacts::open).transpose()?.map(Arc::new);
        let (pooled, pool_refused) = match config.instances {
            0 => (None, None),
            _ if config.debug => (None, None),
            instances => match Way::new(Kind::Pooled { instances }, false) {
                Ok(way) => (Some(Arc::new(way)), None),
                Err(error) => (None, Some(format!("{error:#}"))),
            },
        };
        let engine = Self {
            artifacts,
            compiling: Arc::default(),
            pooled,
            pool_refused,
            roomy: OnceLock::new(),
            metered: OnceLock::new(),
            codelets: Caches::new(config.module_cache_bytes),
            programs: Caches::new(config.module_cache_bytes),
            components: Caches::new(config.module_cache_bytes),
            version: format!("weft {} wasmtime {WASMTIME}", env!("CARGO_PKG_VERSION")),
            config,
        };
        if engine.pooled.is_none() {
            engine.roomy().map_err(EngineError::Compiler)?;
        }
        Ok(engine)
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
        let counts = [self.codelets.counts(), self.programs.counts(), self.components.counts()];
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

    fn roomy(&self) -> Result<Arc<Way>, String> {
        way(&self.roomy, Kind::Roomy, self.config.debug)
    }

    /// The ways to run without counting fuel, the best first.
    pub(crate) fn standard_ways(&self) -> Result<Vec<Arc<Way>>, Refusal> {
        match &self.pooled {
            Some(pooled) => {
                let roomy = self.roomy().ok();
                Ok(std::iter::once(Arc::clone(pooled)).chain(roomy).collect())
            }
            None => self.roomy_ways(),
        }
    }

    pub(crate) fn roomy_ways(&self) -> Result<Vec<Arc<Way>>, Refusal> {
        self.roomy().map(|way| vec![way]).map_err(no_way)
    }

    pub(crate) fn metered_ways(&self) -> Result<Vec<Arc<Way>>, Refusal> {
        way(&self.metered, Kind::Metered, self.config.debug).map(|way| vec![way]).map_err(no_way)
    }
}

// The compiler's version is not among what its crate tells; a test compares
// this with the lock file.
const WASMTIME: &str = "48.0.8";

fn way(
    cell: &OnceLock<Result<Arc<Way>, String>>,
    kind: Kind,
    debug: bool,
) -> Result<Arc<Way>, String> {
    let new = || Way::new(kind, debug).map(Arc::new).map_err(|error| format!("{error:#}"));
    cell.get_or_init(new).clone()
}

fn no_way(what: String) -> Refusal {
    Refusal::NoAnswer(NoAnswerKind::HostMemory, what)
}
