//! What was found out before is asked for again.

use std::collections::HashMap;

use serde_json::{Value, json};
use weft_object::Handle;

use super::relations::{Adder, CACHE_BYTES, FEW};
use super::{node, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, ADD};
use crate::measure::{Calls, Timing, compare};
use crate::random::Random;
use crate::report::{Baseline, Compared, Report};
use crate::{BenchError, Options, Size, child};

/// By the handle of the Thunk, which the asker has.
pub(crate) fn by_handle(options: &Options) -> Result<Report, BenchError> {
    hits("memo_hit", options, "HashMap lookup", |known, at| {
        known.map.get(&known.requests[at]).copied()
    })
}

/// By handle, among ten million relations.
pub(crate) fn among_ten_million(options: &Options) -> Result<Report, BenchError> {
    let count = options.size.pick_long(2_000, 1_000_000, 10_000_000);
    let found = child::ask(options, "hits", count)?;
    let number = |name: &str| found.get(name).and_then(Value::as_f64);
    Ok(Report {
        name: AMONG,
        per: "call",
        p50_ns: number("many_ns"),
        per_second: number("many_ns").map(|ns| 1e9 / ns),
        baseline: number("few_ns").map(|ns| Baseline {
            name: "the same with 10,000 relations",
            value: Compared::P50Ns(ns),
        }),
        checked: found.get("checked").and_then(Value::as_u64).unwrap_or(0) as usize,
        ..Report::default()
    })
}

const AMONG: &str = "memo_hit_10m";

/// The child's part of that: so many relations, and hits that come from all over
/// them.
pub(crate) fn part(options: &Options, count: u64) -> Result<Value, BenchError> {
    // More than any cache of a processor holds.
    const ASKED_MAX: u64 = 1 << 20;
    let calls = match options.size {
        Size::Tiny => Calls { singles: 0, ..Calls::of(Size::Tiny) },
        Size::Full | Size::Long => Calls { warm_up: 100, batches: 4000, singles: 0 },
    };
    let mut many = Adder::new(options, AMONG, CACHE_BYTES)?;
    let mut few = Adder::new(options, "memo_hit_few", CACHE_BYTES)?;
    let of_many = asked(&mut many, count, count.div_ceil(ASKED_MAX))?;
    let of_few = asked(&mut few, FEW.min(count / 2), 1)?;
    let mut random = Random::new(options.seed, "memo_hit_order");
    let mut order = |asked: &[(Handle, Handle)]| -> Vec<(Handle, Handle)> {
        let mut any = || asked[random.below(asked.len() as u64) as usize];
        (0..calls.count()).map(|_| any()).collect()
    };
    let (of_many, of_few) = (order(&of_many), order(&of_few));
    let hit = |adder: &Adder, (request, answer): (Handle, Handle)| match value(
        AMONG,
        &adder.session,
        request,
    )? == answer
    {
        true => Ok(()),
        false => {
            let detail = "another answer than before".into();
            Err(BenchError::Wrong { bench: AMONG, detail })
        }
    };
    let (ours, theirs) = compare(calls, |at| hit(&many, of_many[at]), |at| hit(&few, of_few[at]))?;
    // That no more ran than was added is what makes the calls hits.
    let checked = many.check(if options.size == Size::Tiny { 1 } else { 97 })? + few.check(1)?;
    Ok(json!({ "many_ns": ours.p50_ns, "few_ns": theirs.p50_ns, "checked": checked }))
}

/// Has so many numbers added; each so manieth request with its answer.
fn asked(adder: &mut Adder, count: u64, every: u64) -> Result<Vec<(Handle, Handle)>, BenchError> {
    let mut asked = Vec::with_capacity((count / every) as usize + 1);
    for at in 0..count {
        let call = adder.add()?;
        if at % every == 0 {
            asked.push(call);
        }
    }
    Ok(asked)
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
