//! The benches, a module for each subject.

pub(crate) mod add;
pub(crate) mod chase;
pub(crate) mod cold;
pub(crate) mod collect;
pub(crate) mod files;
pub(crate) mod fixpoint;
pub(crate) mod fork;
pub(crate) mod helpers;
pub(crate) mod idle;
pub(crate) mod image;
pub(crate) mod large;
pub(crate) mod memo;
pub(crate) mod relations;
pub(crate) mod store;
pub(crate) mod tail;
pub(crate) mod wordcount;

use weft_eval::Policy;
use weft_node::{Config, Node, Session};
use weft_object::Handle;

use crate::report::Report;
use crate::{BenchError, Options};

/// One bench.
pub(crate) struct Bench {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Options) -> Result<Report, BenchError>,
}

/// All benches in the order in which they run.
pub(crate) const ALL: &[Bench] = &[
    Bench { name: "add", run: add::add },
    Bench { name: "add_memory", run: add::add_memory },
    Bench { name: "memo_hit", run: memo::by_handle },
    Bench { name: "memo_hit_10m", run: memo::among_ten_million },
    Bench { name: "memo_hit_named", run: memo::named },
    Bench { name: "chain_500", run: add::chain_500 },
    Bench { name: "chase_5", run: chase::chase_5 },
    Bench { name: "fork_10k", run: fork::fork_10k },
    Bench { name: "fork_1m", run: fork::fork_1m },
    Bench { name: "fork_2_spinning", run: helpers::spinning },
    Bench { name: "fork_2_parked", run: helpers::parked },
    Bench { name: "tail_1m", run: tail::tail_1m },
    Bench { name: "cold_cached", run: cold::cached },
    Bench { name: "cold_compile", run: cold::compile },
    Bench { name: "fixpoint_add", run: fixpoint::add },
    Bench { name: "fixpoint_blob", run: fixpoint::blob },
    Bench { name: "fixpoint_fib", run: fixpoint::fib },
    Bench { name: "wordcount", run: wordcount::wordcount },
    Bench { name: "wordcount_1gib", run: wordcount::wordcount_1gib },
    Bench { name: "image_32m", run: image::restore },
    Bench { name: "image_1000", run: image::many },
    Bench { name: "image_first", run: image::first },
    Bench { name: "idle_rss", run: idle::idle_rss },
    Bench { name: "idle_cpu", run: idle::idle_cpu },
    Bench { name: "add_files", run: files::add_files },
    Bench { name: "large_first_read", run: large::first_read },
    Bench { name: "large_again", run: large::again },
    Bench { name: "relations_10m", run: relations::relations_10m },
    Bench { name: "store_open_10m", run: store::open },
    Bench { name: "gc_10m", run: collect::gc },
];

/// The names of all benches.
pub const NAMES: &[&str] = &{
    let mut names = [""; ALL.len()];
    let mut at = 0;
    while at < ALL.len() {
        names[at] = ALL[at].name;
        at += 1;
    }
    names
};

/// Two workers, as the promises say, whatever the machine has.
fn node() -> Result<(Node, Session), BenchError> {
    let node = Node::start(Config { workers: WORKERS, ..Config::default() })?;
    let session = node.session();
    Ok((node, session))
}

const WORKERS: usize = 2;

/// The thread that asks does all of it, and leaves nothing to others.
fn node_of_one_thread() -> Result<(Node, Session), BenchError> {
    let policy =
        Policy { share_awake_ns: u64::MAX, share_asleep_ns: u64::MAX, ..Policy::default() };
    let node = Node::start(Config { workers: 1, policy, ..Config::default() })?;
    let session = node.session();
    Ok((node, session))
}

/// The value that a request comes to.
fn value(bench: &'static str, session: &Session, request: Handle) -> Result<Handle, BenchError> {
    let outcome = session.evaluate(request);
    outcome.value().ok_or_else(|| BenchError::Wrong { bench, detail: format!("{outcome:?}") })
}
