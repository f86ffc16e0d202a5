use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use weft_engine::{Engine, RunBounds};
use weft_eval::{Machine, Policy};
use weft_store::{Backend, Epoch, Memory, Relations};

use crate::NodeError;
use crate::collect::Collector;
use crate::direct::Direct;
use crate::graph::Graph;
use crate::keep::Keeper;
use crate::loading::Loading;
use crate::recover::Recovering;
use crate::session::{Roots, Session};
use crate::slot::Slots;
use crate::sync::Mutex;
use crate::verify::{Sample, Verifier};
use crate::watch::{Watch, Watchers};
use crate::worker::{self, Queue};

/// How a node is set up. [`Config::default`] suits the machine it runs on.
#[derive(Clone, Default)]
pub struct Config {
    /// Worker threads; 0 means one for each core.
    pub workers: usize,
    /// What content, footprints and functions may take together, in bytes; 0
    /// means three quarters of the machine's memory.
    pub memory_bytes: u64,
    /// What relations in memory, and the content that only they keep, may take,
    /// in bytes; 0 means a quarter of `memory_bytes`.
    pub relation_cache_bytes: u64,
    /// Where content and relations last; `None` keeps them only in memory.
    pub backend: Option<Arc<dyn Backend>>,
    /// Where compiled modules are kept between processes: a directory that only
    /// this user can write. `None` compiles them anew in each process.
    pub artifacts: Option<PathBuf>,
    /// What they may take there, in bytes; `None` means what the engine holds for right.
    pub artifacts_max_bytes: Option<u64>,
    /// How often what was found out meanwhile is written to the backend, so that
    /// little is lost if the process is killed, and so that the cache can forget
    /// it; `None` leaves it to [`Node::keep`].
    pub keep_every: Option<Duration>,
    /// How evaluation is spread over threads.
    pub policy: Policy,
    /// Runs again what the backend knows, to compare: see
    /// [`Node::verified`]. Answers to requests are then neither looked up nor
    /// kept. For a node that does nothing else.
    pub verify: Option<Sample>,
    /// Compiles for debuggers, which see the functions' own source where a
    /// module brings it along; slower, and nothing compiled is kept.
    pub debug: bool,
}

/// One machine: see the [crate documentation](crate).
///
/// Dropping it shuts it down: what runs is interrupted, requests that are open
/// get no answer, and the threads have ended when the drop returns. What was
/// found out stays in memory only as long as the node; [`Node::keep`] writes it
/// to the backend.
pub struct Node {
    pub(crate) shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// What all threads of a node share.
pub(crate) struct Shared {
    pub(crate) me: Weak<Self>,
    /// When the node was started.
    started: Instant,
    /// No other node of this process has it.
    pub(crate) number: u64,
    pub(crate) recovering: Recovering,
    pub(crate) loading: Loading,
    /// How often the backend had removed something when that was last asked.
    pub(crate) removals: AtomicU64,
    /// How often it was begun to forget what relied on that.
    pub(crate) forgettings: AtomicU64,
    pub(crate) memory: Memory,
    pub(crate) relations: Relations,
    pub(crate) backend: Option<Arc<dyn Backend>>,
    pub(crate) engine: Engine,
    pub(crate) graph: Mutex<Graph>,
    pub(crate) queue: Queue,
    pub(crate) slots: Slots,
    pub(crate) sessions: Mutex<Vec<std::sync::Weak<Roots>>>,
    pub(crate) collector: Collector,
    pub(crate) keeper: Keeper,
    pub(crate) verifier: Option<Verifier>,
    pub(crate) watchers: Watchers,
    pub(crate) counts: Counts,
    pub(crate) closing: AtomicBool,
    pub(crate) direct: Direct,
    pub(crate) memory_bytes: u64,
    pub(crate) relation_cache_bytes: u64,
    pub(crate) policy: Policy,
    /// Whether what an application without Encodes comes to by tail calls was
    /// ever noted. Until then nobody need look for such a note.
    pub(crate) followed: AtomicBool,
    /// How many poisoned mappings the memory tier has forgotten.
    pub(crate) forgotten: AtomicU64,
    /// How many there were when it was last looked before something was kept.
    pub(crate) checked: AtomicU64,
    epoch: AtomicU64,
}

/// What is counted now and then. What every small invocation counts is in the
/// [`Tally`](crate::slot::Tally) of its thread.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) hits: AtomicU64,
    pub(crate) loaded: AtomicU64,
    pub(crate) loaded_bytes: AtomicU64,
    pub(crate) store_errors: AtomicU64,
    pub(crate) conflicts: AtomicU64,
    pub(crate) recorded: AtomicU64,
    pub(crate) recovered: AtomicU64,
    pub(crate) matched: AtomicU64,
}

/// What a node has done and is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Applications that were run.
    pub applied: u64,
    /// Of them, those that failed or had no answer.
    pub failed: u64,
    /// Nanoseconds that they took, added up over all threads.
    pub run_ns: u64,
    /// Programs that did not run, because earlier runs have looked at nothing
    /// that is different.
    pub matched: u64,
    /// Questions that were answered by what was known.
    pub hits: u64,
    /// Objects loaded from the backend.
    pub loaded: u64,
    /// Their bytes.
    pub loaded_bytes: u64,
    /// Times that content which the store had dropped was computed again.
    pub recovered: u64,
    /// Functions that run at this moment.
    pub running: usize,
    /// Functions of the modules that are compiled at this moment.
    pub compiling: u64,
    /// Of them, those that the compiler has begun with.
    pub compiling_begun: u64,
    /// Modules that are waited for because another process compiles them.
    pub compiling_elsewhere: u64,
    /// Keys that wait for others or for a worker.
    pub waiting: usize,
    /// Objects in memory.
    pub objects: u64,
    /// What the memory tier takes, in bytes.
    pub memory_bytes: u64,
    /// Relations in memory, those of evaluations that follow from others
    /// included.
    pub relations: usize,
    /// Times that the backend could not say what it knows of a relation; the
    /// computation was done again instead.
    pub store_errors: u64,
    /// Times that an application came to another outcome than it is known for:
    /// never, unless this machine or the one that wrote the store is broken.
    pub conflicts: u64,
}

impl Node {
    /// Starts the worker threads.
    ///
    /// # Errors
    /// The engine cannot be set up, or a thread not be started.
    pub fn start(config: Config) -> Result<Self, NodeError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if config.workers == 0 { cores } else { config.workers };
        let memory_bytes = match config.memory_bytes {
            0 => machine_memory_bytes() / 4 * 3,
            bytes => bytes,
        };
        let relation_cache_bytes = match config.relation_cache_bytes {
            0 => memory_bytes / 4,
            bytes => bytes,
        };
        // What runs make is private to them until they end, and beside every
        // claim: a quarter of the memory for all threads together.
        let made = memory_bytes / 4 / (workers as u64 + 1);
        let bounds = RunBounds {
            made_max_bytes: made.clamp(MADE_MIN_BYTES, RunBounds::default().made_max_bytes),
            ..RunBounds::default()
        };
        let defaults = weft_engine::Config::default();
        let engine = Engine::new(weft_engine::Config {
            artifacts: config.artifacts,
            artifacts_max_bytes: config.artifacts_max_bytes.unwrap_or(defaults.artifacts_max_bytes),
            bounds,
            debug: config.debug,
            ..defaults
        })?;
        let (queue, locals) = Queue::new(workers);
        let removals = config.backend.as_ref().map_or(0, |backend| backend.removals());
        let shared = Arc::new_cyclic(|me| Shared {
            me: me.clone(),
            started: Instant::now(),
            number: NODES.fetch_add(1, Ordering::Relaxed),
            recovering: Recovering::default(),
            loading: Loading::default(),
            removals: AtomicU64::new(removals),
            forgettings: AtomicU64::new(0),
            memory: Memory::new(),
            // A quarter for the table, the rest for what it keeps alive.
            relations: Relations::new(
                usize::try_from(relation_cache_bytes / 4).unwrap_or(usize::MAX),
            ),
            backend: config.backend,
            engine,
            graph: Mutex::new(Graph::new(Machine::with_graph_bytes(
                memory_bytes / 8 * 3,
                memory_bytes / 4,
            ))),
            queue,
            slots: Slots::default(),
            sessions: Mutex::default(),
            collector: Collector::default(),
            keeper: Keeper::new(config.keep_every, relation_cache_bytes),
            verifier: config.verify.map(Verifier::new),
            watchers: Watchers::default(),
            counts: Counts::default(),
            closing: AtomicBool::new(false),
            direct: Direct::new(memory_bytes / 8 * 3),
            memory_bytes,
            relation_cache_bytes,
            policy: config.policy,
            followed: AtomicBool::new(false),
            forgotten: AtomicU64::new(weft_store::map::poisoned()),
            checked: AtomicU64::new(weft_store::map::poisoned()),
            // Before the first epoch nothing can be old.
            epoch: AtomicU64::new(1),
        });
        let mut node = Self { shared, workers: Vec::with_capacity(workers) };
        for (number, local) in locals.into_iter().enumerate() {
            let thread = worker::start(number, local, node.shared.clone());
            node.workers.push(thread.map_err(NodeError::Thread)?);
        }
        Ok(node)
    }

    /// Begins to put content and to evaluate.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.shared.clone())
    }

    /// Everything that happens from now on. What is not taken out piles up, so
    /// take it out or drop it.
    #[must_use]
    pub fn watch(&self) -> Watch {
        self.shared.watchers.add()
    }

    /// What was done and is being done.
    #[must_use]
    pub fn stat(&self) -> Stat {
        self.shared.stat()
    }

    /// The backend, if there is one.
    #[must_use]
    pub fn backend(&self) -> Option<&Arc<dyn Backend>> {
        self.shared.backend.as_ref()
    }

    /// Drops from memory what nobody needs, now rather than when there is
    /// enough of it.
    pub fn collect(&self) {
        self.shared.collect();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.shared.interrupt_all();
        self.shared.queue.wake_all();
        for worker in self.workers.drain(..) {
            // A worker that panicked outside of a job has said so already.
            let _ = worker.join();
        }
        self.shared.graph.lock().close();
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Node({:?})", self.stat())
    }
}

impl Shared {
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    /// Begins a new epoch and returns the one that it ends.
    pub(crate) fn next_epoch(&self) -> Epoch {
        // One collection at a time, so nobody else counts.
        self.relations.begin_epoch(Epoch(self.epoch().0 + 1));
        Epoch(self.epoch.fetch_add(1, Ordering::SeqCst))
    }

    /// How many nanoseconds after its start something was.
    pub(crate) fn ns(&self, at: Instant) -> u64 {
        u64::try_from((at - self.started).as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    fn interrupt_all(&self) {
        self.slots.each(|doing| {
            if let Some((_, interrupt)) = &doing.job {
                interrupt.interrupt();
            }
        });
        self.slots.interrupt_own();
    }

    /// How many relations were found out here.
    pub(crate) fn recorded(&self) -> u64 {
        self.counts.recorded.load(Ordering::Relaxed) + self.slots.sum(|tally| &tally.recorded)
    }

    fn stat(&self) -> Stat {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        let compiling = self.engine.compiling();
        Stat {
            applied: self.slots.sum(|tally| &tally.applied),
            failed: self.slots.sum(|tally| &tally.failed),
            run_ns: self.slots.sum(|tally| &tally.run_ns),
            matched: load(&counts.matched),
            hits: load(&counts.hits) + self.slots.sum(|tally| &tally.hits),
            loaded: load(&counts.loaded),
            loaded_bytes: load(&counts.loaded_bytes),
            recovered: load(&counts.recovered),
            running: self.slots.sum(|tally| &tally.running) as usize,
            compiling: compiling.functions,
            compiling_begun: compiling.begun,
            compiling_elsewhere: compiling.elsewhere,
            waiting: self.graph.lock().waiting(),
            objects: self.memory.len(),
            memory_bytes: self.memory.bytes(),
            relations: self.relations.len(),
            store_errors: load(&counts.store_errors),
            conflicts: load(&counts.conflicts),
        }
    }
}

/// How many nodes this process has started.
static NODES: AtomicU64 = AtomicU64::new(0);

/// What any function may make, however small the node.
const MADE_MIN_BYTES: u64 = 16 << 20;

/// The machine's memory as Linux tells it; 4 GiB where nothing does.
fn machine_memory_bytes() -> u64 {
    const UNKNOWN: u64 = 4 << 30;
    let Ok(text) = std::fs::read_to_string("/proc/meminfo") else { return UNKNOWN };
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(UNKNOWN, |kib| kib * 1024)
}
