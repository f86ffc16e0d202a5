//! The plan against a world in which recipes can really be run.

mod world;

use proptest::prelude::*;
use weft_object::Handle;

use super::Collected;
use super::graph::Graph;
use super::plan::{Aim, plan};
use crate::{Cost, Outcome, Relation};
use world::{Circles, World};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_wanted_is_kept_or_can_be_computed(seed in any::<u64>()) {
        let mut world = World::new(seed, Circles::Some);
        for _ in 0..4 {
            world.live();
            let budget_bytes = world.some_budget();
            world.collect(budget_bytes);
            world.check();
        }
    }

    #[test]
    fn a_budget_is_met_when_it_can_be_met(seed in any::<u64>()) {
        let mut world = World::new(seed, Circles::None);
        for _ in 0..3 {
            world.live();
            let budget_bytes = world.some_budget();
            let collected = world.collect(budget_bytes);
            world.check();
            match collected.over_bytes() {
                0 => {}
                _ => world.check_that_nothing_more_can_go(),
            }
        }
    }
}

fn blob(number: u8, bytes: usize) -> Handle {
    Handle::of_blob(&vec![number; bytes])
}

/// A graph made by hand.
#[derive(Default)]
struct Hand {
    graph: Graph,
    place: u64,
}

impl Hand {
    fn blob(&mut self, number: u8, bytes: u64) -> Handle {
        let name = blob(number, 40);
        self.graph.object(&name, bytes, [].iter());
        name
    }

    fn tree(&mut self, entries: &[Handle], bytes: u64) -> Handle {
        let name = Handle::of_tree(entries);
        self.graph.object(&name, bytes, entries.iter());
        name
    }

    /// `apply(function, inputs) -> outcome`, its key.
    fn ran(&mut self, function: u64, inputs: &[Handle], outcome: Handle, run_ns: u64) -> Handle {
        let mut entries = vec![Handle::EMPTY, Handle::of_u64(function)];
        entries.extend_from_slice(inputs);
        let key = self.tree(&entries, 8);
        let relation = Relation::new(Outcome::Value(outcome), Cost { run_ns, fuel: None });
        self.place += 1;
        self.graph.relation(&key, &relation, true, 8, self.place);
        key
    }

    fn dropped(&self, roots: &[Handle], budget_bytes: u64) -> (Vec<u32>, Collected) {
        let aim = Aim {
            fixed_bytes: 0,
            budget_bytes: Some(budget_bytes),
            record_bytes: 1,
            worth_bytes: 1,
        };
        let plan = plan(&self.graph, roots, &[], &aim);
        (plan.dropped.keys().copied().collect(), plan.collected(&self.graph, &aim))
    }

    fn number(&self, handle: &Handle) -> u32 {
        self.graph.find(handle).unwrap()
    }
}

#[test]
fn of_an_archive_and_its_files_one_stays() {
    let mut hand = Hand::default();
    let (one, two) = (hand.blob(1, 4000), hand.blob(2, 4000));
    let files = hand.tree(&[one, two], 80);
    let archive = hand.blob(3, 5000);
    let zip = hand.ran(1, &[files], archive, 10);
    let unzip = hand.ran(2, &[archive], files, 10);
    let roots = [files, archive, zip, unzip];
    // The files were there first, so they are what stays.
    let (dropped, collected) = hand.dropped(&roots, 0);
    assert_eq!(dropped, [hand.number(&archive)]);
    assert_eq!(collected.dropped.bytes, 5000);
    // With the archive dropped and the files unpacked from it in another order,
    // the archive still waits for the files: they stay.
    hand.graph = {
        let mut again = Hand::default();
        let (one, two) = (again.blob(1, 4000), again.blob(2, 4000));
        again.tree(&[one, two], 80);
        again.ran(2, &[archive], files, 10);
        again.ran(1, &[files], archive, 10);
        again.graph.gone(&archive, &zip);
        again.graph
    };
    let (dropped, collected) = hand.dropped(&roots, 0);
    assert!(dropped.is_empty(), "{dropped:?}");
    assert_eq!((collected.dropped.bytes, collected.over_bytes() > 8000), (0, true));
}

#[test]
fn what_is_cheap_for_its_bytes_goes_first() {
    let mut hand = Hand::default();
    let sizes = [(1, 1000, 1000), (2, 1000, 10), (3, 8000, 100), (4, 50, 1)];
    let results: Vec<Handle> = sizes
        .iter()
        .map(|(number, bytes, run_ns)| {
            let result = hand.blob(*number, *bytes);
            hand.ran(u64::from(*number), &[], result, *run_ns);
            result
        })
        .collect();
    let all = hand.dropped(&results, u64::MAX).1.after_bytes;
    let order = [1, 2, 3, 0].map(|at: usize| hand.number(&results[at]));
    let mut left = all;
    for (count, went) in [(1, 1000), (2, 9000), (3, 9050), (4, 10050)] {
        let (dropped, collected) = hand.dropped(&results, left - 1);
        let mut expected = order[..count].to_vec();
        expected.sort_unstable();
        assert_eq!(dropped, expected);
        assert_eq!(collected.dropped.bytes.next_multiple_of(8), u64::next_multiple_of(went, 8));
        left = collected.after_bytes;
    }
}

#[test]
fn a_relation_that_somebody_else_vouches_for_is_no_recipe() {
    let mut hand = Hand::default();
    let result = hand.blob(1, 1000);
    let key = hand.tree(&[Handle::EMPTY, Handle::of_u64(1)], 8);
    let relation = Relation::new(Outcome::Value(result), Cost::default());
    hand.graph.relation(&key, &relation, false, 8, 1);
    assert!(hand.dropped(&[result], 0).0.is_empty());
    hand.graph.relation(&key, &relation, true, 8, 2);
    assert_eq!(hand.dropped(&[result], 0).0, [hand.number(&result)]);
}

#[test]
fn small_things_and_trees_stay() {
    let mut hand = Hand::default();
    let parts: Vec<Handle> = (0..9).map(|number| hand.blob(number, 48 << number)).collect();
    let result = hand.tree(&parts, 9000);
    hand.ran(1, &[], result, 5);
    let aim = Aim { fixed_bytes: 0, budget_bytes: Some(0), record_bytes: 100, worth_bytes: 1000 };
    let plan = plan(&hand.graph, &[result], &[], &aim);
    let dropped: Vec<u32> = plan.dropped.keys().copied().collect();
    assert_eq!(dropped, parts[5..].iter().map(|part| hand.number(part)).collect::<Vec<_>>());
    let left = 48 * 31 + 9000 + 8 + 8 + 400;
    let collected = plan.collected(&hand.graph, &aim);
    assert_eq!((collected.after_bytes, collected.over_bytes()), (left, left));
}

#[test]
fn computations_go_only_when_that_is_not_enough_and_no_root_reaches_them() {
    let mut hand = Hand::default();
    let results: Vec<Handle> = (1..=3).map(|number| hand.blob(number, 1000)).collect();
    let input = hand.blob(9, 2000);
    let keys: Vec<Handle> =
        (0..3).map(|at| hand.ran(at as u64, &[input], results[at], 100 * at as u64)).collect();
    // The first is asked for by name, as a computation.
    let roots = [keys[0]];
    let (dropped, collected) = hand.dropped(&roots, 3100);
    assert_eq!((dropped.len(), collected.relations), (2, 0));
    let (dropped, collected) = hand.dropped(&roots, 0);
    assert_eq!(dropped, [hand.number(&results[0])]);
    assert_eq!((collected.relations, collected.dropped.bytes), (2, 1000));
    assert_eq!(collected.after_bytes, 2000 + 8 + 8 + 1, "input, key, relation and a note");
}
