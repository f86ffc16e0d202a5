use std::sync::Arc;

use weft_node::{Config, Event, Interrupt, Node, Sample, Verified};
use weft_object::{Blob, Content, Handle};
use weft_store::{Backend, Finder, MemoryBackend, Origin, Outcome, Relation};

use crate::guests::{add, apply, fib, module, start};

fn on(backend: &Arc<MemoryBackend>, verify: Option<Sample>) -> Node {
    start(Config { backend: Some(backend.clone()), verify, ..Config::default() })
}

/// A store that knows a Fibonacci number, and the request for it.
fn known() -> (Arc<MemoryBackend>, Handle) {
    let backend = Arc::new(MemoryBackend::default());
    let node = on(&backend, None);
    let session = node.session();
    let (fib, add) = (fib(&session), add(&session));
    let request = apply(&session, fib, &[add, Handle::of_u64(12)]);
    assert_eq!(session.submit(request).wait().value(), Some(Handle::of_u64(144)));
    node.keep(&[request]).unwrap();
    (backend, request)
}

fn verified(backend: &Arc<MemoryBackend>, request: Handle, sample: Sample) -> Verified {
    let node = on(backend, Some(sample));
    let outcome = node.session().submit(request).wait();
    let verified = node.verified(request, &outcome).unwrap();
    assert_eq!(node.keep(&[]).unwrap().relations, verified.unknown);
    verified
}

/// The key of a relation with this outcome.
fn key_of(backend: &MemoryBackend, number: u64) -> Handle {
    let mut found = None;
    let look = &mut |key: &Handle, relation: &Relation| {
        let is_it = relation.outcome == Outcome::Value(Handle::of_u64(number));
        if is_it && key.kind() == weft_object::Kind::Tree {
            found = Some(*key);
        }
        std::ops::ControlFlow::Continue(())
    };
    backend.each_relation(look).unwrap();
    found.unwrap()
}

fn plant(backend: &MemoryBackend, key: Handle, number: u64) {
    let known = backend.relation(&key).unwrap().unwrap();
    let wrong = Relation { outcome: Outcome::Value(Handle::of_u64(number)), ..known };
    backend.put_relations(&[(key, wrong)]).unwrap();
}

// 13 of `fib` and 11 of `add`.
const ALL: u64 = 24;

#[test]
fn all_that_a_request_has_applied_is_run_again_and_agrees() {
    let (backend, request) = known();
    let node = on(&backend, Some(Sample::ALL));
    let watch = node.watch();
    let outcome = node.session().submit(request).wait();
    let verified = node.verified(request, &outcome).unwrap();
    assert_eq!((verified.agreed, verified.left_out, verified.unknown), (ALL, 0, 0));
    assert_eq!((verified.disagreed, verified.unchecked), (vec![], vec![]));
    assert_eq!(crate::guests::ran(&watch).len() as u64, ALL);
}

#[test]
fn planted_relations_are_found_and_do_not_hide_others() {
    let backend = Arc::new(MemoryBackend::default());
    let node = on(&backend, None);
    let session = node.session();
    let add = add(&session);
    let sum = |a: Handle, b: Handle| crate::guests::strict(&session, add, &[a, b]);
    let number = Handle::of_u64;
    let inner = sum(number(20), number(30));
    let sums = [sum(number(1), number(2)), sum(number(3), number(4)), sum(number(10), inner)];
    let request = session.put_tree(&sums);
    let expected = session.put_tree(&[3, 7, 60].map(number));
    assert_eq!(session.submit(request).wait().value(), Some(expected));
    node.keep(&[request]).unwrap();
    drop((session, node));

    let planted = [3, 7, 50].map(|right| (key_of(&backend, right), right));
    for (key, right) in planted {
        plant(&backend, key, right + 1);
    }
    let verified = verified(&backend, request, Sample::ALL);
    // 10 + 51 was never found out before.
    assert_eq!((verified.agreed, verified.unknown), (0, 1));
    let of = |n| Outcome::Value(Handle::of_u64(n));
    let mut expected = planted.map(|(key, right)| (key, of(right + 1), of(right)));
    expected.sort_unstable_by_key(|(key, ..)| *key);
    let found = verified.disagreed.iter();
    let found: Vec<_> = found.map(|one| (one.key, one.stored.outcome, one.found.outcome)).collect();
    assert_eq!(found, expected);
    // Nothing was mended by looking.
    let (key, right) = planted[0];
    assert_eq!(backend.relation(&key).unwrap().unwrap().outcome, of(right + 1));
}

#[test]
fn a_wrong_answer_over_right_relations_is_found() {
    let (backend, request) = known();
    let answer = request.strict().unwrap();
    plant(&backend, answer, 145);
    for sample in [Sample::ALL, Sample::NONE] {
        let verified = verified(&backend, request, sample);
        let [one] = verified.disagreed[..] else { panic!("{verified:?}") };
        assert_eq!((one.key, one.found.outcome), (answer, Outcome::Value(Handle::of_u64(144))));
    }
}

#[test]
fn what_was_found_takes_the_place_of_what_was_wrong() {
    let (backend, request) = known();
    let five = key_of(&backend, 5);
    plant(&backend, five, 6);
    let node = on(&backend, Some(Sample::ALL));
    let outcome = node.session().submit(request).wait();
    let wrong = node.verified(request, &outcome).unwrap().disagreed;
    let wrong: Vec<_> = wrong.into_iter().filter(|one| one.key == five).collect();
    node.replace(&wrong).unwrap();
    drop(node);
    let relation = backend.relation(&five).unwrap().unwrap();
    assert_eq!(relation.outcome, Outcome::Value(Handle::of_u64(5)));
    assert!(verified(&backend, request, Sample::ALL).disagreed.is_empty());
}

#[test]
fn a_sample_is_the_same_each_time_and_never_empty() {
    let (backend, request) = known();
    let half = verified(&backend, request, Sample::part(0.5));
    assert!(half.agreed > 0 && half.left_out > 0, "{half:?}");
    assert_eq!(half.agreed + half.left_out, ALL);
    assert_eq!(verified(&backend, request, Sample::part(0.5)).agreed, half.agreed);
    let tiny = verified(&backend, request, Sample::part(1e-12));
    assert_eq!((tiny.agreed, tiny.left_out), (1, ALL - 1));
    assert_eq!(verified(&backend, request, Sample::part(1.0)).agreed, ALL);
}

#[test]
fn what_others_have_said_is_our_own_word_once_it_agrees() {
    let (backend, request) = known();
    let five = key_of(&backend, 5);
    let known = backend.relation(&five).unwrap().unwrap();
    let us = &backend.finders().unwrap()[usize::from(known.origin.finder) - 1];
    assert!(us.here && us.text.starts_with("weft ") && us.text.contains("wasmtime"), "{us:?}");
    assert!(known.origin.found_at_s > 1_600_000_000);

    let them = Finder { text: "theirs.weft".into(), here: false };
    let origin = Origin { found_at_s: 7, finder: backend.finder(&them).unwrap() };
    backend.put_relations(&[(five, Relation { origin, ..known })]).unwrap();
    assert_eq!(verified(&backend, request, Sample::ALL).adopted, 1);
    let adopted = backend.relation(&five).unwrap().unwrap();
    assert_eq!((adopted.outcome, adopted.origin.finder), (known.outcome, known.origin.finder));
    assert!(adopted.origin.found_at_s > 1_600_000_000);
    assert_eq!(verified(&backend, request, Sample::ALL).adopted, 0);
}

#[test]
fn what_cannot_be_run_again_is_named_and_the_rest_checked() {
    let (full, request) = known();
    let node = on(&full, None);
    let session = node.session();
    let module = fib(&session);
    // Everything but the function whose applications made the numbers.
    let backend = Arc::new(MemoryBackend::default());
    let mut contents = Vec::new();
    let mut relations = Vec::new();
    let mut open = vec![request];
    full.each_relation(&mut |key, relation| {
        relations.push((*key, *relation));
        open.extend([*key, relation.outcome.handle()]);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    while let Some(handle) = open.pop() {
        if handle.content() != module
            && let Some(content) = full.get(&handle).unwrap()
        {
            open.extend(content.tree().iter().flat_map(|tree| tree.entries()));
            contents.push((handle.content(), content));
        }
    }
    backend.put(&contents).unwrap();
    backend.put_relations(&relations).unwrap();
    let verified = verified(&backend, request, Sample::ALL);
    assert_eq!((verified.agreed, verified.unchecked.len()), (11, 13), "{verified:?}");
    let why = &verified.unchecked[0].why;
    assert!(why.contains(&module.to_string()) && why.ends_with("add or import it"), "{why}");
}

#[test]
fn an_application_runs_again_beside_its_relation() {
    let backend = Arc::new(MemoryBackend::default());
    let node = on(&backend, None);
    let session = node.session();
    let text = session.put_blob(b"a text that is no literal, but long enough".to_vec());
    let shout = module(
        &session,
        r#"(data (i32.const 0) "read it")
           (func (export "weft_apply") (param $in i32) (result i32)
             (call $log (i32.const 0) (i32.const 7))
             (call $get (local.get $in) (i64.const 2)))"#,
    );
    let request = apply(&session, shout, &[text]);
    assert_eq!(session.submit(request).wait().value(), Some(text));
    node.keep(&[request]).unwrap();
    drop((session, node));

    let node = on(&backend, None);
    let session = node.session();
    let watch = node.watch();
    let application = session.outermost(request).unwrap().unwrap();
    let key = application.handle;
    let before = session.relation(key).unwrap().unwrap();
    let again = session.apply_again(&application, &Interrupt::new());
    assert_eq!(again.outcome.value(), Some(text));
    assert_eq!(again.stored, Some(before.outcome));
    assert_eq!(again.log, b"read it\n");
    let events = watch.drain();
    let loaded = |event: &&Event| matches!(event, Event::Loaded { .. });
    // The Tree, the module, the text.
    assert_eq!(events.iter().filter(loaded).count(), 3);
    assert_eq!(session.relation(key).unwrap(), Some(before));
    assert_eq!(node.keep(&[]).unwrap(), weft_node::Kept::default());
}

#[test]
fn the_outermost_application_has_its_arguments_evaluated() {
    let node = crate::guests::node();
    let session = node.session();
    let add = add(&session);
    let three = crate::guests::strict(&session, add, &[Handle::of_u64(1), Handle::of_u64(2)]);
    // Inside of limits that only steer, a closure, and a selection.
    let none = Handle::of_blob(b"");
    let limits = session.put_tree(&[none, none, none, none, Handle::of_u64(1 << 40)]);
    let closure = session.put_tree(&[add, three]);
    let sum = session.put_tree(&[limits, closure, Handle::of_u64(4)]).application().unwrap();
    let application = session.outermost(sum.strict().unwrap()).unwrap().unwrap();
    let canonical = [none, add, Handle::of_u64(3), Handle::of_u64(4)];
    assert_eq!(application.tree.entries(), canonical);
    assert_eq!(application.hints.fuel, Some(1 << 40));
    let again = session.apply_again(&application, &Interrupt::new());
    assert_eq!(again.outcome.value(), Some(Handle::of_u64(7)));
    assert!(again.cost.fuel.is_some());

    let part = weft_object::Selection::Entry(0).definition(sum);
    let part = session.put_tree(&part).selection().unwrap();
    assert_eq!(
        session.outermost(part).unwrap().map(|found| found.handle),
        Some(application.handle)
    );
    assert_eq!(session.outermost(Handle::of_u64(3)).unwrap(), None);
    let ill = session.put_tree(&[none]).application().unwrap();
    assert!(matches!(session.outermost(ill), Err(weft_eval::Outcome::Failure(_))));
}

#[test]
fn what_is_too_large_or_given_up_does_not_run_again() {
    let node = start(Config { memory_bytes: 64 << 20, ..Config::default() });
    let session = node.session();
    let add = add(&session);
    // The default limit is more than there is.
    let sum = apply(&session, add, &[Handle::of_u64(1), Handle::of_u64(2)]);
    let application = session.outermost(sum).unwrap().unwrap();
    let again = session.apply_again(&application, &Interrupt::new());
    let weft_eval::Outcome::NoAnswer(none) = again.outcome else { panic!("{again:?}") };
    assert_eq!(none.kind, weft_eval::NoAnswerKind::TooLarge);

    let gone = Content::Blob(Blob::new(vec![7; 100])).handle();
    let limit = Handle::of_u64(1 << 20);
    let lost = session.put_tree(&[limit, add, gone]).application().unwrap();
    let application = session.outermost(lost).unwrap().unwrap();
    let again = session.apply_again(&application, &Interrupt::new());
    let weft_eval::Outcome::NoAnswer(none) = again.outcome else { panic!("{again:?}") };
    assert_eq!(none.kind, weft_eval::NoAnswerKind::Lost);

    let given_up = Interrupt::new();
    given_up.interrupt();
    let again = session.apply_again(&application, &given_up);
    assert!(matches!(again.outcome, weft_eval::Outcome::NoAnswer(_)));
    assert_eq!(node.stat().applied, 0);
}
