use weft_eval::Policy;
use weft_node::Config;
use weft_object::Handle;

use crate::guests::{add, apply, node, ran, spin, start, strict};

#[test]
fn what_many_want_at_once_runs_once() {
    let node = node();
    let session = node.session();
    let watch = node.watch();
    let slow = apply(&session, spin(&session), &[Handle::of_u64(30_000_000)]);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let answer = session.evaluate(slow);
                assert_eq!(answer.value(), Some(Handle::of_u64(30_000_000)));
            });
        }
    });
    assert_eq!(ran(&watch), [slow.definition().unwrap()]);
}

#[test]
fn early_cut_off_joins_computations_that_come_to_the_same_arguments() {
    let node = node();
    let session = node.session();
    let add = add(&session);
    let n = Handle::of_u64;
    let three = strict(&session, add, &[n(1), n(2)]);
    let also_three = strict(&session, add, &[n(3), n(0)]);
    let watch = node.watch();
    let _ = session.evaluate(apply(&session, add, &[three, n(10)]));
    let _ = session.evaluate(apply(&session, add, &[also_three, n(10)]));
    // The sum of three and ten was asked for twice and ran once.
    assert_eq!(ran(&watch).len(), 3);
}

#[test]
fn a_fork_of_many_runs_on_all_threads_and_each_once() {
    for policy in [Policy::graph_only(), Policy::default()] {
        let node = start(Config { policy, ..Config::default() });
        let session = node.session();
        let add = add(&session);
        let fork: Vec<Handle> = (0..20_000)
            .map(|n| strict(&session, add, &[Handle::of_u64(n), Handle::of_u64(1)]))
            .collect();
        let fork = session.put_tree(&fork);
        let value = session.evaluate(fork).value().unwrap();
        let content = session.content(value).unwrap().unwrap();
        let sums = content.tree().unwrap().entries();
        assert_eq!(sums.len(), 20_000);
        assert!(sums.iter().zip(1..).all(|(sum, n)| sum.literal_u64() == Some(n)));
        assert_eq!(node.stat().applied, 20_000);
    }
}

#[test]
fn many_threads_ask_for_overlapping_work() {
    let node = node();
    let session = node.session();
    let (fib, add) = (crate::guests::fib(&session), add(&session));
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let session = &session;
            scope.spawn(move || {
                for n in (0..40).rev() {
                    let n = (n + thread) % 40;
                    let request = apply(session, fib, &[add, Handle::of_u64(n)]);
                    let (mut a, mut b) = (0_u64, 1);
                    for _ in 0..n {
                        (a, b) = (b, a + b);
                    }
                    assert_eq!(session.evaluate(request).value(), Some(Handle::of_u64(a)));
                }
            });
        }
    });
    // fib(0..=39) and the additions of fib(2..=39).
    assert_eq!(node.stat().applied, 40 + 38);
}
