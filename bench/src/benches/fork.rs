//! Trees of many Encodes, evaluated on all workers.

use std::time::Instant;

use serde_json::{Value, json};
use weft_node::{Node, Session};
use weft_object::Handle;

use super::add::{STOCK, wrong_stock};
use super::{node, node_of_one_thread, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, ADD};
use crate::measure::{ns, take_turns};
use crate::random::Random;
use crate::report::{Baseline, Compared, Report, Unit};
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
    let two = Forks::on(node()?);
    let one = Forks::on(node_of_one_thread()?);
    let stock = Stock::new(ADD)?;
    let (mut by_two, mut by_one) = (Vec::new(), Vec::new());
    let [ours, alone, theirs] = take_turns(
        runs,
        entries,
        [
            &mut |run| two.evaluate(NAME, &forks[run], &mut by_two),
            &mut |run| one.evaluate(NAME, &forks[run], &mut by_one),
            &mut |run| stock_sums(NAME, &stock, &forks[run]),
        ],
    )?;
    let checked = two.check(NAME, &forks, &by_two)? + one.check(NAME, &forks, &by_one)?;
    let report = Report::timed((NAME, "entry"), ours, (STOCK, theirs));
    Ok(Report { checked, ..report }
        .and("two threads by one", Unit::Ratio, ours.p50_ns / alone.p50_ns)
        .and("on one thread", Unit::Ns, alone.p50_ns))
}

/// A node that evaluates forks of additions.
struct Forks {
    // Before the node, whose content it holds.
    session: Session,
    node: Node,
    module: Handle,
    before: Before,
}

impl Forks {
    fn on((node, session): (Node, Session)) -> Self {
        let module = session.put_blob(ADD);
        let before = Before::of(&node);
        Self { session, node, module, before }
    }

    fn evaluate(
        &self,
        bench: &'static str,
        pairs: &[(u64, u64)],
        answers: &mut Vec<Handle>,
    ) -> Result<(), BenchError> {
        let mut put = |entries: &[_]| self.session.put_tree(entries);
        let fork = guests::fork(&mut put, self.module, pairs);
        answers.push(value(bench, &self.session, fork)?);
        Ok(())
    }

    fn check(
        &self,
        bench: &'static str,
        forks: &[Vec<(u64, u64)>],
        answers: &[Handle],
    ) -> Result<usize, BenchError> {
        let mut expect = Expect::default();
        let requests: Vec<_> = forks
            .iter()
            .map(|pairs| guests::fork(&mut |entries| expect.put(entries), self.module, pairs))
            .collect();
        expect.check(bench, (&self.node, &self.session), &self.before, &requests, answers)
    }
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
