//! What a backend keeps beside content and relations, and what it tells about
//! all of it.

use std::ops::ControlFlow;

use weft_object::Handle;

use super::{long, ok};
use crate::{Backend, Cost, Finder, Label, Outcome, Pin, Relation, Run};

pub(super) fn run<B: Backend>(make: &mut impl FnMut() -> B) {
    relations_come_the_latest_first(&make());
    finders_have_numbers(&make());
    runs_are_remembered(&make());
    pins_last_the_longer_time(&make());
    usage_counts(&make());
}

fn relation(value: u64) -> Relation {
    let value = Outcome::Value(Handle::of_u64(value));
    Relation { durable: true, ..Relation::new(value, Cost::default()) }
}

fn key(number: u64) -> Handle {
    Handle::of_tree(&[Handle::of_u64(number)])
}

fn relations_come_the_latest_first(backend: &impl Backend) {
    const MANY: u64 = 500;
    for number in 0..MANY {
        ok(backend.put_relations(&[(key(number), relation(number))]));
    }
    // Others over the same Tree, and one in the place of an older one.
    let thunk = key(7).application().unwrap_or(key(7));
    let encode = thunk.strict().unwrap_or(thunk);
    ok(backend.put_relations(&[(thunk, relation(1)), (encode, relation(2))]));
    ok(backend.put_relations(&[(key(3), relation(MANY))]));
    let mut expected = vec![(key(3), relation(MANY)), (encode, relation(2)), (thunk, relation(1))];
    let others = (0..MANY).rev().filter(|number| *number != 3);
    expected.extend(others.map(|number| (key(number), relation(number))));
    let mut found = Vec::new();
    ok(backend.each_relation(&mut |key, relation| {
        found.push((*key, *relation));
        ControlFlow::Continue(())
    }));
    assert!(found == expected, "each once, the latest first");
    let mut count = 0;
    ok(backend.each_relation(&mut |_, _| {
        count += 1;
        if count == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }));
    assert_eq!(count, 10, "it ends when told to");
    for (key, relation) in expected {
        assert_eq!(ok(backend.relation(&key)), Some(relation));
    }
}

fn finders_have_numbers(backend: &impl Backend) {
    let finder = |text: &str, here| Finder { text: text.into(), here };
    let (one, two) = (finder("weft 1 wasmtime 48", true), finder("a file", false));
    assert_eq!(ok(backend.finders()), []);
    assert_eq!(ok(backend.finder(&one)), 1);
    assert_eq!(ok(backend.finder(&two)), 2);
    assert_eq!(ok(backend.finder(&one)), 1, "known by now");
    // The same text, but not run here: somebody else.
    let three = finder(&one.text, false);
    assert_eq!(ok(backend.finder(&three)), 3);
    let long = finder(&"ö".repeat(Finder::TEXT_MAX), true);
    assert_eq!((ok(backend.finder(&long)), ok(backend.finder(&long))), (4, 4));
    let cut = finder(&"ö".repeat(Finder::TEXT_MAX / 2), true);
    assert_eq!(ok(backend.finders()), [one, two, three, cut]);
}

fn runs_are_remembered(backend: &impl Backend) {
    let label = |text: &str| Label::new(text).unwrap_or_else(|error| panic!("{error}"));
    let run = |number: u64, label: Option<Label>| Run {
        request: key(number),
        outcome: match number % 2 {
            0 => Outcome::Value(Handle::of_u64(number)),
            _ => Outcome::Failure(long(number as usize).0),
        },
        label,
        at_ms: 1_700_000_000_000 + number,
        took_ns: number,
        applied: 3 * number,
    };
    assert_eq!(ok(backend.runs()), []);
    let old: Vec<Run> = (0..3).map(|number| run(number, Some(label("old")))).collect();
    for run in &old {
        ok(backend.put_run(run));
    }
    let first = 10;
    let last = first + 2 * Run::KEPT as u64 + 100;
    for number in first..last {
        ok(backend.put_run(&run(number, None)));
    }
    let mut expected: Vec<Run> =
        (last - Run::KEPT as u64..last).rev().map(|number| run(number, None)).collect();
    expected.extend([old[2].clone(), old[1].clone()]);
    assert!(ok(backend.runs()) == expected, "the latest, and two of each label");
}

fn pins_last_the_longer_time(backend: &impl Backend) {
    let pin = |number, until_s| Pin { handle: long(number).0, until_s };
    assert!(!ok(backend.unpin(&long(1).0)));
    for (number, until_s) in [(1, Some(5)), (1, Some(3)), (2, None), (2, Some(9)), (3, Some(4))] {
        ok(backend.pin(&pin(number, until_s)));
    }
    ok(backend.pin(&pin(1, Some(7))));
    ok(backend.pin(&pin(3, None)));
    let mut expected = [pin(1, Some(7)), pin(2, None), pin(3, None)];
    expected.sort_unstable_by_key(|pin| pin.handle);
    let sorted = |mut pins: Vec<Pin>| {
        pins.sort_unstable_by_key(|pin| pin.handle);
        pins
    };
    assert_eq!(sorted(ok(backend.pins())), expected);
    assert!(ok(backend.unpin(&long(2).0)) && !ok(backend.unpin(&long(2).0)));
    assert_eq!(ok(backend.pins()).len(), 2);
    // Taken away, it begins anew.
    ok(backend.pin(&pin(2, Some(1))));
    assert!(ok(backend.pins()).contains(&pin(2, Some(1))));
}

fn usage_counts(backend: &impl Backend) {
    let before = ok(backend.usage());
    assert_eq!((before.objects, before.relations, before.dropped), (0, 0, 0));
    let batch: Vec<_> = (0..100).map(long).collect();
    ok(backend.put(&batch));
    ok(backend.put(&batch[..50]));
    ok(backend.put_relations(&[
        (key(1), relation(1)),
        (key(2), relation(1)),
        (key(1), relation(2)),
    ]));
    ok(backend.put_relations(&[(key(2), relation(2))]));
    ok(backend.set_budget(Some(1 << 30)));
    ok(backend.sync());
    let usage = ok(backend.usage());
    assert_eq!((usage.objects, usage.relations, usage.dropped), (100, 2, 0));
    let bytes: u64 = batch.iter().map(|(_, content)| content.bytes_len()).sum();
    assert!(usage.file_bytes >= bytes && usage.dead_bytes < usage.file_bytes);
    assert_eq!(usage.budget_bytes, Some(1 << 30));
    ok(backend.set_budget(None));
    assert_eq!(ok(backend.usage()).budget_bytes, None);
    assert_eq!(ok(backend.recipe(&long(1).0)), None);
}
