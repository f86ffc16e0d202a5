//! Trees of many Encodes, evaluated on all workers.

use std::time::Instant;

use serde_json::{Value, json};

use super::add::{STOCK, wrong_stock};
use super::{node, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, ADD};
use crate::measure::{compare_runs, ns};
use crate::random::Random;
use crate::report::{Baseline, Compared, Report};
use crate::stock::Stock;
use crate::{BenchError, Options, child, memory};

/// 10,000 additions in one Tree; the time is of one of them.
pub(crate) fn fork_10k(options: &Options) -> Result<Report, BenchError> {
    const NAME: &str = "fork_10k";
    let entries = options.size.pick(200, 10_000);
    let runs = options.size.pick(2, 30);
    let mut random = Random::new(options.seed, NAME);
    let forks: Vec<Vec<(u64, u64)>> =
        (0..runs).map(|_| (0..entries).map(|_| random.pair()).collect()).collect();
    let (node, session) = node()?;
    let module = session.put_blob(ADD);
    let stock = Stock::new(ADD)?;
    let before = Before::of(&node);
    let mut answers = Vec::with_capacity(runs);
    let (ours, theirs) = compare_runs(
        runs,
        entries,
        |run| {
            let mut put = |entries: &[_]| session.put_tree(entries);
            let fork = guests::fork(&mut put, module, &forks[run]);
            answers.push(value(NAME, &session, fork)?);
            Ok(())
        },
        |run| stock_sums(NAME, &stock, &forks[run]),
    )?;
    let mut expect = Expect::default();
    let requests: Vec<_> = forks
        .iter()
        .map(|pairs| guests::fork(&mut |entries| expect.put(entries), module, pairs))
        .collect();
    let checked = expect.check(NAME, (&node, &session), &before, &requests, &answers)?;
    Ok(Report { checked, ..Report::timed((NAME, "entry"), ours, (STOCK, theirs)) })
}

/// A million additions in one Tree, in a process of its own: that it finishes,
/// and the most memory it takes, with all that is kept of it.
pub(crate) fn fork_1m(options: &Options) -> Result<Report, BenchError> {
    const NAME: &str = "fork_1m";
    let entries = options.size.pick(2_000, 1_000_000);
    let found = child::ask(options, "fork", entries)?;
    let number = |name: &str| found.get(name).and_then(Value::as_f64);
    let per_entry = number("ns").map(|ns| ns / entries as f64);
    let baseline = number("stock_ns")
        .map(|ns| Baseline { name: STOCK, value: Compared::P50Ns(ns / entries as f64) });
    Ok(Report {
        name: NAME,
        per: "entry",
        p50_ns: per_entry,
        per_second: per_entry.map(|ns| 1e9 / ns),
        memory_bytes: found.get("peak_bytes").and_then(Value::as_u64),
        baseline,
        checked: found.get("checked").and_then(Value::as_u64).unwrap_or(0) as usize,
        ..Report::default()
    })
}

/// The child's part of [`fork_1m`].
pub(crate) fn part(options: &Options, entries: u64) -> Result<Value, BenchError> {
    const NAME: &str = "fork_1m";
    let mut random = Random::new(options.seed, NAME);
    let pairs: Vec<_> = (0..entries).map(|_| random.pair()).collect();
    let (node, session) = node()?;
    let module = session.put_blob(ADD);
    let before = Before::of(&node);
    let start = Instant::now();
    let fork = guests::fork(&mut |entries| session.put_tree(entries), module, &pairs);
    let answer = value(NAME, &session, fork)?;
    let time = start.elapsed();
    let peak_bytes = memory::peak_bytes();
    let stock = Stock::new(ADD)?;
    let start = Instant::now();
    stock_sums(NAME, &stock, &pairs)?;
    let stock_time = start.elapsed();
    let mut expect = Expect::default();
    let request = guests::fork(&mut |entries| expect.put(entries), module, &pairs);
    let checked = expect.check(NAME, (&node, &session), &before, &[request], &[answer])?;
    Ok(json!({
        "ns": ns(time),
        "stock_ns": ns(stock_time),
        "peak_bytes": peak_bytes,
        "checked": checked,
    }))
}

fn stock_sums(bench: &'static str, stock: &Stock, pairs: &[(u64, u64)]) -> Result<(), BenchError> {
    for (a, b) in pairs {
        if stock.of_two((*a, *b))? != Some(a.wrapping_add(*b)) {
            return Err(wrong_stock(bench));
        }
    }
    Ok(())
}
