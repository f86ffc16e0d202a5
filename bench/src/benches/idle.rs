//! What a process takes that waits for work.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{node, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, ADD};
use crate::measure::ns;
use crate::random::Random;
use crate::report::{Baseline, Compared, Report};
use crate::{BenchError, Options, child, memory};

const NAME: &str = "idle_rss";

/// The resident memory of a process whose node has answered one request and is
/// idle; beside it that of the same process before it started the node.
pub(crate) fn idle_rss(options: &Options) -> Result<Report, BenchError> {
    let found = child::ask(options, "idle", 0)?;
    let bytes = |name: &str| found.get(name).and_then(Value::as_u64);
    Ok(Report {
        name: NAME,
        per: "process",
        memory_bytes: bytes("resident_bytes"),
        baseline: bytes("before_bytes").map(|bytes| Baseline {
            name: "the process without a node",
            value: Compared::MemoryBytes(bytes),
        }),
        checked: bytes("checked").unwrap_or(0) as usize,
        ..Report::default()
    })
}

/// The processor time of a node that has just worked and has nothing to do,
/// beside the time that passes.
pub(crate) fn idle_cpu(options: &Options) -> Result<Report, BenchError> {
    let found = child::ask(options, "idle_cpu", 0)?;
    let number = |name: &str| found.get(name).and_then(Value::as_f64);
    Ok(Report {
        name: CPU,
        per: "window",
        p50_ns: number("cpu_ns"),
        baseline: number("window_ns")
            .map(|ns| Baseline { name: "the window", value: Compared::P50Ns(ns) }),
        checked: found.get("checked").and_then(Value::as_u64).unwrap_or(0) as usize,
        ..Report::default()
    })
}

const CPU: &str = "idle_cpu";

/// The child's part of that.
pub(crate) fn cpu_part(options: &Options) -> Result<Value, BenchError> {
    let entries = options.size.pick(100, 10_000);
    let mut random = Random::new(options.seed, CPU);
    let pairs: Vec<_> = (0..entries).map(|_| random.pair()).collect();
    let (node, session) = node()?;
    let module = session.put_blob(ADD);
    let before = Before::of(&node);
    let fork = guests::fork(&mut |entries| session.put_tree(entries), module, &pairs);
    let answer = value(CPU, &session, fork)?;
    // From here on: how long threads look for more is a part of it.
    let (start, used) = (Instant::now(), memory::Processors::now());
    std::thread::sleep(options.size.pick(Duration::from_millis(50), Duration::from_secs(2)));
    let now = memory::Processors::now();
    let cpu_ns = now.zip(used).map(|(now, before)| now.since_ns(&before));
    let window_ns = ns(start.elapsed());
    let mut expect = Expect::default();
    let request = guests::fork(&mut |entries| expect.put(entries), module, &pairs);
    let checked = expect.check(CPU, (&node, &session), &before, &[request], &[answer])?;
    Ok(json!({ "cpu_ns": cpu_ns, "window_ns": window_ns, "checked": checked }))
}

/// The child's part of [`idle_rss`].
pub(crate) fn part() -> Result<Value, BenchError> {
    let before_bytes = memory::resident_bytes();
    let (_node, session) = node()?;
    let module = session.put_blob(ADD);
    let request = guests::of_two(&mut |entries| session.put_tree(entries), module, (2, 3));
    let answer = value(NAME, &session, request)?;
    // Longer than any thread looks for work before it sleeps.
    std::thread::sleep(Duration::from_millis(300));
    let resident_bytes = memory::resident_bytes();
    let tree = guests::of_two(&mut |entries| weft_object::Handle::of_tree(entries), module, (2, 3));
    crate::expect::check_relation(NAME, &session, tree.content(), answer)?;
    Ok(json!({ "before_bytes": before_bytes, "resident_bytes": resident_bytes, "checked": 1 }))
}
