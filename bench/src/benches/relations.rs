//! What is found out, times ten million, in memory.

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weft_node::{Config, Node, Session};
use weft_object::Handle;

use super::{WORKERS, value};
use crate::expect::check_relation;
use crate::guests::{self, ADD};
use crate::measure::{Calls, compare};
use crate::random::Random;
use crate::report::{Baseline, Compared, Report, Unit};
use crate::stall::Stalls;
use crate::{BenchError, Options, Size, child, memory};

const NAME: &str = "relations_10m";

/// Half of it is for relations and what they keep; they begin to be shed past
/// that. The other half is for garbage until it is collected, of which there is
/// none here.
pub(super) const CACHE_BYTES: u64 = 8 << 30;

/// How many relations there are where a call is taken to cost what it costs.
pub(super) const FEW: u64 = 10_000;

/// What a process takes for each relation with its Tree, what a call costs
/// when there are so many beside when there are ten thousand, and the longest
/// that one has taken on the way.
pub(crate) fn relations_10m(options: &Options) -> Result<Report, BenchError> {
    let count = options.size.pick_long(2_000, 1_000_000, 10_000_000);
    let found = child::ask(options, "relations", count)?;
    let number = |name: &str| found.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let (many, few) = (number("many_ns"), number("few_ns"));
    let report = Report {
        name: NAME,
        per: "call",
        p50_ns: Some(many),
        per_second: Some(1e9 / many),
        memory_bytes: found.get("resident_bytes").and_then(Value::as_u64),
        baseline: Some(Baseline {
            name: "the same with 10,000 relations",
            value: Compared::P50Ns(few),
        }),
        checked: found.get("checked").and_then(Value::as_u64).unwrap_or(0) as usize,
        ..Report::default()
    };
    Ok(report
        .and("a relation", Unit::Bytes, number("each_bytes"))
        .and("above the baseline", Unit::Ns, (many - few).max(0.0))
        .and("longest call", Unit::Ns, number("stall_ns"))
        .and("longest gap in a loop that does nothing", Unit::Ns, number("machine_stall_ns"))
        .and("longest in one that only takes memory", Unit::Ns, number("memory_stall_ns")))
}

/// What this machine does to a thread that takes as much memory, page by page,
/// and writes a word to each: where the machine is virtual, its host may have
/// to find them first.
fn memory_stall_ns(bytes: u64) -> u64 {
    const PAGE: usize = 4096;
    // As much as there is of small pieces, without the allocator's own work.
    let mut pages: Vec<Vec<u8>> = Vec::with_capacity((bytes / PAGE as u64) as usize);
    let mut stalls = Stalls::begin();
    for _ in 0..pages.capacity() {
        let mut page = Vec::with_capacity(PAGE);
        page.push(1);
        pages.push(black_box(page));
        stalls.step();
    }
    stalls.longest_ns()
}

/// A node that adds numbers which nobody has seen, one pair after the other.
pub(super) struct Adder {
    // Before the node, whose content it holds.
    pub(super) session: Session,
    node: Node,
    module: Handle,
    random: Random,
    seed: u64,
    name: &'static str,
    calls: u64,
}

impl Adder {
    pub(super) fn new(
        options: &Options,
        name: &'static str,
        cache_bytes: u64,
    ) -> Result<Self, BenchError> {
        let node = Node::start(Config {
            workers: WORKERS,
            relation_cache_bytes: cache_bytes,
            ..Config::default()
        })?;
        let session = node.session();
        let module = session.put_blob(ADD);
        let random = Random::new(options.seed, name);
        Ok(Self { session, node, module, random, seed: options.seed, name, calls: 0 })
    }

    fn call(&mut self) -> Result<(), BenchError> {
        self.add().map(drop)
    }

    /// What was asked, and the answer.
    pub(super) fn add(&mut self) -> Result<(Handle, Handle), BenchError> {
        let (a, b) = self.random.pair();
        let mut put = |entries: &[_]| self.session.put_tree(entries);
        let request = guests::of_two(&mut put, self.module, (a, b));
        self.calls += 1;
        let answer = value(self.name, &self.session, request)?;
        match answer == Handle::of_u64(a.wrapping_add(b)) {
            true => Ok((request, answer)),
            false => Err(BenchError::Wrong { bench: self.name, detail: format!("{a} + {b}") }),
        }
    }

    /// Looks every so many relations up; how many that were.
    pub(super) fn check(&self, every: u64) -> Result<usize, BenchError> {
        let wrong = |detail: String| Err(BenchError::Wrong { bench: self.name, detail });
        let applied = self.node.stat().applied;
        if applied != self.calls {
            return wrong(format!("{applied} functions ran instead of {}", self.calls));
        }
        let mut random = Random::new(self.seed, self.name);
        let mut checked = 0;
        for call in 0..self.calls {
            let (a, b) = random.pair();
            if call % every == 0 {
                let [a_blob, b_blob] = [a, b].map(Handle::of_u64);
                let tree = Handle::of_tree(&[Handle::EMPTY, self.module, a_blob, b_blob]);
                check_relation(self.name, &self.session, tree, Handle::of_u64(a.wrapping_add(b)))?;
                checked += 1;
            }
        }
        Ok(checked)
    }
}

/// The child's part: so many relations, and a little more to time calls.
pub(crate) fn part(options: &Options, count: u64) -> Result<Value, BenchError> {
    let few = FEW.min(count / 2);
    let mut many = Adder::new(options, NAME, CACHE_BYTES)?;
    for _ in 0..few {
        many.call()?;
    }
    let before = memory::resident_bytes().unwrap_or(0);
    let mut stalls = Stalls::begin();
    let mut machine = Stalls::begin();
    for call in few..count {
        many.call()?;
        stalls.step();
        // Now and then, what this machine does to a thread that asks nothing.
        if call % 100_000 == 0 {
            machine.again();
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(20) {
                machine.step();
            }
            stalls.again();
        }
    }
    let after = memory::resident_bytes().unwrap_or(0);
    let each_bytes = after.saturating_sub(before) as f64 / (count - few) as f64;
    let memory_stall_ns = memory_stall_ns(after.saturating_sub(before));
    let mut fresh = Adder::new(options, "relations_few", CACHE_BYTES)?;
    for _ in 0..few {
        fresh.call()?;
    }
    // Few enough that the few stay few.
    let calls = Calls { warm_up: 10, batches: 100, singles: 0 };
    let calls = if options.size == Size::Tiny { Calls::of(Size::Tiny) } else { calls };
    let (ours, theirs) = compare(calls, |_| many.call(), |_| fresh.call())?;
    let checked = many.check(if options.size == Size::Tiny { 1 } else { 97 })?;
    Ok(json!({
        "each_bytes": each_bytes,
        "resident_bytes": after,
        "many_ns": ours.p50_ns,
        "few_ns": theirs.p50_ns,
        "stall_ns": stalls.longest_ns(),
        "machine_stall_ns": machine.longest_ns(),
        "memory_stall_ns": memory_stall_ns,
        "checked": checked,
    }))
}
