use weft_eval::{Action, Event, FailureKind, Key, NoAnswerKind, Outcome, Report, Ticket};
use weft_object::Handle;

use crate::script::{MIB, Script, is_apply, is_load, no_answer, number, strict};

fn script() -> Script {
    Script::new(1024 * MIB)
}

fn kind_of(outcome: &Outcome) -> NoAnswerKind {
    match outcome {
        Outcome::NoAnswer(reason) => reason.kind,
        _ => panic!("{outcome:?}"),
    }
}

/// An application of a function to something that must be loaded first.
fn slow(script: &mut Script, seed: u8) -> (Handle, Handle) {
    let blob = script.host.blob(vec![seed; 100]);
    script.host.absent.insert(blob);
    (script.host.apply("length", &[blob]), blob)
}

#[test]
fn what_is_wanted_twice_runs_once() {
    let mut script = script();
    let thunk = script.host.apply("add", &[number(1), number(2)]);
    script.request(1, thunk);
    script.request(2, thunk);
    script.perform_all();
    assert_eq!(script.answers[&1], Outcome::Value(number(3)));
    assert_eq!(script.answers[&2], script.answers[&1]);
    assert_eq!(script.host.ran.len(), 1);
}

/// A cycle can close because something before it came to a value, long after
/// all on it began to wait.
#[test]
fn a_cycle_that_closes_late_is_found() {
    let mut script = script();
    let (first, _) = slow(&mut script, 1);
    let ring = script.host.apply("ring", &[number(0), first]);
    script.request(1, ring);
    script.perform_all_but(is_load);
    script.tell(Event::Idle);
    assert!(script.answers.is_empty(), "nothing is known yet");
    script.perform_all();
    let Outcome::Failure(failure) = &script.answers[&1] else { panic!("{:?}", script.answers) };
    assert_eq!(failure.kind, FailureKind::Cycle);
}

#[test]
fn a_cycle_behind_a_failure_is_never_found() {
    let mut script = script();
    let fails = script.host.apply("fail", &[]);
    let ring = script.host.apply("ring", &[number(0), fails]);
    script.request(1, ring);
    script.perform_all();
    let Outcome::Failure(failure) = &script.answers[&1] else { panic!("{:?}", script.answers) };
    assert_eq!((failure.kind, failure.application), (FailureKind::Failed, fails));
}

#[test]
fn the_failure_of_lowest_index_counts_though_a_later_one_is_first() {
    let mut script = script();
    let (_, blob) = slow(&mut script, 1);
    // Fails once its argument is there.
    let slow_failure = script.host.apply("no such", &[blob]);
    let fails = script.host.apply("fail", &[]);
    let both = script.host.apply("add", &[strict(slow_failure), strict(fails)]);
    script.request(1, both);
    script.perform_all_but(is_load);
    assert!(script.answers.is_empty(), "the first entry may fail yet");
    script.perform_all();
    let Outcome::Failure(failure) = &script.answers[&1] else { panic!("{:?}", script.answers) };
    assert_eq!(failure.application, slow_failure);
}

#[test]
fn no_answer_at_a_lower_index_than_a_failure_is_no_answer() {
    let mut script = script();
    let exhausts = script.host.apply("exhaust", &[]);
    let fails = script.host.apply("fail", &[]);
    let first = script.host.apply("add", &[strict(exhausts), strict(fails)]);
    let second = script.host.apply("add", &[strict(fails), strict(exhausts)]);
    script.request(1, first);
    script.request(2, second);
    script.perform_all();
    assert_eq!(kind_of(&script.answers[&1]), NoAnswerKind::Exhausted);
    assert!(matches!(&script.answers[&2], Outcome::Failure(it) if it.application == fails));
    // Asked again, it is tried again.
    let runs = |script: &Script| {
        let tree = exhausts.definition().unwrap();
        script.host.ran.iter().filter(|ran| **ran == tree).count()
    };
    let before = runs(&script);
    script.request(3, first);
    script.perform_all();
    assert!(runs(&script) > before);
}

#[test]
fn cancelling_drops_what_nobody_else_wants() {
    let mut script = script();
    let (shared, shared_blob) = slow(&mut script, 1);
    let (alone, alone_blob) = slow(&mut script, 2);
    let both = script.host.apply("add", &[strict(shared), strict(alone)]);
    script.request(1, both);
    script.request(2, shared);
    script.perform_all_but(is_load);
    script.tell(Event::Cancel { id: 1 });
    assert_eq!(kind_of(&script.answers[&1]), NoAnswerKind::Cancelled);
    assert_eq!(script.interrupted, [Key::Content(alone_blob)]);
    // A report that comes all the same changes nothing.
    script.tell(Event::Loaded { object: alone_blob, result: Ok(()) });
    let load = script
        .take(|action| matches!(action, Action::Load { object, .. } if *object == shared_blob));
    script.actions.clear();
    script.perform(load);
    script.perform_all();
    assert_eq!(script.answers[&2], Outcome::Value(number(100)));
    assert_eq!(script.host.ran.len(), 1);
    // To cancel what is over is nothing.
    script.tell(Event::Cancel { id: 2 });
    script.tell(Event::Cancel { id: 77 });
    assert_eq!(script.answers.len(), 2);
}

/// An interrupted load may report late that it was, and somebody may want the
/// content again by then.
#[test]
fn an_interrupted_load_refuses_nobody_else() {
    let mut script = script();
    let (thunk, blob) = slow(&mut script, 1);
    script.request(1, thunk);
    script.perform_all_but(is_load);
    script.tell(Event::Cancel { id: 1 });
    script.request(2, thunk);
    script.perform_all_but(is_load);
    let result = Err(no_answer(NoAnswerKind::Cancelled));
    script.tell(Event::Loaded { object: blob, result });
    assert!(!script.answers.contains_key(&2));
    script.perform_all();
    assert_eq!(script.answers[&2], Outcome::Value(number(100)));
}

fn ticket(action: &Action) -> Ticket {
    match action {
        Action::Evaluate { ticket, .. }
        | Action::Apply { ticket, .. }
        | Action::Load { ticket, .. }
        | Action::Interrupt { ticket, .. } => *ticket,
        Action::Answer { .. } => panic!("{action:?}"),
    }
}

#[test]
fn what_is_lost_is_asked_for_again_and_old_tickets_refuse_nothing() {
    let mut script = script();
    script.host.claims = true;
    let thunk = script.host.apply("burn", &[]);
    script.request(1, thunk);
    script.perform_all_but(is_apply);
    let first = script.take(is_apply);
    let Action::Apply { application, .. } = &first else { panic!() };
    let key = application.key();
    assert!(script.machine.awaits(&key, ticket(&first)));
    script.tell(Event::Lost { key, ticket: ticket(&first) });
    let second = script.take(is_apply);
    assert_ne!(ticket(&first), ticket(&second));
    assert!(!script.machine.awaits(&key, ticket(&first)));
    assert!(script.machine.awaits(&key, ticket(&second)));
    // It was heard of before, and is not any more.
    script.tell(Event::Lost { key, ticket: ticket(&first) });
    assert!(script.actions.is_empty());
    let refused = Report::Done(Outcome::no_answer(NoAnswerKind::Exhausted, "late"));
    script.tell(Event::Reported { key, ticket: ticket(&first), report: refused });
    assert!(script.answers.is_empty(), "an old ticket refuses nothing");
    // But a value is true whoever found it.
    let found = Report::Done(Outcome::Value(number(10)));
    script.tell(Event::Reported { key, ticket: ticket(&first), report: found.clone() });
    script.perform_all();
    assert_eq!(script.answers[&1], Outcome::Value(number(10)));
    assert!(!script.machine.awaits(&key, ticket(&second)), "it is known");
    script.tell(Event::Reported { key, ticket: ticket(&second), report: found });
    script.perform_all();
}

/// An interruption meant for somebody else may hit whoever runs it now.
#[test]
fn what_was_interrupted_though_it_is_wanted_is_asked_for_again() {
    let mut script = script();
    script.host.claims = true;
    let thunk = script.host.apply("burn", &[]);
    script.request(1, thunk);
    script.perform_all_but(is_apply);
    let run = script.take(is_apply);
    let Action::Apply { application, .. } = &run else { panic!() };
    let report = Report::Done(Outcome::NoAnswer(no_answer(NoAnswerKind::Cancelled)));
    script.tell(Event::Reported { key: application.key(), ticket: ticket(&run), report });
    assert!(script.answers.is_empty(), "nobody cancelled it");
    script.perform_all();
    assert_eq!(script.answers[&1], Outcome::Value(number(10)));
}

#[test]
fn two_with_different_fuel_get_their_own_answers() {
    for rich_first in [true, false] {
        let mut script = script();
        script.host.claims = true;
        let (little, much) = (script.host.fuel(3), script.host.fuel(30));
        let poor = script.host.limited(little, "burn", &[]);
        let rich = script.host.limited(much, "burn", &[]);
        let (first, second) = if rich_first { (rich, poor) } else { (poor, rich) };
        script.request(1, first);
        script.request(2, second);
        script.perform_all();
        let (of_rich, of_poor) = if rich_first { (1, 2) } else { (2, 1) };
        assert_eq!(script.answers[&of_rich], Outcome::Value(number(10)));
        match &script.answers[&of_poor] {
            // Whoever came first had found it out.
            Outcome::Value(value) => assert!(rich_first && *value == number(10)),
            outcome => assert_eq!(kind_of(outcome), NoAnswerKind::OutOfFuel),
        }
    }
}

#[test]
fn what_runs_elsewhere_is_waited_for_whoever_is_told_first() {
    for told_first in [true, false] {
        let mut script = script();
        let thunk = script.host.apply("burn", &[]);
        let tree = thunk.definition().unwrap();
        script.host.elsewhere.insert(tree);
        script.request(1, thunk);
        let is_look =
            |action: &Action| matches!(action, Action::Evaluate { key: Key::Apply(_), .. });
        script.perform_all_but(is_look);
        let look = script.take(is_look);
        let refused = Outcome::no_answer(NoAnswerKind::OutOfFuel, "that one's own");
        let applied = Event::Applied { tree, outcome: refused };
        if told_first {
            script.tell(applied);
            script.perform(look);
        } else {
            script.perform(look);
            assert!(script.actions.is_empty(), "it waits");
            script.tell(applied);
        }
        // A refusal was for the other; this one has it run for itself.
        script.host.elsewhere.clear();
        script.perform_all();
        assert_eq!(script.answers[&1], Outcome::Value(number(10)));
    }
}

#[test]
fn early_cut_off_two_that_come_to_the_same_run_once() {
    let mut script = script();
    let three = script.host.apply("add", &[number(1), number(2)]);
    let also_three = script.host.apply("add", &[number(0), number(3)]);
    let left = script.host.apply("add", &[strict(three), number(1)]);
    let right = script.host.apply("add", &[strict(also_three), number(1)]);
    script.request(1, left);
    script.request(2, right);
    script.perform_all();
    assert_eq!(script.answers[&1], script.answers[&2]);
    assert_eq!(script.host.ran.len(), 3, "1+2, 0+3, and 3+1 once");
}

#[test]
fn roots_hold_all_that_the_graph_will_read() {
    let mut script = script();
    let (slow, blob) = slow(&mut script, 1);
    let three = script.host.apply("add", &[number(1), number(2)]);
    let both = script.host.apply("add", &[strict(three), strict(slow)]);
    script.request(1, both);
    script.perform_all_but(is_load);
    let roots: Vec<Handle> = script.machine.roots().collect();
    assert!(roots.contains(&both), "what was asked for");
    assert!(roots.contains(&slow.definition().unwrap()), "what is to run");
    assert!(roots.contains(&blob), "what is being loaded");
    assert!(roots.contains(&number(3)), "what is known, and waits for the rest");
}
