//! What a program looked at, and that it does not run for anything else.

use std::fs;

use serde_json::{Value, json};

use crate::world::World;

/// Prints the first `x.h` that is in `near` or `far`; its exit code is how many
/// it missed.
const FIRST: &str = r#"(module
    (import "wasi_snapshot_preview1" "path_open" (func $open
      (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 100) "near/x.h")
    (data (i32.const 200) "far/x.h")
    (func $try (param $path i32) (param $len i32) (param $missed i32)
      (if (call $open (i32.const 3) (i32.const 1) (local.get $path) (local.get $len)
            (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0))
        (then (return)))
      (i32.store (i32.const 8) (i32.const 4096))
      (i32.store (i32.const 12) (i32.const 4096))
      (drop (call $read (i32.load (i32.const 0)) (i32.const 8) (i32.const 1) (i32.const 4)))
      (i32.store (i32.const 12) (i32.load (i32.const 4)))
      (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))
      (call $exit (local.get $missed)))
    (func (export "_start")
      (call $try (i32.const 100) (i32.const 8) (i32.const 0))
      (call $try (i32.const 200) (i32.const 7) (i32.const 1))
      unreachable))"#;

const RUN: [&str; 6] = ["run", "-q", "--label", "x", "--dir", "dir:/dir"];

fn world() -> World {
    let world = World::new();
    world.wat("first.wasm", FIRST);
    world.write("dir/near/y.h", "y");
    world.write("dir/far/x.h", "far away");
    world.write("dir/beside", "before");
    world
}

fn explained(world: &World) -> String {
    let explain = [&RUN[..], &["--explain", "first.wasm"]].concat();
    let ran = world.weft(explain);
    assert_eq!((ran.code, &*ran.stderr), (Some(1), ""), "it ends as the program does");
    String::from_utf8(ran.stdout).unwrap()
}

const RAN: &str = "it ran\n";
const KNOWN: &str = "it did not run: this very run is known\n";
const MATCHED: &str = "it did not run: nothing that it looks at is different from an earlier run\n";
const LOOKED: &str = "\
absent              /dir/near/x.h
read           8 B  /dir/far/x.h
and 2 directories on the way
";

#[test]
fn it_runs_again_for_what_it_looked_at_alone() {
    let world = world();
    assert_eq!(explained(&world), format!("{RAN}{LOOKED}"));
    assert_eq!(explained(&world), format!("{KNOWN}{LOOKED}"));
    world.write("dir/beside", "after");
    world.write("dir/near/z.h", "z");
    assert_eq!(explained(&world), format!("{MATCHED}{LOOKED}"));
    assert_eq!(explained(&world), format!("{KNOWN}{LOOKED}"));
    // The program's own words are those of the run before.
    world.write("dir/beside", "at last");
    let ran = world.weft([&RUN[..], &["first.wasm"]].concat());
    assert_eq!((ran.code, &*ran.stdout), (Some(1), &b"far away"[..]));
    world.write("dir/far/x.h", "farther away");
    let looked = LOOKED.replace("  8 B", " 12 B");
    assert_eq!(explained(&world), format!("{RAN}{looked}"));
    // Neither a collection nor a look at every byte minds what was kept for it.
    world.weft(["gc", "-q"]).ok();
    world.weft(["fsck", "-q"]).ok();
    world.write("dir/beside", "and again");
    assert_eq!(explained(&world), format!("{MATCHED}{looked}"));
    let again = world.weft(["verify", "@x"]);
    assert!(again.text().starts_with("1 application ran again, and agree"), "{again:?}");
}

fn why(world: &World) -> (String, Value) {
    let text = world.weft(["why", "-q", "@x"]).text().to_owned();
    let object = world.weft(["why", "-q", "-o", "json", "@x"]);
    let object: Value = serde_json::from_str(object.text()).unwrap();
    (text, object["earlier"]["programs"][0]["seen"].clone())
}

#[test]
fn why_says_what_it_ran_again_for() {
    let world = world();
    explained(&world);
    world.write("dir/beside", "after");
    explained(&world);
    let (text, seen) = why(&world);
    let nothing = "\n  nothing that it looked at is different\n";
    assert!(text.contains(nothing), "{text}");
    assert!(text.contains("\ndifferent from the time before as @x, "), "{text}");
    assert_eq!(seen, json!([]));

    let changes: [(&dyn Fn(), &str, &str); 4] = [
        (&|| _ = world.write("dir/far/x.h", "farther"), "/dir/far/x.h", "changed"),
        (&|| _ = world.write("dir/near/x.h", "nearer"), "/dir/near/x.h", "appeared"),
        (&|| fs::remove_file(world.path("dir/near/x.h")).unwrap(), "/dir/near/x.h", "is gone"),
        (&|| fs::remove_dir_all(world.path("dir/near")).unwrap(), "/dir/near", "is gone"),
    ];
    for (change, path, what) in changes {
        change();
        world.weft([&RUN[..], &["first.wasm"]].concat());
        let (text, seen) = why(&world);
        let because = format!("\n  of what it looked at, this is different:\n    {path} {what}\n");
        assert!(text.contains(&because), "{because}: {text}");
        assert_eq!(seen, json!([{ "path": path, "what": what }]));
    }
}

/// What it prints is no input of anything, so it may be dropped.
fn with_padding(world: &World) {
    let length = "(i32.store (i32.const 12) (i32.load (i32.const 4)))";
    let padded = FIRST.replace(length, "(i32.store (i32.const 12) (i32.const 50000))");
    assert_ne!(padded, FIRST);
    world.wat("first.wasm", &padded);
}

fn stat(world: &World, name: &str) -> u64 {
    let stat = world.weft(["stat", "-o", "json"]).ok().text().to_owned();
    serde_json::from_str::<Value>(&stat).unwrap()[name].as_u64().unwrap()
}

#[test]
fn what_a_budget_takes_of_it_is_made_again() {
    let world = world();
    with_padding(&world);
    let prints = |far: &str| {
        let ran = world.weft([&RUN[..], &["first.wasm"]].concat());
        assert_eq!((ran.code, &*ran.stderr), (Some(1), ""));
        let mut wanted = far.as_bytes().to_vec();
        wanted.resize(50_000, 0);
        assert!(ran.stdout == wanted, "{far}: {}", ran.stdout.len());
    };
    let beside = |text: &str| _ = world.write("dir/beside", text);
    prints("far away");
    // The text goes, and no root reaches the steps; the run itself is labeled.
    world.weft(["gc", "-q", "--budget", "1"]).ok();
    assert_eq!((stat(&world, "dropped"), stat(&world, "relations")), (1, 1));
    prints("far away");
    // A budget stays set.
    world.weft(["gc", "-q", "--no-budget"]).ok();
    beside("after");
    prints("far away");
    // An end of which the text is dropped.
    let most = stat(&world, "file_bytes") - 40_000;
    world.weft(["gc", "-q", "--budget", &most.to_string()]).ok();
    assert_eq!(stat(&world, "dropped"), 1);
    assert!(stat(&world, "relations") > 2);
    beside("after that");
    prints("far away");
    // Nobody holds any of it: all that is known goes, steps included.
    world.weft(["label", "--delete", "x"]).ok();
    for pin in world.weft(["pins"]).ok().text().lines() {
        world.weft(["unpin", &pin[..65]]).ok();
    }
    world.weft(["gc", "-q", "--budget", "1"]).ok();
    assert_eq!((stat(&world, "dropped"), stat(&world, "relations")), (0, 0));
    beside("at last");
    prints("far away");
    world.write("dir/far/x.h", "farther away");
    prints("farther away");
    world.weft(["fsck", "-q"]).ok();
}

#[test]
fn programs_get_what_it_looked_at_as_an_object() {
    let world = world();
    let explain = ["run", "-q", "--dir", "dir:/dir", "--explain", "-o", "json", "first.wasm"];
    let object: Value = serde_json::from_slice(&world.weft(explain).stdout).unwrap();
    assert_eq!((&object["exit"], &object["ran"]), (&json!(1), &json!(true)));
    let places = object["places"].as_array().unwrap();
    assert_eq!(
        places[1],
        json!({"path": "/dir/near/x.h", "asked": "kind", "found": null, "length": null,
               "handle": null})
    );
    let read = &places[3];
    assert_eq!(read["handle"].as_str().unwrap().len(), 65);
    assert_eq!(
        (&read["path"], &read["asked"], &read["found"], &read["length"]),
        (&json!("/dir/far/x.h"), &json!("content"), &json!("file"), &json!(8))
    );
    let without = world.weft(["run", "-o", "json", "first.wasm"]);
    without.fails(2, &["--explain"]);
    world.guest("wasi-hello.wasm");
    let none = world.weft(["run", "-q", "--explain", "wasi-hello.wasm"]);
    assert_eq!(
        none.text(),
        "it ran\nwhat it looked at in directories is not known, if it did at all\n"
    );
}
