//! What a second thread is worth, by how much work there is for it and by
//! whether it is awake.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use weft_node::{Node, Session};
use weft_object::Handle;

use super::{node, node_of_one_thread, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, SPIN};
use crate::measure::{Timing, ns};
use crate::random::Random;
use crate::report::{Report, Unit};
use crate::{BenchError, Options};

/// How much work each of the two entries is, in microseconds, and what a report
/// calls it.
type Work = (u32, &'static str);

/// Forks of two, one right after the other, so that the helper has just worked.
/// The times are of the least work.
pub(crate) fn spinning(options: &Options) -> Result<Report, BenchError> {
    const NAME: &str = "fork_2_spinning";
    const WORKS: [Work; 6] = [
        (10, "at 10 us"),
        (20, "at 20 us"),
        (50, "at 50 us"),
        (100, "at 100 us"),
        (200, "at 200 us"),
        (1000, "at 1000 us"),
    ];
    // The first ones of a block wake the helper.
    let block = Block { first: 3, counted: options.size.pick(2, 10), pause: Duration::ZERO };
    let (found, checked) = measure(options, NAME, &WORKS, block)?;
    Ok(report(NAME, &found, 10, checked).and(
        "two threads by one from 10 us",
        Unit::Ratio,
        worst(&found, 10),
    ))
}

/// Forks of two after a pause in which the helper has gone to sleep. The times
/// are of 200 microseconds of work.
pub(crate) fn parked(options: &Options) -> Result<Report, BenchError> {
    const NAME: &str = "fork_2_parked";
    const WORKS: [Work; 8] = [
        (1, "at 1 us"),
        (5, "at 5 us"),
        (10, "at 10 us"),
        (20, "at 20 us"),
        (50, "at 50 us"),
        (100, "at 100 us"),
        (200, "at 200 us"),
        (1000, "at 1000 us"),
    ];
    // Many times as long as a helper looks for work.
    let pause = Duration::from_micros(500);
    let block = Block { first: 0, counted: options.size.pick(2, 10), pause };
    let (found, checked) = measure(options, NAME, &WORKS, block)?;
    Ok(report(NAME, &found, 200, checked)
        .and("two threads by one at any work", Unit::Ratio, worst(&found, 0))
        .and("two threads by one from 200 us", Unit::Ratio, worst(&found, 200)))
}

/// What two threads and one take for some work.
struct Found {
    work: Work,
    two: Timing,
    one: Timing,
}

impl Found {
    fn ratio(&self) -> f64 {
        self.two.p50_ns / self.one.p50_ns
    }
}

/// Two threads by one, of all who have so much work.
fn worst(found: &[Found], from_us: u32) -> f64 {
    found.iter().filter(|found| found.work.0 >= from_us).map(Found::ratio).fold(0.0, f64::max)
}

fn report(name: &'static str, found: &[Found], shown_us: u32, checked: usize) -> Report {
    let mut report = Report { name, ..Report::default() };
    if let Some(shown) = found.iter().find(|found| found.work.0 == shown_us) {
        report = Report::timed((name, "fork"), shown.two, ("the same on one thread", shown.one));
    }
    for found in found {
        report = report.and(found.work.1, Unit::Ratio, found.ratio());
    }
    Report { checked, ..report }
}

/// Forks that are asked for in a row.
#[derive(Clone, Copy)]
struct Block {
    /// So many that do not count.
    first: usize,
    counted: usize,
    /// Before each.
    pause: Duration,
}

fn measure(
    options: &Options,
    name: &'static str,
    works: &[Work],
    block: Block,
) -> Result<(Vec<Found>, usize), BenchError> {
    let blocks = options.size.pick(1, 25);
    let mut random = Random::new(options.seed, name);
    let mut two = Spins::on(name, node()?);
    let mut one = Spins::on(name, node_of_one_thread()?);
    // Not less than it is where nothing comes between.
    let mut turn_ns = f64::INFINITY;
    for _ in 0..5 {
        const TURNS: u64 = 100_000;
        let both = [(TURNS, random.next()), (TURNS, random.next())];
        let time: f64 = one.forks(&[both], Duration::ZERO)?.iter().sum();
        turn_ns = turn_ns.min(time / (2 * TURNS) as f64);
    }
    let mut found = Vec::new();
    for work in works {
        let turns = (f64::from(work.0) * 1000.0 / turn_ns) as u64;
        let (mut by_two, mut by_one) = (Vec::new(), Vec::new());
        for _ in 0..blocks {
            for (spins, times) in [(&mut two, &mut by_two), (&mut one, &mut by_one)] {
                times.extend(spins.block(turns, block, &mut random)?);
            }
        }
        found.push(Found { work: *work, two: Timing::of(by_two), one: Timing::of(by_one) });
    }
    let checked = two.check()? + one.check()?;
    Ok((found, checked))
}

/// The arguments of both entries of a fork.
type Both = [(u64, u64); 2];

/// A node that evaluates forks of two.
struct Spins {
    name: &'static str,
    // Before the node, whose content it holds.
    session: Session,
    node: Node,
    module: Handle,
    before: Before,
    asked: Vec<Both>,
    answers: Vec<Handle>,
}

impl Spins {
    fn on(name: &'static str, (node, session): (Node, Session)) -> Self {
        let module = session.put_blob(SPIN);
        let before = Before::of(&node);
        Self { name, session, node, module, before, asked: Vec::new(), answers: Vec::new() }
    }

    /// How long each fork of a block took that counts.
    fn block(
        &mut self,
        turns: u64,
        block: Block,
        random: &mut Random,
    ) -> Result<Vec<f64>, BenchError> {
        let mut new = || [(turns, random.next()), (turns, random.next())];
        let forks: Vec<Both> = (0..block.first + block.counted).map(|_| new()).collect();
        let times = self.forks(&forks, block.pause)?;
        Ok(times[block.first..].to_vec())
    }

    /// How long each fork took. They are built and named before.
    fn forks(&mut self, forks: &[Both], pause: Duration) -> Result<Vec<f64>, BenchError> {
        let mut put = |entries: &[_]| self.session.put_tree(entries);
        let requests: Vec<_> =
            forks.iter().map(|both| request(&mut put, self.module, both)).collect();
        let mut times = Vec::with_capacity(forks.len());
        for request in requests {
            let start = Instant::now();
            // Whoever asks stays awake.
            while start.elapsed() < pause {
                spin_loop();
            }
            let start = Instant::now();
            let answer = value(self.name, &self.session, request)?;
            times.push(ns(start.elapsed()));
            self.answers.push(answer);
        }
        self.asked.extend_from_slice(forks);
        Ok(times)
    }

    fn check(&self) -> Result<usize, BenchError> {
        let mut expect = Expect::default();
        let mut put = |entries: &[_]| expect.put(entries);
        let requests: Vec<_> =
            self.asked.iter().map(|both| request(&mut put, self.module, both)).collect();
        let node = (&self.node, &self.session);
        expect.check(self.name, node, &self.before, &requests, &self.answers)
    }
}

fn request(put: guests::Put<'_>, module: Handle, both: &Both) -> Handle {
    let thunks = both.map(|pair| guests::of_two(&mut *put, module, pair));
    guests::both(put, thunks)
}
