//! Small functions with arguments that nobody has seen, on the asking thread.

use super::{node, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, ADD, ADD_MEMORY};
use crate::measure::{Calls, compare};
use crate::random::Random;
use crate::report::Report;
use crate::stock::Stock;
use crate::{BenchError, Options, native, spawn};

pub(crate) const STOCK: &str = "fresh stock wasmtime instance";

pub(crate) fn add(options: &Options) -> Result<Report, BenchError> {
    let sum = |(a, b): (u64, u64)| a.wrapping_add(b);
    let report = of_two(options, "add", ADD, sum)?;
    spawn::and_a_process(report, options)
}

/// The same with a function that writes 4 KiB of its memory.
pub(crate) fn add_memory(options: &Options) -> Result<Report, BenchError> {
    of_two(options, "add_memory", ADD_MEMORY, |(a, b)| native::add_memory(a, b))
}

fn of_two(
    options: &Options,
    name: &'static str,
    module: &'static [u8],
    native: fn((u64, u64)) -> u64,
) -> Result<Report, BenchError> {
    let calls = Calls::of(options.size);
    let mut random = Random::new(options.seed, name);
    let pairs: Vec<_> = (0..calls.count()).map(|_| random.pair()).collect();
    let (node, session) = node()?;
    let stock = Stock::new(module)?;
    let module = session.put_blob(module);
    let before = Before::of(&node);
    let mut answers = Vec::with_capacity(pairs.len());
    let (ours, theirs) = compare(
        calls,
        |at| {
            let sum = guests::of_two(&mut |entries| session.put_tree(entries), module, pairs[at]);
            answers.push(value(name, &session, sum)?);
            Ok(())
        },
        |at| match stock.of_two(pairs[at])? == Some(native(pairs[at])) {
            true => Ok(()),
            false => Err(wrong_stock(name)),
        },
    )?;
    let mut expect = Expect::default();
    let requests: Vec<_> = pairs
        .iter()
        .map(|pair| guests::of_two(&mut |entries| expect.put(entries), module, *pair))
        .collect();
    let checked = expect.check(name, (&node, &session), &before, &requests, &answers)?;
    Ok(Report { checked, ..Report::timed((name, "call"), ours, (STOCK, theirs)) })
}

/// 500 additions, each an argument of the next: the innermost runs first, and
/// whoever needs it waits without a thread.
pub(crate) fn chain_500(options: &Options) -> Result<Report, BenchError> {
    const NAME: &str = "chain_500";
    let length = options.size.pick(20, 500);
    let calls = options.size.pick(
        Calls { warm_up: 0, batches: 0, singles: 2 },
        Calls { warm_up: 0, batches: 5, singles: 300 },
    );
    // Where there are batches, the median is theirs.
    let calls = if calls.batches == 0 { Calls { batches: 1, ..calls } } else { calls };
    let mut random = Random::new(options.seed, NAME);
    let chains: Vec<(u64, Vec<u64>)> = (0..calls.count())
        .map(|_| (random.next(), (0..length).map(|_| random.next()).collect()))
        .collect();
    let (node, session) = node()?;
    let module = session.put_blob(ADD);
    let stock = Stock::new(ADD)?;
    let before = Before::of(&node);
    let mut answers = Vec::with_capacity(chains.len());
    let (ours, theirs) = compare(
        calls,
        |at| {
            let (first, more) = &chains[at];
            let sum = guests::chain(&mut |entries| session.put_tree(entries), module, *first, more);
            answers.push(value(NAME, &session, sum)?);
            Ok(())
        },
        |at| {
            let (first, more) = &chains[at];
            let mut sum = *first;
            for number in more {
                sum = stock.of_two((sum, *number))?.ok_or_else(|| wrong_stock(NAME))?;
            }
            Ok(())
        },
    )?;
    let mut expect = Expect::default();
    let requests: Vec<_> = chains
        .iter()
        .map(|(first, more)| {
            guests::chain(&mut |entries| expect.put(entries), module, *first, more)
        })
        .collect();
    let checked = expect.check(NAME, (&node, &session), &before, &requests, &answers)?;
    Ok(Report { checked, ..Report::timed((NAME, "chain"), ours, (STOCK, theirs)) })
}

pub(crate) fn wrong_stock(bench: &'static str) -> BenchError {
    BenchError::Wrong { bench, detail: "plain wasmtime comes to something else".to_owned() }
}
