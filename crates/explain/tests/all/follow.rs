//! A computation followed is the one that ran.

use std::collections::BTreeSet;

use weft_eval::Outcome;
use weft_explain::{Calls, KEYS_MAX, Open, Role, follow};
use weft_object::Handle;
use weft_sim::generate::case;
use weft_sim::oracle::with_deep_stack;

use crate::world::{World, record};

/// What the reference ran for a request is what following finds, and it comes to
/// the same, for successes and for failures.
#[test]
fn following_finds_what_ran() {
    with_deep_stack(|| {
        let mut followed_some = 0;
        for seed in 0..600 {
            let case = case(seed);
            for request in &case.requests {
                let (world, outcomes, ran) = record(case.world.clone(), &[*request]);
                if matches!(outcomes[0], Outcome::NoAnswer(_)) {
                    continue;
                }
                let followed = follow(&world, *request, KEYS_MAX).unwrap();
                let Some(root) = followed.root else { continue };
                let found = followed.looked[root].outcome.clone();
                let cycle = matches!(&outcomes[0], Outcome::Failure(failure)
                    if failure.kind == weft_eval::FailureKind::Cycle);
                if cycle {
                    // Nothing that needs itself is known by looking.
                    assert!(found.is_none() || found.as_ref() == Some(&outcomes[0]));
                    continue;
                }
                assert_eq!(found.as_ref(), Some(&outcomes[0]), "seed {seed}");
                let calls = Calls::of(&followed, &world);
                let set: BTreeSet<Handle> = calls.calls.iter().map(|call| call.key).collect();
                assert_eq!(set.len(), calls.calls.len());
                if outcomes[0].value().is_some() {
                    assert_eq!(set, ran.iter().copied().collect(), "seed {seed}");
                    assert_eq!(calls.unknown, 0);
                    followed_some += usize::from(!set.is_empty());
                }
            }
        }
        assert!(followed_some > 300, "{followed_some}");
    });
}

/// `fib(3)`, as the codelet does it: a tail call of a sum of two strict ones.
#[test]
fn what_a_call_needs_is_told_by_role() {
    let world = World::default();
    let (fib, add) = (world.blob([b'f'; 40]), world.blob([b'a'; 40]));
    let number = Handle::of_u64;
    let fib_of = |n| world.apply(fib, &[add, number(n)]);
    for n in [0, 1] {
        world.relate(fib_of(n), number(n), 10);
    }
    let mut values = vec![0, 1];
    for n in 2..=3 {
        let of = [n - 1, n - 2].map(|n| fib_of(n).strict().unwrap());
        world.relate(fib_of(n), world.apply(add, &of), 10);
        let [a, b] = [values[n as usize - 1], values[n as usize - 2]];
        world.relate(world.apply(add, &[number(a), number(b)]), number(a + b), 5);
        values.push(a + b);
    }
    let followed = follow(&world, fib_of(3), KEYS_MAX).unwrap();
    let calls = Calls::of(&followed, &world);
    assert_eq!(calls.calls.len(), 4 + 2);
    let [result] = calls.results[..] else { panic!("{:?}", calls.results) };
    let sum = &calls.calls[result];
    let sum_key = world.apply(add, &[number(1), number(1)]).definition().unwrap();
    assert_eq!((sum.key, sum.run_ns()), (sum_key, Some(5)));
    let needs: Vec<(Role, Handle)> =
        sum.needs.iter().map(|need| (need.role, calls.calls[need.call].key)).collect();
    let sum_of_two = world.apply(add, &[number(1), number(0)]).definition().unwrap();
    let key = |n| fib_of(n).definition().unwrap();
    let expected = [(Role::Caller, key(3)), (Role::Entry(2), sum_of_two), (Role::Entry(3), key(1))];
    assert_eq!(needs, expected);
}

/// An application that nobody kept is said to be unknown, and the answer that was
/// kept for the whole is the outcome all the same.
#[test]
fn what_was_not_kept_is_open() {
    let world = World::default();
    let f = world.blob([b'f'; 40]);
    let inner = world.apply(f, &[Handle::of_u64(1)]);
    let outer = world.apply(f, &[inner.strict().unwrap()]);
    let followed = follow(&world, outer, KEYS_MAX).unwrap();
    let root = &followed.looked[followed.root.unwrap()];
    assert_eq!((root.outcome.clone(), root.open), (None, Some(Open::Below)));
    let calls = Calls::of(&followed, &world);
    assert_eq!((calls.calls.len(), calls.unknown), (1, 1));
    world.relate(outer.strict().unwrap(), Handle::of_u64(9), 0);
    let followed = follow(&world, outer, KEYS_MAX).unwrap();
    let root = &followed.looked[followed.root.unwrap()];
    assert_eq!(root.outcome, Some(Outcome::Value(Handle::of_u64(9))));
    assert_eq!(root.open, Some(Open::Below));
}

#[test]
fn a_bound_cuts_and_says_so() {
    let world = World::default();
    let f = world.blob([b'f'; 40]);
    let many: Vec<Handle> = (0..100)
        .map(|n| {
            let thunk = world.apply(f, &[Handle::of_u64(n)]);
            world.relate(thunk, Handle::of_u64(n), 1);
            thunk.strict().unwrap()
        })
        .collect();
    let request = world.tree(&many);
    let whole = Calls::of(&follow(&world, request, KEYS_MAX).unwrap(), &world);
    assert_eq!((whole.calls.len(), whole.results.len(), whole.cut), (100, 100, false));
    let part = Calls::of(&follow(&world, request, 50).unwrap(), &world);
    assert!(part.cut && part.calls.len() < 100);
}

/// Each the argument of the next: nothing here recurses.
#[test]
fn depth_costs_no_stack() {
    let world = World::default();
    let f = world.blob([b'f'; 40]);
    let number = Handle::of_u64;
    let mut request = world.apply(f, &[number(0)]);
    world.relate(request, number(1), 1);
    for n in 1..20_000 {
        request = world.apply(f, &[request.strict().unwrap()]);
        world.relate(world.apply(f, &[number(n)]), number(n + 1), 1);
    }
    let followed = follow(&world, request, KEYS_MAX).unwrap();
    let outcome = followed.looked[followed.root.unwrap()].outcome.clone();
    assert_eq!(outcome, Some(Outcome::Value(number(20_000))));
    let calls = Calls::of(&followed, &world);
    assert_eq!((calls.calls.len(), calls.unknown, calls.cut), (20_000, 0, false));
    let names = weft_explain::Names::default();
    let drawing = weft_explain::graph::Drawing::of(&calls, &world, &names, &Default::default());
    assert_eq!(drawing.total.critical_ns, 20_000);
    assert!(weft_explain::graph::svg(&drawing).len() < 200_000);
}
