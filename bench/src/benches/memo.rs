//! What was found out before is asked for again.

use std::collections::HashMap;

use weft_object::Handle;

use super::{node, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, ADD};
use crate::measure::{Calls, Timing, compare};
use crate::random::Random;
use crate::report::Report;
use crate::{BenchError, Options, Size};

/// By the handle of the Thunk, which the asker has.
pub(crate) fn by_handle(options: &Options) -> Result<Report, BenchError> {
    hits("memo_hit", options, "HashMap lookup", |known, at| {
        known.map.get(&known.requests[at]).copied()
    })
}

/// By the arguments: the Tree is built and named first.
pub(crate) fn named(options: &Options) -> Result<Report, BenchError> {
    hits("memo_hit_named", options, "BLAKE3 of the same bytes", |known, at| {
        let (a, b) = known.pairs[at];
        known.bytes[64..72].copy_from_slice(&a.to_le_bytes());
        known.bytes[96..104].copy_from_slice(&b.to_le_bytes());
        std::hint::black_box(blake3::hash(&known.bytes));
        Some(known.answers[at])
    })
}

/// What is known before anything is measured.
struct Known {
    pairs: Vec<(u64, u64)>,
    requests: Vec<Handle>,
    answers: Vec<Handle>,
    map: HashMap<Handle, Handle>,
    bytes: [u8; 128],
}

fn hits(
    name: &'static str,
    options: &Options,
    baseline: &'static str,
    mut theirs: impl FnMut(&mut Known, usize) -> Option<Handle>,
) -> Result<Report, BenchError> {
    let relations = options.size.pick(100, 10_000);
    let calls = match options.size {
        Size::Tiny => Calls::of(options.size),
        Size::Full | Size::Long => Calls { batches: 4000, ..Calls::of(options.size) },
    };
    let mut random = Random::new(options.seed, name);
    let pairs: Vec<_> = (0..relations).map(|_| random.pair()).collect();
    let order: Vec<usize> =
        (0..calls.count()).map(|_| random.below(relations as u64) as usize).collect();
    let (node, session) = node()?;
    let module = session.put_blob(ADD);
    let before = Before::of(&node);
    let mut put = |entries: &[Handle]| session.put_tree(entries);
    let requests: Vec<_> =
        pairs.iter().map(|pair| guests::of_two(&mut put, module, *pair)).collect();
    let answers = requests
        .iter()
        .map(|request| value(name, &session, *request))
        .collect::<Result<Vec<_>, _>>()?;
    let map = requests.iter().copied().zip(answers.iter().copied()).collect();
    let mut known = Known { pairs, requests, answers, map, bytes: [0; 128] };
    let Known { pairs, requests, answers, .. } = &known;
    let (pairs, requests, answers) = (pairs.clone(), requests.clone(), answers.clone());
    let by_name = name == "memo_hit_named";
    let wrong = || BenchError::Wrong { bench: name, detail: "another answer than before".into() };
    let (ours, theirs): (Timing, Timing) = compare(
        calls,
        |at| {
            let at = order[at];
            let request = match by_name {
                true => guests::of_two(&mut put, module, pairs[at]),
                false => requests[at],
            };
            match value(name, &session, request)? == answers[at] {
                true => Ok(()),
                false => Err(wrong()),
            }
        },
        |at| {
            let at = order[at];
            match theirs(&mut known, at) == Some(answers[at]) {
                true => Ok(()),
                false => Err(wrong()),
            }
        },
    )?;
    let mut expect = Expect::default();
    let asked: Vec<_> = pairs
        .iter()
        .map(|pair| guests::of_two(&mut |entries| expect.put(entries), module, *pair))
        .collect();
    // That no more ran than these is what makes the calls hits.
    let checked = expect.check(name, (&node, &session), &before, &asked, &answers)?;
    Ok(Report { checked, ..Report::timed((name, "call"), ours, (baseline, theirs)) })
}
