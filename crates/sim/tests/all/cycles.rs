//! What needs itself fails as a cycle, the same for each member.

use weft_eval::{FailureKind, Outcome};
use weft_sim::generate::{SHAPES, ring};
use weft_sim::oracle::{verdict, with_deep_stack};
use weft_sim::scheduler::{Settings, run};
use weft_sim::toy::write::{add, arg};

use crate::world::{apply, calmly, case, failure, number, strict, world};

#[test]
fn every_member_of_every_ring_fails_the_same_however_it_is_come_upon() {
    with_deep_stack(|| {
        for shape in 0..SHAPES {
            for size in 0..6 {
                let mut world = world();
                let members = ring(shape, size, &mut world);
                let one_by_one = members.iter().map(|member| case(world.clone(), &[*member]));
                let together = case(world.clone(), &members);
                let mut named = None;
                for case in one_by_one.chain([together]) {
                    let mut all: Vec<Outcome> = verdict(&case).outcomes;
                    for depth in [0, 1, 3, 64] {
                        all.extend(calmly(&case, depth).answers.into_values());
                    }
                    for seed in 0..8 {
                        all.extend(run(&case, seed, &Settings::rough()).answers.into_values());
                    }
                    for outcome in all {
                        let failure = failure(&outcome).clone();
                        assert_eq!(failure.kind, FailureKind::Cycle);
                        let expected = named.get_or_insert_with(|| failure.clone());
                        assert_eq!(*expected, failure, "shape {shape} of size {size}");
                    }
                }
            }
        }
    });
}

/// A ring hangs from another by its second entry, and a failure from both: what
/// is first decides for everybody.
#[test]
fn what_leads_into_a_cycle_fails_by_it_unless_something_before_it_fails() {
    with_deep_stack(|| {
        for shape in 0..SHAPES {
            let mut world = world();
            let member = ring(shape, 3, &mut world)[0];
            let fails = apply(&mut world, &weft_sim::toy::Expr::Fail(b"no".to_vec()), &[]);
            let sum = add(arg(0), arg(1));
            let after = apply(&mut world, &sum, &[strict(fails), strict(member)]);
            let before = apply(&mut world, &sum, &[strict(member), strict(fails)]);
            let beside = apply(&mut world, &sum, &[number(1), strict(before)]);
            let case = case(world, &[member, after, before, beside]);
            let expected = verdict(&case).outcomes;
            assert_eq!(failure(&expected[0]).kind, FailureKind::Cycle);
            assert_eq!(failure(&expected[1]).kind, FailureKind::Failed);
            assert_eq!(expected[2], expected[0]);
            assert_eq!(expected[3], expected[0]);
            for depth in [0, 1, 64] {
                let found: Vec<Outcome> = calmly(&case, depth).answers.into_values().collect();
                assert_eq!(found, expected, "shape {shape}, depth {depth}");
            }
        }
    });
}
