//! Ctrl-C, deadlines, and readers that go away.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::world::{Ran, World, ran};

const LOOP: &str = r#"(module (func (export "weft_apply") (param i32) (result i32)
    (loop $again (br $again)) (unreachable)))"#;

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

/// Waits until these many modules are compiled: then there is a node, and it
/// runs, but for a moment, what can be run.
fn wait_for_modules(world: &World, modules: usize) {
    let compiled = || {
        let found = fs::read_dir(world.path("home/.cache/weft/artifacts"));
        found.map_or(0, |found| {
            let names = found.flatten().map(|entry| entry.file_name());
            names.filter(|name| name.to_string_lossy().ends_with(".seal")).count()
        })
    };
    let start = Instant::now();
    while compiled() < modules {
        assert!(start.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(Duration::from_millis(300));
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
    wait_for_modules(&world, 2);
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

/// Nothing is known about what was interrupted: it runs when it is asked for.
#[test]
fn ctrl_c_is_no_answer_that_is_kept() {
    let world = World::new();
    world.wat("loop.wasm", LOOP);
    let child = world
        .start(&["eval", "-o", "json", "apply{fuel: 100000000000}(./loop.wasm)"], Stdio::null());
    wait_for_modules(&world, 1);
    interrupt(&child);
    assert_eq!(end(child).code, Some(130));
    world.eval("apply{fuel: 1000}(./loop.wasm)").fails(4, &["out of fuel"]);
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

/// In the middle of writing a directory: what was written is removed.
#[test]
fn ctrl_c_leaves_nothing_of_a_get() {
    let world = World::new();
    for directory in 0..100 {
        for file in 0..100 {
            world.write(format!("d/{directory}/{file}"), "some text of more than thirty bytes");
        }
    }
    let handle = world.weft(["add", "d"]).handle().to_owned();
    let child = world.start(&["get", &handle, "out"], Stdio::null());
    let begun = || {
        fs::read_dir(world.path(""))
            .unwrap()
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(".weft-new-"))
    };
    let start = Instant::now();
    while !begun() && start.elapsed() < Duration::from_secs(60) {}
    interrupt(&child);
    let ran = end(child);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.stderr.contains("interrupted; nothing was written"), "{ran:?}");
    assert!(!begun() && !world.path("out").exists());
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
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = world.command(crate::world::WEFT).args(["cat", &handle]).stdout(full).output();
    ran(output.unwrap()).fails(1, &["cannot write the output"]);
}
