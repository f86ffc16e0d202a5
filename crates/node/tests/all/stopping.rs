use std::time::Duration;

use weft_eval::{NoAnswerKind, Outcome, Policy};
use weft_node::{Config, Event, Node, Session};
use weft_object::Handle;

use crate::guests::{add, apply, node, spin, strict};

/// Longer than anyone waits.
fn endless(session: &Session) -> Handle {
    apply(session, spin(session), &[Handle::of_u64(u64::MAX)])
}

/// Two thousand small entries of a fork, other ones in each round.
fn sums(session: &Session, round: u64) -> Vec<Handle> {
    let add = add(session);
    let sum = |n| strict(session, add, &[Handle::of_u64(round), Handle::of_u64(n)]);
    (0..2_000).map(sum).collect()
}

fn wait_until_idle(node: &Node) {
    for _ in 0..20_000 {
        if node.stat().waiting == 0 && node.stat().running == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("something runs or waits that nobody wants: {:?}", node.stat());
}

fn kind(outcome: &Outcome) -> Option<NoAnswerKind> {
    match outcome {
        Outcome::NoAnswer(no_answer) => Some(no_answer.kind),
        _ => None,
    }
}

#[test]
fn a_deadline_ends_the_wait_and_the_run() {
    let node = node();
    let session = node.session();
    let request = session.submit(endless(&session));
    let outcome = request.wait_until_deadline(Duration::from_millis(50));
    assert_eq!(kind(&outcome), Some(NoAnswerKind::Deadline));
    while node.stat().running > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(node.stat().waiting, 0);
}

#[test]
fn a_cancelled_request_stops_what_nobody_else_wants() {
    let node = node();
    let session = node.session();
    let shared = strict(&session, spin(&session), &[Handle::of_u64(200_000_000)]);
    let both = session.put_tree(&[shared, endless(&session).strict().unwrap()]);
    let whole = session.submit(both);
    let part = session.submit(shared);
    assert!(whole.wait_for(Duration::from_millis(20)).is_none());
    whole.cancel();
    assert_eq!(kind(&whole.wait()), Some(NoAnswerKind::Cancelled));
    assert_eq!(part.wait().value(), Some(Handle::of_u64(200_000_000)));
    while node.stat().running > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The node is as good as before.
    let sum = apply(&session, add(&session), &[Handle::of_u64(1), Handle::of_u64(2)]);
    assert_eq!(session.evaluate(sum).value(), Some(Handle::of_u64(3)));
}

#[test]
fn a_dropped_request_is_cancelled() {
    let node = node();
    let session = node.session();
    drop(session.submit(endless(&session)));
    while node.stat().waiting > 0 || node.stat().running > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What stands behind an entry that fails is of no use to anybody, and whoever takes
/// part in the fork may have begun it.
#[test]
fn what_helpers_of_a_fork_are_at_ends_with_a_failure() {
    for round in 0..40 {
        let node = node();
        let session = node.session();
        let mut fork = sums(&session, round);
        fork.insert(1_100, endless(&session).strict().unwrap());
        fork.insert(1_000, strict(&session, add(&session), &[]));
        let outcome = session.evaluate(session.put_tree(&fork));
        assert!(matches!(outcome, Outcome::Failure(_)), "{outcome:?}");
        wait_until_idle(&node);
    }
}

/// Whoever takes part in a fork may have begun something long when the one whose
/// fork it is goes on without.
#[test]
fn what_helpers_of_a_fork_are_at_ends_with_the_request() {
    let (mut helped, mut round) = (0, 0);
    while helped < 12 {
        round += 1;
        assert!(round <= 200, "{helped} of {round} rounds had helpers");
        let node = node();
        let session = node.session();
        let mut fork = sums(&session, round);
        fork.insert(1_000, endless(&session).strict().unwrap());
        let request = session.submit(session.put_tree(&fork));
        // All of the fork is done but what has no end, at which one thread is.
        let is_alone = || node.stat().applied == 2_000 && node.stat().running == 1;
        for _ in 0..200 {
            if is_alone() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        helped += u64::from(is_alone());
        drop(request);
        wait_until_idle(&node);
    }
}

/// A fork fails in which others have been asked to take part, and its job goes on:
/// for an entry in front of it waits, so its failure decides nothing yet.
#[test]
fn a_fork_that_failed_is_not_on_offer_while_its_job_goes_on() {
    const LONG: u64 = 300_000_000;
    // What takes longer than this is shared, and nothing is left to the graph.
    let policy = Policy {
        share_awake_ns: 50_000,
        share_asleep_ns: 50_000,
        share_entry_max_ns: u64::MAX,
        ..Policy::default()
    };
    let (mut helped, mut round) = (0, 0);
    while helped < 2 {
        round += 1;
        assert!(round <= 40, "{helped} of {round} rounds had helpers");
        let node = Node::start(Config { workers: 4, policy, ..Config::default() }).unwrap();
        let session = node.session();
        let add = add(&session);
        let spin = spin(&session);
        let rounds = |n| apply(&session, spin, &[Handle::of_u64(n)]);
        let [waits, unwanted, long] = [u64::MAX, u64::MAX - 1, LONG].map(rounds);
        let _elsewhere = session.submit(waits);
        while node.stat().running == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let tree = |entries: &[Handle]| session.put_tree(entries);
        let all = |thunks: &[Handle]| -> Vec<Handle> {
            thunks.iter().map(|thunk| thunk.strict().unwrap()).collect()
        };
        let fails = apply(&session, add, &[]);
        // Its second entry finds that the fork around it has been at its first for long.
        let inner = tree(&all(&[rounds(20_000_000), rounds(10_000_000), fails]));
        let offered = tree(&[inner, unwanted.strict().unwrap()]);
        let goes_on = tree(&[waits.strict().unwrap(), offered]);
        // Is shared when its first entry is done. So nobody asks about its rest.
        let first = apply(&session, add, &[Handle::of_u64(1), Handle::of_u64(2)]);
        let fork = tree(&[first.strict().unwrap(), goes_on, long.strict().unwrap()]);
        let watch = node.watch();
        let _request = session.submit(fork);
        let is = |thunk: Handle, tree| thunk.definition() == Some(tree);
        let (mut at_unwanted, mut is_failed, mut is_done) = (0, false, false);
        while !is_done {
            std::thread::sleep(Duration::from_millis(1));
            for event in watch.drain() {
                match event {
                    Event::Started { application: of } if is(unwanted, of) => at_unwanted += 1,
                    Event::Ran { application: of, .. } if is(unwanted, of) => at_unwanted -= 1,
                    Event::Ran { application: of, .. } if is(fails, of) && !is_failed => {
                        is_failed = true;
                        helped += at_unwanted;
                    }
                    Event::Ran { application: of, outcome, .. } if is(long, of) => {
                        is_done |= outcome.value().is_some();
                        assert!(!is_done || is_failed, "what is long ran first");
                        assert!(!is_done || at_unwanted == 0, "somebody is at what nobody wants");
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_node_shuts_down_while_functions_run_and_requests_wait() {
    let node = node();
    let session = node.session();
    let spin = spin(&session);
    let requests: Vec<_> = (0..8)
        .map(|n| session.submit(apply(&session, spin, &[Handle::of_u64(u64::MAX - n)])))
        .collect();
    let waiter = {
        let (session, request) = (session.clone(), endless(&session));
        std::thread::spawn(move || session.submit(request).wait())
    };
    while node.stat().running < 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(node);
    for request in &requests {
        assert_eq!(kind(&request.wait()), Some(NoAnswerKind::Cancelled));
    }
    assert_eq!(kind(&waiter.join().unwrap()), Some(NoAnswerKind::Cancelled));
    // What is asked for afterwards is refused, not waited for.
    assert_eq!(kind(&session.submit(endless(&session)).wait()), Some(NoAnswerKind::Cancelled));
}

#[test]
fn who_waits_for_an_answer_is_not_given_somebody_elses_endless_run() {
    let node = node();
    let session = node.session();
    let add = add(&session);
    for n in 0..50 {
        let other =
            session.submit(apply(&session, spin(&session), &[Handle::of_u64(u64::MAX - n)]));
        let sum = session.submit(apply(&session, add, &[Handle::of_u64(n), Handle::of_u64(1)]));
        assert_eq!(sum.wait().value(), Some(Handle::of_u64(n + 1)));
        drop(other);
    }
}

#[test]
fn whoever_asks_while_the_node_goes_down_is_answered() {
    for _ in 0..50 {
        let node = node();
        let session = node.session();
        let spin = spin(&session);
        let asker = std::thread::spawn(move || {
            for n in 1..200 {
                let request = apply(&session, spin, &[Handle::of_u64(n)]);
                let outcome = session.submit(request).wait();
                if outcome.value().is_none() {
                    return kind(&outcome);
                }
            }
            Some(NoAnswerKind::Cancelled)
        });
        std::thread::sleep(Duration::from_millis(2));
        drop(node);
        assert_eq!(asker.join().unwrap(), Some(NoAnswerKind::Cancelled));
    }
}
