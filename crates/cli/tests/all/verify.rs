//! Computing again what is known.

use std::ops::ControlFlow;

use weft_object::{Handle, Kind};
use weft_store::{Backend, FileBackend, Mode, Outcome, Relation};

use crate::world::World;

const FIB: &str = "apply(./fib.wasm, ./add.wasm, 20u64)";

fn known() -> World {
    let world = World::new();
    world.guest("add.wasm");
    world.guest("fib.wasm");
    assert_eq!(world.eval(FIB).text(), "6765u64\n");
    world
}

/// Has the store say that what came to one number came to another; the key.
fn plant(world: &World, right: u64, wrong: u64) -> Handle {
    let store = FileBackend::open(&world.path(".weft"), Mode::Write).unwrap();
    let mut found = None;
    store
        .each_relation(&mut |key, relation| {
            let is_it = relation.outcome == Outcome::Value(Handle::of_u64(right));
            if is_it && key.kind() == Kind::Tree {
                found = Some((*key, *relation));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    let (key, known) = found.unwrap();
    let wrong = Relation { outcome: Outcome::Value(Handle::of_u64(wrong)), ..known };
    store.put_relations(&[(key, wrong)]).unwrap();
    store.sync().unwrap();
    key
}

#[track_caller]
fn agrees(ran: &crate::world::Ran, many: &str) {
    let first = ran.text().lines().next().unwrap().to_owned();
    assert_eq!(first, format!("{many} ran again, and agree"));
}

fn verify(world: &World, arguments: &[&str]) -> crate::world::Ran {
    world.weft([&["verify", "--quiet"], arguments].concat())
}

#[test]
fn what_is_right_agrees_by_any_name() {
    let world = known();
    // 21 of `fib`, 19 of `add`.
    agrees(&verify(&world, &[FIB]), "40 applications");
    world.weft(["label", "sum", FIB]).ok();
    agrees(&verify(&world, &["@sum"]), "40 applications");
    // Of the result, what came to it last: the request or its last addition.
    assert!(verify(&world, &["6765u64"]).text().contains("ran again, and agree\n"));
    let object = verify(&world, &["-o", "json", FIB]);
    let object: serde_json::Value = serde_json::from_slice(&object.ok().stdout).unwrap();
    assert_eq!((&object["agreed"], &object["left_out"]), (&40.into(), &0.into()));
}

#[test]
fn a_sample_says_what_it_left_out() {
    let world = known();
    let ran = verify(&world, &["--sample", "0.0001%", FIB]);
    agrees(&ran, "1 application");
    assert!(ran.text().ends_with("      39 known: were not in the sample\n"), "{ran:?}");
}

#[test]
fn a_relation_planted_wrong_is_found_and_repaired() {
    let world = known();
    world.remember();
    let key = plant(&world, 6765, 6766);
    // The answer that the store keeps was right, and is not looked at again.
    assert_eq!(world.eval(FIB).text(), "6765u64\n");
    let ran = verify(&world, &[FIB]);
    assert_eq!(ran.code, Some(6), "{ran:?}");
    let text = String::from_utf8(ran.stdout.clone()).unwrap();
    let lines = [
        "39 applications ran again, and agree",
        "  stored 6766u64",
        "   found 6765u64",
        &format!("    look weft replay #{key}"),
    ];
    for line in lines {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(ran.stderr.starts_with("weft: error: "), "{ran:?}");
    assert!(ran.stderr.contains("`--repair`"), "{ran:?}");

    let object = verify(&world, &["-o", "json", FIB]);
    assert_eq!(object.code, Some(6));
    let object: serde_json::Value = serde_json::from_slice(&object.stdout).unwrap();
    assert_eq!(object["disagreed"][0]["key"], format!("#{key}"));
    assert_eq!(object["disagreed"][0]["found_is"], "value");

    let repaired = verify(&world, &["--repair", FIB]);
    assert!(repaired.text().contains("repaired: what was found is in its place"), "{repaired:?}");
    agrees(&verify(&world, &[FIB]), "40 applications");
    world.is_intact();
}

#[test]
fn answers_that_follow_from_what_was_wrong_are_repaired_too() {
    let world = World::new();
    world.guest("add.wasm");
    let inner = "strict(apply(./add.wasm, 20u64, 30u64))";
    world.eval("apply(./add.wasm, 20u64, 30u64)").ok();
    plant(&world, 50, 51);
    let other = format!("apply(./add.wasm, 1u64, {inner})");
    assert_eq!(world.eval(&other).text(), "52u64\n");
    let repaired = verify(&world, &["--repair", "apply(./add.wasm, 20u64, 30u64)"]);
    assert!(repaired.text().contains("answers changed that follow: 1"), "{repaired:?}");
    assert_eq!(world.eval(&other).text(), "51u64\n");
}

#[test]
fn what_cannot_be_compared_is_no_success() {
    let world = World::new();
    world.remember();
    world.guest("add.wasm");
    let unknown = verify(&world, &["apply(./add.wasm, 1u64, 2u64)"]);
    assert_eq!(unknown.code, Some(5), "{unknown:?}");
    assert!(unknown.stderr.contains("`weft eval` it first"), "{unknown:?}");
    verify(&world, &["@kept"]).fails(5, &["does not know what made", "name the computation"]);
    verify(&world, &["--sample", "0%", "@kept"]).fails(2, &["above 0%"]);
    world.is_intact();
}

#[test]
fn a_failure_is_verified_as_a_value_is() {
    let world = World::new();
    world.guest("add.wasm");
    let request = "apply(./add.wasm, 1u64)";
    assert_eq!(world.eval(request).code, Some(3));
    agrees(&verify(&world, &[request]), "1 application");
}
