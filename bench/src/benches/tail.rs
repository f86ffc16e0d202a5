//! A chain of a million tail calls in bounded memory.

use std::time::Instant;

use serde_json::{Value, json};
use weft_node::{Config, Node};
use weft_object::Handle;

use super::{WORKERS, value};
use crate::expect::check_relation;
use crate::guests::{self, COUNT};
use crate::measure::ns;
use crate::report::{Baseline, Compared, Report};
use crate::stock::Stock;
use crate::{BenchError, Options, child, memory};

const NAME: &str = "tail_1m";

/// What relations, and the content that only they keep, may take.
const CACHE_BYTES: u64 = 64 << 20;

/// The time of a million steps, and how much higher their memory peaks than that
/// of ten thousand.
pub(crate) fn tail_1m(options: &Options) -> Result<Report, BenchError> {
    let (short, long) = options.size.pick((200, 5_000), (10_000, 1_000_000));
    let few = child::ask(options, "tail", short)?;
    let many = child::ask(options, "tail", long)?;
    let peak = |found: &Value| found.get("peak_bytes").and_then(Value::as_u64);
    let time = |name: &str| many.get(name).and_then(Value::as_f64);
    Ok(Report {
        name: NAME,
        per: "chain",
        p50_ns: time("ns"),
        per_second: time("ns").map(|ns| 1e9 / ns),
        memory_bytes: peak(&many).zip(peak(&few)).map(|(many, few)| many.saturating_sub(few)),
        baseline: time("stock_ns")
            .map(|ns| Baseline { name: super::add::STOCK, value: Compared::P50Ns(ns) }),
        checked: many.get("checked").and_then(Value::as_u64).unwrap_or(0) as usize,
        ..Report::default()
    })
}

/// The child's part: that many steps.
pub(crate) fn part(steps: u64) -> Result<Value, BenchError> {
    let config =
        Config { workers: WORKERS, relation_cache_bytes: CACHE_BYTES, ..Config::default() };
    let node = Node::start(config)?;
    let session = node.session();
    let module = session.put_blob(COUNT);
    let start = Instant::now();
    let chain = guests::of_two(&mut |entries| session.put_tree(entries), module, (steps, 0));
    let answer = value(NAME, &session, chain)?;
    let time = start.elapsed();
    let peak_bytes = memory::peak_bytes();
    let checked = check(&node, &session, module, steps, answer)?;
    // A step of the baseline is the same function on numbers of the same size.
    let stock = Stock::new(COUNT)?;
    let start = Instant::now();
    for step in 0..steps {
        stock.of_two((steps - step, step))?;
    }
    let stock_time = start.elapsed();
    Ok(json!({
        "ns": ns(time),
        "stock_ns": ns(stock_time),
        "peak_bytes": peak_bytes,
        "checked": checked,
    }))
}

/// The cache holds a part of a long chain only, and the rest is forgotten by
/// design. What is there must be right, and some of it has to be there: the
/// last steps at least. A chain whose relations fit is there as a whole.
fn check(
    node: &Node,
    session: &weft_node::Session,
    module: Handle,
    steps: u64,
    answer: Handle,
) -> Result<usize, BenchError> {
    let wrong = |detail: String| Err(BenchError::Wrong { bench: NAME, detail });
    if answer != Handle::of_u64(steps) {
        return wrong(format!("the sum is #{answer}"));
    }
    if node.stat().applied != steps + 1 {
        return wrong(format!("{} functions ran instead of {}", node.stat().applied, steps + 1));
    }
    // Written out here, apart from what built the request.
    let nothing = Handle::EMPTY;
    let tree = |step: u64| {
        let numbers = [Handle::of_u64(steps - step), Handle::of_u64(step)];
        Handle::of_tree(&[nothing, module, numbers[0], numbers[1]])
    };
    let certain = steps.saturating_sub(10_000);
    let mut found = 0;
    for step in 0..=steps {
        let outcome = match step == steps {
            true => Some(Handle::of_u64(steps)),
            false => tree(step + 1).application(),
        };
        let Some(outcome) = outcome else { return wrong("no application".to_owned()) };
        if step >= certain || session.relation(tree(step))?.is_some() {
            check_relation(NAME, session, tree(step), outcome)?;
            found += 1;
        }
    }
    Ok(found)
}
