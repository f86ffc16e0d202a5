//! Chains of tail calls, seen from outside.

use weft_eval::{Budget, FailureKind, Key, Outcome, Report, Resume, evaluate};
use weft_object::Handle;

use crate::script::{Host, MIB, Script, number, strict};

#[test]
fn a_chain_gives_up_its_turn_and_goes_on_where_it_was() {
    let mut host = Host::default();
    let start = host.apply("down", &[number(20)]);
    let budget = Budget { depth: 8, tail_steps: 5 };
    let mut resume = Resume::default();
    let mut turns = 0;
    let outcome = loop {
        match evaluate(&mut host, Key::Force(start), None, &resume, budget) {
            Report::Done(outcome) => break outcome,
            Report::Pending(frames) => {
                let [frame] = &frames[..] else { panic!("{frames:?}") };
                assert!(frame.needs.is_empty(), "it waits for nothing");
                resume.tail.clone_from(&frame.tail);
            }
            report => panic!("{report:?}"),
        }
        turns += 1;
    };
    assert_eq!(outcome, Outcome::Value(number(7)));
    assert_eq!((turns, host.ran.len()), (4, 21), "no step was taken twice");
}

/// Whatever has room to be kept: that is no promise.
#[test]
fn no_step_is_taken_twice_where_nothing_is_kept() {
    let mut host = Host { forgets: true, ..Host::default() };
    let start = host.apply("down", &[number(3)]);
    let budget = Budget { depth: 8, tail_steps: 16 };
    let key = Key::Eval(strict(start));
    let report = evaluate(&mut host, key, None, &Resume::default(), budget);
    assert!(matches!(report, Report::Done(Outcome::Value(value)) if value == number(7)));
    assert_eq!(host.ran.len(), 4);
    assert_eq!(host.known.get(&Key::Force(start)), Some(&Outcome::Value(number(7))));
}

#[test]
fn the_graph_holds_a_chain_in_constant_room() {
    for depth in [0, 8] {
        let mut script = Script::new(1024 * MIB);
        script.depth = depth;
        let start = script.host.apply("down", &[number(3000)]);
        script.request(1, start);
        while let Some(action) = script.actions.pop_front() {
            script.perform(action);
            assert!(script.machine.stat().keys <= 3, "{:?}", script.machine.stat());
        }
        assert_eq!(script.answers[&1], Outcome::Value(number(7)));
    }
}

/// Loops of every length, entered after leads of every length: the loop is
/// found, and its name is its lowest member whatever led to it.
#[test]
fn a_chain_that_loops_is_named_by_the_lowest_of_the_loop() {
    for length in 1..12 {
        for lead in 0..12 {
            let mut host = Host::default();
            let thunks: Vec<Handle> =
                (0..lead + length).map(|at| host.apply("step", &[number(at)])).collect();
            for (at, thunk) in thunks.iter().enumerate() {
                let next = thunks.get(at + 1).unwrap_or(&thunks[lead as usize]);
                let key = Key::Apply(thunk.definition().unwrap());
                host.known.insert(key, Outcome::Value(*next));
            }
            let lowest = thunks[lead as usize..].iter().min().unwrap();
            let budget = Budget { depth: 0, tail_steps: 1000 };
            let key = Key::Force(thunks[0]);
            let report = evaluate(&mut host, key, None, &Resume::default(), budget);
            let Report::Done(Outcome::Failure(failure)) = report else { panic!("{report:?}") };
            assert_eq!(failure.kind, FailureKind::Cycle);
            assert_eq!(failure.application, *lowest, "lead {lead}, length {length}");
            assert!(host.known.contains_key(&key), "it is remembered");
        }
    }
}

/// Whoever performs an action keeps what it was given, wherever that stands.
#[test]
fn all_that_a_resume_holds_is_a_root() {
    let mut host = Host::default();
    let start = host.apply("down", &[number(20)]);
    let budget = Budget { depth: 8, tail_steps: 5 };
    let report = evaluate(&mut host, Key::Force(start), None, &Resume::default(), budget);
    let Report::Pending(frames) = report else { panic!("{report:?}") };
    let mut resume = Resume { tail: frames[0].tail.clone(), ..Resume::default() };
    for at in 0..20 {
        resume.known.insert(Key::Force(number(at)), Outcome::Value(number(100 + at)));
    }
    let none = Outcome::failure(FailureKind::Failed, "", start);
    resume.known.insert(Key::Force(number(99)), none);
    let mut roots: Vec<Handle> = resume.roots().collect();
    roots.sort();
    let mut expected: Vec<Handle> = (100..120).map(number).collect();
    expected.push(host.apply("down", &[number(15)]));
    expected.sort();
    assert_eq!(roots, expected);
}
