//! The function language does what its documentation says.

use proptest::prelude::*;
use weft_eval::{Application, FailureKind, Hints, NoAnswerKind, Outcome};
use weft_object::{Handle, Tree};
use weft_sim::toy::write::{add, arg, number, tree};
use weft_sim::toy::{Expr, MAGIC, Ran, run};
use weft_sim::world::World;

fn application(world: &mut World, procedure: Vec<u8>, arguments: &[Handle]) -> Application {
    let mut entries = vec![Handle::of_blob(b""), world.put_blob(procedure)];
    entries.extend(arguments);
    let handle = world.put_tree(entries.clone());
    let (tree, hints) = (Tree::new(entries), Hints::default());
    Application { handle, tree, memory_limit_bytes: 0, hints }
}

fn go(world: &World, application: &Application) -> Ran {
    run(application, |handle| world.content.get(&handle).cloned())
}

fn kind(ran: &Ran) -> FailureKind {
    match &ran.outcome {
        Outcome::Failure(failure) => failure.kind,
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn only_what_the_result_reaches_is_kept() {
    let mut world = World::new(0);
    let (kept, gone) = (vec![b'k'; 50], vec![b'g'; 50]);
    // A Blob is made, and only its length is returned; another hides in a Thunk.
    let measured = Expr::Length(Box::new(Expr::Bytes(gone)));
    let hidden = Expr::Application(Box::new(tree([Expr::Bytes(kept.clone())])));
    let application = application(&mut world, tree([measured, hidden]).procedure(), &[]);
    let ran = go(&world, &application);
    let made: Vec<Handle> = ran.made.iter().map(|(handle, _)| *handle).collect();
    let inner = Handle::of_tree(&[Handle::of_blob(&kept)]);
    assert_eq!(made.len(), 3);
    assert!(made.contains(&Handle::of_blob(&kept)) && made.contains(&inner));
    assert!(made.contains(&ran.outcome.value().unwrap()));
}

#[test]
fn what_is_no_program_is_a_bad_module() {
    let mut world = World::new(0);
    for bytes in [&b"x"[..], b"t:", b"t:lx", b"t:b\x09abc", b"t:?l", b"t:\xff", &[0x80; 40]] {
        let application = application(&mut world, bytes.to_vec(), &[]);
        assert_eq!(kind(&go(&world, &application)), FailureKind::BadModule, "{bytes:?}");
    }
}

#[test]
#[should_panic(expected = "is not resident")]
fn a_run_without_its_footprint_is_a_mistake_of_whoever_runs_it() {
    let mut world = World::new(0);
    let blob = Handle::of_blob(&[1; 99]);
    let application = application(&mut world, number(1).procedure(), &[blob]);
    let _ = go(&world, &application);
}

#[test]
fn fuel_counts_only_where_it_is_given() {
    let mut world = World::new(0);
    let program = Expr::Fuel(10, Box::new(number(1)));
    let mut application = application(&mut world, program.procedure(), &[]);
    assert_eq!(go(&world, &application).outcome.value(), Some(Handle::of_u64(1)));
    application.hints.fuel = Some(9);
    let Outcome::NoAnswer(reason) = go(&world, &application).outcome else { panic!() };
    assert_eq!(reason.kind, NoAnswerKind::OutOfFuel);
    application.hints.fuel = Some(10);
    assert_eq!(go(&world, &application).outcome.value(), Some(Handle::of_u64(1)));
}

fn exprs() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        Just(Expr::Limits),
        Just(Expr::Itself),
        Just(Expr::Whole),
        any::<u8>().prop_map(arg),
        any::<u64>().prop_map(number),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Expr::Bytes),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Expr::Fail),
        Just(Expr::Trap),
        Just(Expr::Exhaust),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let one = inner.clone().prop_map(Box::new);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Expr::Tree),
            one.clone().prop_map(Expr::Application),
            one.clone().prop_map(Expr::Identification),
            one.clone().prop_map(Expr::Selection),
            one.clone().prop_map(Expr::Strict),
            one.clone().prop_map(Expr::Shallow),
            one.clone().prop_map(Expr::Lower),
            one.clone().prop_map(Expr::Length),
            one.clone().prop_map(Expr::Sum),
            one.clone().prop_map(Expr::Dec),
            (any::<u64>(), one.clone()).prop_map(|(fuel, then)| Expr::Fuel(fuel, then)),
            (inner.clone(), inner).prop_map(|(a, b)| add(a, b)),
            (one.clone(), one.clone()).prop_map(|(a, b)| Expr::Get(a, b)),
            (one.clone(), one.clone()).prop_map(|(a, b)| Expr::Tag(a, b)),
            (one.clone(), one.clone(), one).prop_map(|(a, b, c)| Expr::IfZero(a, b, c)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A program is read as it was written, and whatever it does, it ends.
    #[test]
    fn programs_are_read_as_written(expr in exprs()) {
        let bytes = expr.procedure();
        prop_assert!(bytes.starts_with(MAGIC));
        let mut world = World::new(0);
        let application = application(&mut world, bytes, &[Handle::of_u64(3)]);
        let ran = go(&world, &application);
        if let Outcome::Failure(failure) = &ran.outcome {
            prop_assert_ne!(failure.kind, FailureKind::BadModule);
        }
    }

    /// Whatever the bytes, running them ends.
    #[test]
    fn any_bytes_end(mut bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        bytes.splice(0..0, *MAGIC);
        let mut world = World::new(0);
        let application = application(&mut world, bytes, &[]);
        let _ = go(&world, &application);
    }
}
