//! Ctrl-C, deadlines, and readers that go away.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::{Ran, World, ran};

const LOOP: &str = r#"(module (func (export "weft_apply") (param i32) (result i32)
    (loop $again (br $again)) (unreachable)))"#;

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

/// Waits until the store is locked, then a little, so that the evaluation runs.
fn wait_for_run(world: &World) {
    let start = Instant::now();
    while world.weft(["label", "--delete", "nothing"]).stderr.contains("no label") {
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    std::thread::sleep(Duration::from_millis(500));
}

fn end(child: Child) -> Ran {
    ran(child.wait_with_output().unwrap())
}

/// Two applications: the first is done at once, the other never.
#[test]
fn ctrl_c_keeps_what_was_found_out() {
    let world = World::new();
    world.remember();
    world.wat("loop.wasm", LOOP);
    world.guest("add.wasm");
    let expression = "[strict(apply(./add.wasm, 2u64, 3u64)), strict(apply(./loop.wasm))]";
    let child = world.start(&["eval", expression], Stdio::null());
    wait_for_run(&world);
    interrupt(&child);
    let ran = end(child);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.stderr.contains("weft: error: interrupted"), "{ran:?}");
    assert!(ran.stdout.is_empty());
    let again = world.json("apply(./add.wasm, 2u64, 3u64)");
    assert_eq!(again["cost"]["applied"], 0);
    assert_eq!(again["handle"], format!("#05{}0800", "0".repeat(58)));
    world.is_intact();
}

#[test]
fn a_deadline_ends_what_has_no_end() {
    let world = World::new();
    world.remember();
    world.wat("loop.wasm", LOOP);
    world.guest("add.wasm");
    let expression = "[strict(apply(./add.wasm, 2u64, 3u64)), strict(apply(./loop.wasm))]";
    let ran = world.weft(["eval", "--deadline", "1s", expression]);
    ran.fails(4, &["no answer: deadline: none within 1.00 s", "--deadline"]);
    assert_eq!(world.json("apply(./add.wasm, 2u64, 3u64)")["cost"]["applied"], 0);
    let object = world.weft(["eval", "--deadline", "1ms", "-o", "json", "apply(./loop.wasm)"]);
    assert_eq!(object.code, Some(4));
    let object: serde_json::Value = serde_json::from_slice(&object.stdout).unwrap();
    assert_eq!(object["no_answer"]["kind"], "deadline");
    world.is_intact();
}

/// What logs without end ends by a deadline as well.
#[test]
fn a_deadline_ends_what_logs_without_end() {
    let world = World::new();
    world.wat(
        "log.wasm",
        r#"(module (import "weft_1" "log" (func $log (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "weft_apply") (param i32) (result i32)
              (loop $more (call $log (i32.const 0) (i32.const 60000)) (br $more))
              (unreachable)))"#,
    );
    let ran = world.weft(["eval", "--deadline", "500ms", "apply(./log.wasm)"]);
    ran.fails(4, &["no answer: deadline"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    world.write("big", "line\n".repeat(1_000_000));
    let handle = world.weft(["add", "big"]).handle().to_owned();
    let mut child = world.start(&["cat", &handle], Stdio::null());
    let mut first = [0; 5];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"line\n");
    drop(stdout);
    let ran = end(child);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let world = World::new();
    world.write("big", "line\n".repeat(1000));
    let handle = world.weft(["add", "big"]).handle().to_owned();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = world.command(crate::world::WEFT).args(["cat", &handle]).stdout(full).output();
    ran(output.unwrap()).fails(1, &["cannot write the output"]);
}
