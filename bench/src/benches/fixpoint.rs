//! Modules for the interface of Fixpoint beside the same for ours, on the same
//! numbers, which nobody has seen.

use weft_object::Handle;

use super::{node, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, ADD, BLOB, FIB, FIB_OF, FIXPOINT_ADD, FIXPOINT_BLOB, FIXPOINT_FIB, Put};
use crate::measure::{Calls, compare};
use crate::random::Random;
use crate::report::Report;
use crate::{BenchError, Options};

const OURS: &str = "the same by weft_1";

/// Builds a request for a function, with the addition that goes with it.
type Request = fn(Put<'_>, function: Handle, add: Handle, (u64, u64)) -> Handle;

pub(crate) fn add(options: &Options) -> Result<Report, BenchError> {
    let request: Request = |put, function, _, pair| guests::of_two(put, function, pair);
    beside(options, ("fixpoint_add", "call"), [FIXPOINT_ADD, ADD], request)
}

pub(crate) fn blob(options: &Options) -> Result<Report, BenchError> {
    let request: Request = |put, function, _, pair| guests::of_two(put, function, pair);
    beside(options, ("fixpoint_blob", "call"), [FIXPOINT_BLOB, BLOB], request)
}

pub(crate) fn fib(options: &Options) -> Result<Report, BenchError> {
    let request: Request =
        |put, function, add, (salt, _)| guests::fib(put, function, (FIB_OF, salt), add);
    beside(options, ("fixpoint_fib", "request"), [FIXPOINT_FIB, FIB], request)
}

fn beside(
    options: &Options,
    (name, per): (&'static str, &'static str),
    modules: [&'static [u8]; 2],
    request: Request,
) -> Result<Report, BenchError> {
    let calls = Calls::of(options.size);
    let mut random = Random::new(options.seed, name);
    let pairs: Vec<_> = (0..calls.count()).map(|_| random.pair()).collect();
    let (node, session) = node()?;
    let functions = modules.map(|module| session.put_blob(module));
    let adds = [FIXPOINT_ADD, ADD].map(|module| session.put_blob(module));
    let before = Before::of(&node);
    let mut answers = [Vec::with_capacity(pairs.len()), Vec::with_capacity(pairs.len())];
    let [fixpoint_answers, our_answers] = &mut answers;
    let ask = |which: usize, at: usize| {
        let mut put = |entries: &[Handle]| session.put_tree(entries);
        value(name, &session, request(&mut put, functions[which], adds[which], pairs[at]))
    };
    let (fixpoint, ours) = compare(
        calls,
        |at| {
            fixpoint_answers.push(ask(0, at)?);
            Ok(())
        },
        |at| {
            our_answers.push(ask(1, at)?);
            Ok(())
        },
    )?;
    let mut expect = Expect::default();
    let mut requests = Vec::with_capacity(2 * pairs.len());
    for which in [0, 1] {
        let mut put = |entries: &[Handle]| expect.put(entries);
        let request = |pair: &(u64, u64)| request(&mut put, functions[which], adds[which], *pair);
        requests.extend(pairs.iter().map(request));
    }
    let checked = expect.check(name, (&node, &session), &before, &requests, &answers.concat())?;
    Ok(Report { checked, ..Report::timed((name, per), fixpoint, (OURS, ours)) })
}
