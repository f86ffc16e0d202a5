//! What comes before what, and the longest chain.

use std::collections::HashSet;

use super::Order;
use crate::{CallId, Calls};

/// Depth first from the results, without recursion: a chain may be as long as
/// there are calls.
pub(super) fn order(calls: &Calls) -> Order {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let count = calls.calls.len();
    let mut states = vec![State::New; count];
    let mut out = Order { order: Vec::new(), depth: vec![0; count], back: HashSet::new() };
    let roots = calls.results.iter().copied().chain(0..count);
    for root in roots {
        if states[root] != State::New {
            continue;
        }
        states[root] = State::Open;
        let mut way = vec![(root, 0)];
        while let Some((call, next)) = way.last_mut() {
            let (call, at) = (*call, *next);
            *next += 1;
            let Some(need) = calls.calls[call].needs.get(at) else {
                let needs = calls.calls[call].needs.iter();
                let below = needs.filter(|need| !out.back.contains(&(call, need.call)));
                let depth = below.map(|need| out.depth[need.call] + 1).max().unwrap_or(0);
                out.depth[call] = depth;
                out.order.push(call);
                states[call] = State::Done;
                way.pop();
                continue;
            };
            match states[need.call] {
                State::Done => {}
                State::Open => drop(out.back.insert((call, need.call))),
                State::New => {
                    states[need.call] = State::Open;
                    way.push((need.call, 0));
                }
            }
        }
    }
    out
}

/// The chain of calls, each needing the one before, that ran longest in sum.
pub(super) fn critical(calls: &Calls, order: &Order) -> Vec<CallId> {
    let mut best: Vec<(u64, Option<CallId>)> = vec![(0, None); calls.calls.len()];
    let mut last: Option<CallId> = None;
    for &call in &order.order {
        let needs = calls.calls[call].needs.iter().map(|need| need.call);
        let before = needs
            .filter(|need| !order.back.contains(&(call, *need)))
            .max_by_key(|need| (best[*need].0, std::cmp::Reverse(*need)));
        let run_ns = calls.calls[call].run_ns().unwrap_or(0);
        best[call] = (before.map_or(0, |before| best[before].0).saturating_add(run_ns), before);
        if last.is_none_or(|last| best[call].0 > best[last].0) {
            last = Some(call);
        }
    }
    let mut chain = Vec::new();
    while let Some(call) = last {
        chain.push(call);
        last = best[call].1;
    }
    chain.reverse();
    chain
}
