//! Compiled modules in the user's cache, among processes.

use std::process::{Child, Stdio};

use crate::world::{Ran, WEFT, World, ran};

/// A function that gives its number.
fn numbered(world: &World, number: u64) -> String {
    let name = format!("numbered-{number}.wasm");
    let text = format!(
        "(module (import \"weft_1\" \"u64_blob\" (func $u64_blob (param i64) (result i32)))
          (func (export \"weft_apply\") (param i32) (result i32)
            (call $u64_blob (i64.const {number}))))"
    );
    world.wat(&name, &text);
    name
}

fn start(world: &World, max: &str, arguments: &[&str]) -> Child {
    let mut command = world.command(WEFT);
    command.args(arguments).env("WEFT_CACHE_MAX", max).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn weft(world: &World, max: &str, arguments: &[&str]) -> Ran {
    ran(start(world, max, arguments).wait_with_output().unwrap())
}

fn stat(world: &World, max: &str) -> serde_json::Value {
    serde_json::from_str(weft(world, max, &["stat", "-o", "json"]).text()).unwrap()
}

#[test]
fn compiled_modules_of_many_processes_stay_within_a_bound() {
    let world = World::new();
    let max = "256KiB";
    for round in 0..4 {
        let numbers: Vec<u64> = (6 * round..6 * round + 6).collect();
        let started: Vec<_> = numbers
            .iter()
            .map(|number| {
                let expression = format!("apply(./{})", numbered(&world, *number));
                start(&world, max, &["eval", "--quiet", &expression])
            })
            .collect();
        for (child, number) in started.into_iter().zip(numbers) {
            let ran = ran(child.wait_with_output().unwrap());
            assert_eq!(ran.text(), format!("{number}u64\n"));
        }
    }
    // Who found another at it has left it to the next one.
    let last = format!("apply(./{})", numbered(&world, 100));
    weft(&world, max, &["eval", &last]).ok();
    let told = stat(&world, max);
    let number = |name: &str| told[name].as_u64().unwrap();
    assert_eq!(number("compiled_max_bytes"), 256 << 10);
    assert!(number("compiled_bytes") <= 256 << 10, "{told}");
    assert!((1..25).contains(&number("compiled")), "{told}");
}

#[test]
fn what_cannot_be_a_bound_is_told_and_changes_nothing() {
    let world = World::new();
    let expression = format!("apply(./{})", numbered(&world, 1));
    let evaluated = weft(&world, "much", &["eval", &expression]);
    assert_eq!(evaluated.code, Some(0));
    assert_eq!(evaluated.stdout, b"1u64\n");
    let words = "weft: warning: WEFT_CACHE_MAX is much, which is not heeded: a size is";
    assert!(evaluated.stderr.contains(words), "{evaluated:?}");
    for max in ["much", ""] {
        let told = stat(&world, max);
        assert_eq!(told["compiled_max_bytes"], 8_u64 << 30);
        assert_eq!(told["compiled"], 1);
    }
    let text = weft(&world, "20GiB", &["stat"]).text().to_owned();
    let line = text.lines().find(|line| line.starts_with("compiled ")).unwrap();
    assert!(line.ends_with(" of 20.0 GiB, 1 artifact of modules and images"), "{line}");
}
