//! Claims, as the graph makes them.

use weft_eval::{Action, NoAnswerKind, Outcome};
use weft_object::Handle;

use crate::script::{MIB, Script, is_apply, is_load, number};

/// An application with so much memory, that needs a Blob loaded.
fn job(script: &mut Script, memory_bytes: u64, seed: u8) -> (Handle, Handle) {
    let blob = script.host.blob(vec![seed; 1000]);
    script.host.absent.insert(blob);
    let thunk = script.host.limited(number(memory_bytes), "length", &[blob]);
    (thunk, blob)
}

#[test]
fn a_job_larger_than_the_machine_is_told_at_once() {
    let mut script = Script::new(64 * MIB);
    let (thunk, _) = job(&mut script, 65 * MIB, 1);
    script.request(1, thunk);
    script.perform_all_but(is_load);
    assert!(script.actions.is_empty(), "nothing is loaded for it");
    let Outcome::NoAnswer(reason) = &script.answers[&1] else { panic!("{:?}", script.answers) };
    assert_eq!(reason.kind, NoAnswerKind::TooLarge);
    script.perform_all();
}

#[test]
fn claims_are_granted_whole_and_the_rest_waits() {
    let mut script = Script::new(64 * MIB);
    let jobs: Vec<_> = (0..4).map(|seed| job(&mut script, 30 * MIB, seed)).collect();
    for (id, (thunk, _)) in jobs.iter().enumerate() {
        script.request(id as u64, *thunk);
    }
    script.perform_all_but(is_load);
    let stat = script.machine.stat();
    assert_eq!((stat.claims_waiting, script.actions.len()), (2, 2));
    assert!(stat.claimed_bytes > 60 * MIB && stat.claimed_bytes <= 64 * MIB);
    script.perform_all();
    assert_eq!(script.answers.len(), 4);
}

#[test]
fn the_oldest_claim_takes_back_what_younger_ones_do_not_use_yet() {
    let mut script = Script::new(64 * MIB);
    // The large one is wanted first, but its claim comes last: a Tree of its
    // footprint has to be loaded before anybody knows how much it takes.
    let inner = script.host.tree(&[number(1), number(2)]);
    let large = script.host.limited(number(60 * MIB), "length", &[inner]);
    script.host.absent.insert(inner);
    let (small, blob) = job(&mut script, 30 * MIB, 1);
    script.request(1, large);
    script.perform_all_but(is_load);
    let load_tree = script.take(is_load);
    script.request(2, small);
    script.perform_all_but(is_load);
    assert_eq!(script.machine.stat().claims_waiting, 0, "the small one was granted");
    script.host.claims = true;
    script.perform(load_tree);
    script.perform_all_but(|action| is_load(action) || is_apply(action));
    assert_eq!(script.machine.stat().claims_waiting, 1, "and gave way");
    let interrupted = weft_eval::Key::Content(blob);
    assert_eq!(script.interrupted, [interrupted], "so its load is of no use");
    let run = script.take(is_apply);
    let Action::Apply { application, .. } = &run else { panic!() };
    assert_eq!(Some(application.handle), large.definition());
    script.perform(run);
    script.perform_all();
    assert_eq!(script.answers[&1], Outcome::Value(number(2)));
    assert_eq!(script.answers[&2], Outcome::Value(number(1000)));
}

#[test]
fn what_runs_is_not_taken_back() {
    let mut script = Script::new(64 * MIB);
    script.host.claims = true;
    let inner = script.host.tree(&[number(1), number(2)]);
    let large = script.host.limited(number(60 * MIB), "length", &[inner]);
    script.host.absent.insert(inner);
    let small = script.host.limited(number(30 * MIB), "burn", &[]);
    script.request(1, large);
    script.perform_all_but(is_load);
    script.request(2, small);
    script.perform_all_but(|action| is_load(action) || is_apply(action));
    let run_small = script.take(is_apply);
    script.perform_all_but(is_apply);
    assert_eq!(script.machine.stat().claims_waiting, 1);
    assert!(script.actions.is_empty(), "the older one waits until it is done");
    script.perform(run_small);
    script.perform_all();
    assert_eq!(script.answers.len(), 2);
}

#[test]
fn what_a_footprint_lacks_for_good_is_no_answer_and_gives_the_memory_back() {
    let mut script = Script::new(64 * MIB);
    let (thunk, blob) = job(&mut script, 60 * MIB, 1);
    script.host.content.remove(&blob);
    let (other, _) = job(&mut script, 60 * MIB, 2);
    script.request(1, thunk);
    script.request(2, other);
    script.perform_all();
    let Outcome::NoAnswer(reason) = &script.answers[&1] else { panic!("{:?}", script.answers) };
    assert_eq!(reason.kind, NoAnswerKind::Lost);
    assert_eq!(script.answers[&2], Outcome::Value(number(1000)));
}
