use std::collections::HashSet;

use weft_object::Handle;
use weft_store::{Begun, Cost, Epoch, Inserted, Origin, Outcome, Relation, Relations};

use crate::scratch::long;

fn key(number: u64) -> Handle {
    Handle::of_tree(&[Handle::of_u64(number)])
}

fn value(number: usize) -> Relation {
    Relation::new(Outcome::Value(long(number).0), Cost { run_ns: 5, fuel: None })
}

#[test]
fn what_is_put_comes_back_whole() {
    let relations = Relations::new(1 << 20);
    let full = Relation {
        outcome: Outcome::Failure(long(1).0),
        notes: Some(long(2).0),
        cost: Cost { run_ns: 1 << 59, fuel: Some(u64::MAX) },
        origin: Origin::default(),
        durable: false,
    };
    assert_eq!(relations.insert(&key(1), &full, Epoch(1)), Inserted::New);
    assert_eq!(relations.get(&key(1)), Some(full));
    assert_eq!(relations.outcome(&key(1)), Some(full.outcome));
    assert_eq!(relations.get(&key(1).application().unwrap()), None, "another key");
    assert!(relations.set_durable(&key(1)));
    assert_eq!(relations.get(&key(1)), Some(Relation { durable: true, ..full }));
    assert_eq!(relations.insert(&key(1), &full, Epoch(1)), Inserted::Same);
    assert_eq!(relations.remove(&key(1), Epoch(1)).map(|r| r.notes), Some(full.notes));
    assert_eq!(relations.outcome(&key(1)), None);
    assert!(relations.is_empty());
}

#[test]
fn one_at_a_time_finds_something_out() {
    let relations = Relations::new(1 << 20);
    let (a, b) = (key(1), key(2));
    assert_eq!(relations.begin(&a, true), Begun::New);
    assert_eq!(relations.begin(&b, true), Begun::New, "another");
    assert_eq!(relations.begin(&a, false), Begun::Elsewhere);
    assert!(!relations.end(&a), "nobody waits for it");
    assert_eq!(relations.begin(&a, false), Begun::New);
    assert_eq!(relations.begin(&a, true), Begun::Elsewhere);
    assert_eq!(relations.begin(&a, false), Begun::Elsewhere);
    assert_eq!(relations.insert_ended(&a, &value(1), Epoch(1)), (Inserted::New, true));
    assert_eq!(relations.begin(&a, true), Begun::Known(value(1).outcome));
    assert!(!relations.has_forgotten());
    relations.remove(&a, Epoch(1));
    assert!(relations.has_forgotten());
    assert_eq!(relations.begin(&a, true), Begun::New, "it has ended");
    assert_eq!((relations.outcome(&b), relations.len()), (None, 0));
}

#[test]
fn a_second_different_outcome_is_told_and_not_kept() {
    let relations = Relations::new(1 << 20);
    relations.insert(&key(1), &value(1), Epoch(1));
    let conflict = relations.insert(&key(1), &value(2), Epoch(1));
    assert_eq!(conflict, Inserted::Conflict(value(1).outcome));
    assert_eq!(relations.outcome(&key(1)), Some(value(1).outcome));
}

#[test]
fn memory_stays_within_the_capacity() {
    for capacity in [16 << 10, 1 << 20, 8 << 20] {
        let relations = Relations::new(capacity);
        // First all without notes, then ever more of them with.
        for number in 0..200_000 {
            let notes = (number % 200_000 > 100_000 + number % 3 * 40_000).then(|| key(number));
            let relation = Relation { notes, ..value(1) };
            relations.insert(&key(number), &relation, Epoch(1));
            relations.advance(Epoch(2));
            if number % 1000 == 0 {
                let bytes = relations.bytes();
                assert!(bytes <= capacity + capacity / 4, "{bytes} of {capacity}");
            }
        }
        assert!(relations.bytes() > capacity / 2, "{} of {capacity}", relations.bytes());
        let mut found = 0;
        relations.for_each(|key, relation| {
            assert_eq!(relations.get(key).as_ref(), Some(relation));
            found += 1;
        });
        assert_eq!(found, relations.len());
    }
}

#[test]
fn an_entry_takes_at_most_90_bytes() {
    let relations = Relations::new(1 << 30);
    for number in 0..300_000 {
        relations.insert(&key(number), &value(1), Epoch(1));
    }
    assert_eq!(relations.len(), 300_000);
    let each = relations.bytes() / relations.len();
    assert!(each <= 90, "{each} bytes each");
}

#[test]
fn what_is_used_outlives_what_is_not() {
    // One shard, so that the order is plain.
    let relations = Relations::new(64 << 10);
    for number in 0..500 {
        relations.insert(&key(number), &value(1), Epoch(1));
    }
    for number in 500..20_000 {
        for used in 0..50 {
            assert!(relations.outcome(&key(used)).is_some(), "{used} at {number}");
        }
        relations.insert(&key(number), &value(1), Epoch(1));
    }
    // The latest are here, the old and unused are not.
    assert!(relations.outcome(&key(19_999)).is_some());
    assert!(relations.outcome(&key(19_900)).is_some());
    assert!((50..500).all(|number| relations.outcome(&key(number)).is_none()));
}

#[test]
fn evicted_outcomes_stay_roots_until_older_jobs_are_done() {
    let relations = Relations::new(16 << 10);
    for number in 0..1000 {
        let epoch = Epoch(if number < 600 { 3 } else { 4 });
        relations.insert(&key(number as u64), &value(number), epoch);
    }
    let known: HashSet<Handle> = (0..1000)
        .filter(|&number| relations.outcome(&key(number as u64)).is_some())
        .map(|number| long(number).0)
        .collect();
    let evicted = 1000 - known.len();
    let limbo = |min_active| relations.limbo_roots(Epoch(min_active)).into_iter().collect();
    let all: HashSet<Handle> = limbo(3);
    assert_eq!(all.len(), evicted);
    assert!(all.is_disjoint(&known));
    let later: HashSet<Handle> = limbo(4);
    assert_eq!(later.len(), 400, "one insertion evicts one");
    assert!(limbo(5).is_empty());
    // As the owner advances, nothing piles up between its questions.
    relations.advance(Epoch(9));
    for number in 1000..3000 {
        relations.insert(&key(number as u64), &value(number), Epoch(8));
    }
    assert!(relations.limbo_roots(Epoch(0)).len() <= 1);
}

#[test]
fn an_eviction_with_an_epoch_of_long_ago_counts_as_of_the_latest() {
    // One shard, filled in epoch 3.
    let relations = Relations::new(16 << 10);
    relations.begin_epoch(Epoch(3));
    let mut number = 0;
    let mut insert_one = |epoch| {
        relations.insert(&key(number as u64), &value(number), epoch);
        number += 1;
        number
    };
    while insert_one(Epoch(3)) == relations.len() {}
    relations.begin_epoch(Epoch(5));
    // An epoch that has ended does not begin again.
    relations.begin_epoch(Epoch(4));
    assert!(relations.limbo_roots(Epoch(5)).is_empty(), "what was evicted in 3");
    // Each of them by a thread that read its epoch before 5 began; a job of 5
    // may hold what it evicts.
    let known = relations.len();
    insert_one(Epoch(3));
    assert_eq!(relations.limbo_roots(Epoch(5)).len(), 1);
    let mut some = None;
    relations.for_each(|key, _| some = Some(*key));
    assert!(relations.remove(&some.unwrap(), Epoch(2)).is_some());
    assert_eq!(relations.limbo_roots(Epoch(5)).len(), 2);
    relations.shed(Epoch(1));
    let left = relations.len();
    assert!(left < known);
    assert_eq!(relations.limbo_roots(Epoch(5)).len(), 1 + known - left);
    assert!(relations.limbo_roots(Epoch(6)).is_empty());
    // One that is ahead keeps its own.
    relations.shed(Epoch(8));
    assert_eq!(relations.limbo_roots(Epoch(8)).len(), left - relations.len());
}

#[test]
fn threads_see_what_others_found() {
    let relations = Relations::new(1 << 20);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let relations = &relations;
            scope.spawn(move || {
                for round in 0..5000 {
                    let number = (round * 3 + thread) % 3000;
                    let relation = value(number as usize);
                    let inserted = relations.insert(&key(number), &relation, Epoch(1));
                    assert!(!matches!(inserted, Inserted::Conflict(_)));
                    assert_eq!(relations.outcome(&key(number)), Some(relation.outcome));
                }
            });
        }
    });
    assert_eq!(relations.len(), 3000);
}

#[test]
fn roots_are_the_outcomes_and_notes_that_are_no_literals() {
    let relations = Relations::new(1 << 20);
    let literal = Relation::new(Outcome::Value(Handle::of_u64(1)), Cost::default());
    relations.insert(&key(1), &literal, Epoch(1));
    relations.insert(&key(2), &value(2), Epoch(1));
    let noted = Relation { notes: Some(long(4).0), ..value(3) };
    relations.insert(&key(3), &noted, Epoch(1));
    let fueled = Relation { cost: Cost { run_ns: 1, fuel: Some(2) }, ..literal };
    relations.insert(&key(4), &fueled, Epoch(1));
    let mut found = HashSet::new();
    relations.for_each_root(|root| assert!(found.insert(*root)));
    assert_eq!(found, HashSet::from([long(2).0, long(3).0, long(4).0]));
    relations.remove(&key(3), Epoch(1));
    found.clear();
    relations.for_each_root(|root| assert!(found.insert(*root)));
    assert_eq!(found, HashSet::from([long(2).0]));
}
