use std::sync::atomic::{AtomicBool, Ordering};

use weft_object::{Handle, Tree};
use weft_store::{Before, Content, Epoch, Memory};

use crate::scratch::{long, tree};

fn keep_none(_: &Handle) -> bool {
    false
}

#[test]
fn content_is_kept_once_under_any_handle_over_it() {
    let memory = Memory::new();
    let (name, content) = long(1);
    assert!(memory.put(&name.lower().unwrap(), content.clone(), Epoch(1)));
    assert!(!memory.put(&name, content, Epoch(1)));
    assert_eq!(memory.len(), 1);
    let found = memory.get(&name.identification().unwrap().strict().unwrap()).unwrap();
    assert_eq!(found.handle(), name);
    assert!(memory.get(&long(2).0).is_none());
}

#[test]
fn literals_are_not_kept() {
    let memory = Memory::new();
    let name = Handle::of_blob(b"short");
    let content = Content::Blob(weft_object::Blob::new(b"short".to_vec()));
    assert!(!memory.put(&name, content, Epoch(1)));
    assert!(memory.is_empty() && !memory.contains(&name));
}

#[test]
fn marking_follows_all_that_a_handle_leads_to() {
    let memory = Memory::new();
    let put = |(name, content): (Handle, Content)| {
        memory.put(&name, content, Epoch(1));
        name
    };
    let leaf = put(long(1));
    let hidden = put(long(2));
    let behind_ref = put(tree(&[hidden]));
    let argument = put(long(3));
    let definition = put(tree(&[argument]));
    let encode = definition.application().unwrap().strict().unwrap();
    let tag = Content::Tag(Tree::new([leaf, leaf, leaf]));
    let tag = put((tag.handle(), tag));
    let root = put(tree(&[leaf, behind_ref.lower().unwrap(), encode, tag]));
    let other = put(long(4));
    let absent = long(5).0;
    for _ in 0..2 {
        let mut marking = memory.marking();
        marking.reach(&root.identification().unwrap());
        marking.reach(&absent);
        assert_eq!(marking.count(), 7);
        let swept = marking.sweep(Epoch(1));
        assert_eq!(swept.objects, 0, "too young");
    }
    let mut marking = memory.marking();
    marking.reach(&root.identification().unwrap());
    assert_eq!(marking.sweep(Epoch(2)).objects, 1);
    for name in [root, leaf, behind_ref, hidden, definition, argument, tag] {
        assert!(memory.contains(&name), "{name:?}");
    }
    assert!(!memory.contains(&other));
    // What an earlier walk has marked is marked no more.
    let mut marking = memory.marking();
    marking.reach(&leaf);
    assert_eq!(marking.sweep(Epoch(2)).objects, 6);
    assert!(memory.contains(&leaf) && memory.len() == 1);
}

#[test]
fn a_chain_of_a_million_is_marked_without_recursion() {
    let memory = Memory::new();
    let mut last = Handle::of_u64(0);
    for _ in 0..1_000_000 {
        let (name, content) = tree(&[last]);
        memory.put(&name, content, Epoch(1));
        last = name;
    }
    let mut marking = memory.marking();
    marking.reach(&last);
    assert_eq!(marking.count(), 1_000_000);
    drop(marking);
    assert_eq!(memory.sweep(keep_none, Epoch(2)).objects, 1_000_000);
}

#[test]
fn a_sweep_takes_only_what_is_old_enough_of_its_sort() {
    let memory = Memory::new();
    let names: Vec<Handle> = (0..6)
        .map(|number| {
            let (name, content) = long(number);
            memory.put(&name, content, Epoch(5));
            name
        })
        .collect();
    // Put again, touched, read in an epoch: young. Then one durable.
    memory.put(&names[0], long(0).1, Epoch(7));
    assert!(memory.touch(&names[1], Epoch(7)));
    assert!(memory.get_at(&names[2], Epoch(7)).is_some());
    assert!(memory.set_durable(&names[3]));
    assert_eq!(memory.is_durable(&names[3]), Some(true));
    // An earlier epoch makes nothing older.
    memory.touch(&names[0], Epoch(1));

    assert_eq!(memory.sweep(keep_none, Epoch(5)).objects, 0);
    let durable_only = Before { volatile: Epoch(0), durable: Epoch(u64::MAX) };
    assert_eq!(memory.sweep(|name| *name == names[3], durable_only).objects, 0);
    assert_eq!(memory.sweep(keep_none, durable_only).objects, 1);
    assert!(!memory.contains(&names[3]));
    assert_eq!(memory.sweep(keep_none, Epoch(7)).objects, 2);
    assert_eq!(names.iter().filter(|name| memory.contains(name)).count(), 3);
    assert_eq!(memory.sweep(keep_none, Epoch(8)).objects, 3);
}

#[test]
fn bytes_are_those_of_content_and_tables() {
    let memory = Memory::new();
    assert_eq!(memory.bytes(), 0);
    let mut content = 0;
    for number in 0..10_000 {
        let (name, one) = long(number);
        content += one.bytes_len();
        memory.put(&name, one, Epoch(1));
    }
    let full = memory.bytes();
    assert!(full > content + 10_000 * 100, "{full} of {content}");
    assert!(full < content + 10_000 * 350, "{full} of {content}");
    let swept = memory.sweep(keep_none, Epoch(2));
    assert_eq!(swept.objects, 10_000);
    // The tables went with their entries.
    assert!(memory.bytes() < 256 * 1024, "{} left", memory.bytes());
}

#[test]
fn durable_bytes_are_what_a_sweep_of_the_durable_gives_back() {
    let memory = Memory::new();
    let names: Vec<Handle> = (0..100).map(|number| long(number).0).collect();
    let mut known = memory.durable_bytes();
    assert_eq!(known, 0);
    let mut grown = |memory: &Memory| {
        let before = std::mem::replace(&mut known, memory.durable_bytes());
        known > before
    };
    for (number, name) in names.iter().enumerate() {
        if number < 60 {
            assert!(memory.put(name, long(number).1, Epoch(1)));
            assert!(!grown(&memory), "volatile");
        } else {
            assert!(memory.put_durable(name, long(number).1, Epoch(1)));
            assert!(grown(&memory));
        }
    }
    for number in 0..20 {
        assert!(memory.set_durable(&names[number]));
        assert!(grown(&memory));
        assert!(!memory.put_durable(&names[20 + number], long(20 + number).1, Epoch(1)));
        assert!(grown(&memory));
    }
    // Each counts once, and durable stays durable.
    for (number, name) in names.iter().enumerate().take(40) {
        assert!(memory.set_durable(name));
        assert!(!memory.put_durable(name, long(number).1, Epoch(1)));
        assert!(!memory.put(name, long(number).1, Epoch(1)));
        assert!(!grown(&memory));
    }
    let durable = memory.durable_bytes();
    let volatile_only = Before { volatile: Epoch(2), durable: Epoch(0) };
    assert_eq!(memory.sweep(|name| *name != names[40], volatile_only).objects, 1);
    assert_eq!(memory.durable_bytes(), durable);
    let durable_only = Before { volatile: Epoch(0), durable: Epoch(u64::MAX) };
    let one = memory.sweep(|name| *name != names[0], durable_only);
    assert_eq!((one.objects, memory.durable_bytes()), (1, durable - one.bytes));
    let all = memory.sweep(keep_none, durable_only);
    assert_eq!((all.objects, all.bytes), (79, durable - one.bytes));
    assert_eq!(memory.durable_bytes(), 0);
    assert_eq!(memory.len(), 20 - 1);
}

#[test]
fn two_thousand_rounds_on_each_of_four_threads_with_sweeps_between() {
    let memory = Memory::new();
    let kept: Vec<Handle> = (0..100).map(|number| long(number).0).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|thread| {
                let memory = &memory;
                scope.spawn(move || {
                    for round in 0..2000 {
                        let (name, content) = long((round * 7 + thread * 13) % 400);
                        memory.put(&name, content, Epoch(10));
                        if let Some(found) = memory.get(&name) {
                            assert_eq!(found.handle(), name);
                        }
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                memory.sweep(|name| kept.contains(name), Epoch(11));
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(kept.iter().all(|name| memory.contains(name)));
    memory.sweep(|name| kept.contains(name), Epoch(11));
    assert_eq!(memory.len(), 100);
}

#[test]
fn a_panic_in_a_closure_leaves_the_tier_usable() {
    let memory = Memory::new();
    let (name, content) = long(1);
    memory.put(&name, content, Epoch(1));
    let sweep = std::panic::AssertUnwindSafe(|| {
        memory.sweep(|_| panic!("a broken collector"), Epoch(9));
    });
    assert!(std::panic::catch_unwind(sweep).is_err());
    assert!(memory.contains(&name));
}

#[test]
fn what_somebody_holds_stays_with_all_below_it_until_the_holder_ends() {
    let memory = Memory::new();
    let (blob, bytes) = long(1);
    let tree = weft_object::Tree::new([blob, Handle::of_u64(1)]);
    let name = tree.handle();
    let holder = memory.begin_holder();
    let other = memory.begin_holder();
    let epoch = || Epoch(1);
    // The Blob is nobody's: the Tree alone is held.
    assert!(memory.put(&blob, bytes.clone(), Epoch(1)));
    assert_eq!(memory.put_for(&name, Content::Tree(tree.clone()), epoch, holder).ok(), Some(true));
    assert_eq!(memory.put_for(&name, Content::Tree(tree.clone()), epoch, holder).ok(), Some(false));
    // What one holds another cannot, and is told so.
    let refused = memory.put_for(&name, Content::Tree(tree.clone()), epoch, other);
    assert_eq!(refused.unwrap_err().handle(), name);

    let collect = || {
        let mut marking = memory.marking();
        marking.reach_held();
        marking.sweep(Epoch(9)).objects
    };
    for _ in 0..3 {
        assert_eq!(collect(), 0);
    }
    memory.end_holder(other);
    assert_eq!(collect(), 0);
    memory.end_holder(holder);
    // It can be another's from now on, and what was there is.
    let next = memory.begin_holder();
    assert_eq!(memory.put_for(&blob, bytes, epoch, next).ok(), Some(false));
    assert_eq!(collect(), 1);
    assert!(memory.contains(&blob) && !memory.contains(&name));
    assert_eq!(memory.put_for(&Handle::of_u64(1), long(2).1, epoch, next).ok(), Some(false));
}

#[test]
fn the_order_of_slots_is_no_matter_to_what_is_found() {
    let memory = Memory::new();
    let names: Vec<Handle> = (0..20_000).map(|number| long(number).0).collect();
    for round in 0..6_u64 {
        for (number, name) in names.iter().enumerate() {
            memory.put(name, long(number).1, Epoch(round));
        }
        // Few of them and many of them, which is done in another way.
        let gone = |name: &Handle| name.as_bytes()[0] % 16 <= (round % 3 * 6) as u8;
        let taken = names.iter().filter(|name| gone(name)).count() as u64;
        assert_eq!(memory.sweep(|name| !gone(name), Epoch(9)).objects, taken);
        assert_eq!(memory.len(), 20_000 - taken);
        for (number, name) in names.iter().enumerate() {
            let found = memory.get(name).map(|content| content.handle());
            assert_eq!(found, (!gone(name)).then_some(*name), "{number} in round {round}");
        }
    }
}
