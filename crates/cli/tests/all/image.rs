//! Images by `weft image`, and programs that go on from them.

use crate::world::World;

/// `start` takes a text and keeps it, `more` too; `say` says all of it, and `args`
/// how many arguments there are.
const KEEPER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
      (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
      (func $args_sizes_get (param i32 i32) (result i32)))
    (memory (export "memory") 3)
    (global $end (mut i32) (i32.const 1024))
    (data (i32.const 100000) "some data of the program")
    (func (export "malloc") (param $bytes i32) (result i32) (local $at i32)
      (local.set $at (global.get $end))
      (global.set $end (i32.add (global.get $end) (local.get $bytes)))
      (local.get $at))
    (func (export "keep") (param i32 i32))
    (func (export "fill") (local $at i32) (local $n i64)
      (local.set $at (i32.const 16384))
      (loop $more
        (local.set $n (i64.add (i64.mul (local.get $n) (i64.const 6364136223846793005))
          (i64.const 1442695040888963407)))
        (i64.store (local.get $at) (local.get $n))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $more (i32.lt_u (local.get $at) (i32.const 81920)))))
    (func (export "start") (i32.store (i32.const 8192) (i32.const 7)))
    (func (export "say")
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.sub (global.get $end) (i32.const 1024)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "args") (result i32)
      (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
      (i32.load (i32.const 0)))
    (func (export "fails") (result i32) (i32.const 1))
    (func (export "traps") (unreachable)))"#;

fn world() -> World {
    let world = World::new();
    world.wat("keeper.wasm", KEEPER);
    world
}

#[test]
fn a_program_goes_on_from_its_image() {
    let world = world();
    let made = world.weft(["image", "keeper.wasm", "--init", "keep=one ", "--label", "one"]);
    let image = made.text().trim().to_owned();
    assert!(image.starts_with('#') && image.len() == 65, "{image}");
    assert_eq!(world.weft(["run", "@one", "--invoke", "say"]).text(), "one ");
    assert_eq!(world.weft(["run", &image, "--invoke", "keep=two"]).code, Some(0));
    assert_eq!(world.weft(["run", "@one", "--invoke", "say"]).text(), "one ");
    let ran = world.weft(["run", "@one", "--invoke", "args", "--", "a", "b"]);
    assert_eq!(ran.code, Some(3), "its name and two: {ran:?}");
    // The same again, elsewhere, is the same.
    let other = self::world();
    let again = other.weft(["image", "keeper.wasm", "--init", "keep=one "]);
    assert_eq!(again.text().trim(), image);
    // It travels as any Tree does.
    world.weft(["export", "@one", "one.weft"]).ok();
    let third = World::new();
    std::fs::copy(world.path("one.weft"), third.path("one.weft")).unwrap();
    third.weft(["import", "one.weft"]).ok();
    assert_eq!(third.weft(["run", &image, "--invoke", "say"]).text(), "one ");
}

#[test]
fn images_are_listed_explained_and_compared() {
    let world = world();
    world.weft(["image", "keeper.wasm", "--init", "keep=one", "--label", "one"]).ok();
    world
        .weft(["image", "keeper.wasm", "--init", "keep=one", "--init", "start", "--label", "two"])
        .ok();
    let unnamed = world.weft(["image", "keeper.wasm", "--init", "start"]).text().trim().to_owned();
    let list = world.weft(["image", "ls"]);
    let lines: Vec<&str> = list.text().lines().collect();
    assert_eq!(lines.len(), 3, "{list:?}");
    assert!(lines.iter().any(|line| line.ends_with("192.0 KiB    4.0 KiB @one")), "{list:?}");
    assert!(lines.iter().any(|line| line.ends_with("192.0 KiB    8.0 KiB @two")), "{list:?}");
    assert!(lines.iter().any(|line| line.starts_with(&unnamed)), "{list:?}");
    let json = world.weft(["image", "ls", "-o", "json"]);
    let first: serde_json::Value =
        serde_json::from_str(json.text().lines().next().unwrap()).unwrap();
    assert_eq!(first["memory_bytes"], 3 << 16);
    let diff = world.weft(["image", "diff", "@one", "@two"]);
    assert_eq!(
        diff.text(),
        "memory 0 0x00002000..0x00003000 1 page\n\
         1 page differ; both have 4.0 KiB, only the first 0 B, only the second 4.0 KiB\n"
    );
    let why = world.weft(["image", "why", "@one"]);
    assert!(why.text().contains("snapshot/1"), "{why:?}");
    assert_eq!(why.text(), world.weft(["why", "@one"]).text());
    let none = world.weft(["image", "diff", "@one", "./keeper.wasm"]);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("is no image: it is blob; `weft image` makes one"), "{none:?}");
}

/// A collection drops it where it can be had again, and it comes back.
#[test]
fn what_is_dropped_comes_back() {
    let world = world();
    let begin = ["--init", "keep=one", "--init", "fill", "--label", "it"];
    world.weft([&["image", "keeper.wasm"][..], &begin].concat()).ok();
    world.weft(["gc", "--budget", "1"]).ok();
    let dropped = || {
        let stat = world.weft(["stat", "-o", "json"]).ok().text().to_owned();
        serde_json::from_str::<serde_json::Value>(&stat).unwrap()["dropped"].as_u64().unwrap()
    };
    assert!(dropped() >= 16, "the pages that were filled, {}", dropped());
    world.weft(["gc", "--no-budget"]).ok();
    assert_eq!(world.weft(["run", "@it", "--invoke", "say"]).text(), "one");
    assert_eq!(dropped(), 0);
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_made() {
    let world = world();
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let ran = world.weft(arguments);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.stderr.contains(words), "{ran:?}");
    };
    refused(&["image", "keeper.wasm", "--init", "fails"], 3, "fails returned 1, not 0");
    refused(&["image", "keeper.wasm", "--init", "traps"], 3, "unreachable");
    refused(
        &["image", "keeper.wasm", "--init", "nothing"],
        3,
        "the program exports no nothing; there is fill, start, say, args, fails, traps",
    );
    refused(
        &["image", "keeper.wasm", "--init", "keep=x", "--alloc", "calloc"],
        3,
        "the program exports no calloc that takes a length; name another",
    );
    refused(&["image", "keeper.wasm"], 2, "--init");
    refused(&["image", "none.wasm", "--init", "start"], 1, "none.wasm");
    world.write("text.wasm", "text");
    refused(&["image", "text.wasm", "--init", "start"], 3, "not a WebAssembly module");
    assert_eq!(world.weft(["image", "ls"]).text(), "");
    world.weft(["image", "keeper.wasm", "--init", "start", "--label", "it"]).ok();
    refused(&["run", "@it"], 2, "an image goes on with a function; name it with --invoke NAME");
    refused(&["run", "@it", "--invoke", "say", "--stub", "a.b"], 2, "leave --stub out");
    let further = ["image", "@it", "--init", "start"];
    refused(&further, 2, "@it is an image, and an image is made of a program; to begin it further");
    refused(&["image", "@none", "--init", "start"], 5, "none");
    refused(&["run", "@none", "--invoke", "say"], 5, "none");
    world.weft(["label", "file", "./keeper.wasm"]).ok();
    refused(&["run", "@file", "--invoke", "say"], 1, "is no image: it is blob");
    refused(&["image", "@file", "--init", "start"], 2, "`weft cat @file > program.wasm`");
    // A file may be called as a label is.
    std::fs::copy(world.path("keeper.wasm"), world.path("@it")).unwrap();
    world.weft(["image", "@it", "--init", "start"]).ok();
    std::fs::remove_file(world.path("@it")).unwrap();
    // It has grown by more than that.
    let text = KEEPER.replace(
        "(i32.store (i32.const 8192)",
        "(drop (memory.grow (i32.const 20))) (i32.store (i32.const 8192)",
    );
    world.wat("large.wasm", &text);
    world.weft(["image", "large.wasm", "--init", "start", "--label", "large"]).ok();
    let small = ["run", "@large", "--invoke", "say", "--memory", "1MiB"];
    refused(&small, 3, "the image has 1507328 bytes of memory and the limit is 1048576");
}

/// Keeps the time and random bytes, and says them.
const ASKER: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
      (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
      (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func $begin (export "begin")
      (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 64)))
      (drop (call $random (i32.const 72) (i32.const 8))))
    (func $say (export "say")
      (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 16))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "all") (call $begin) (call $say)))"#;

#[test]
fn time_and_random_bytes_are_given_or_there_is_no_image() {
    let world = World::new();
    world.wat("asker.wasm", ASKER);
    let begin = ["image", "asker.wasm", "--init", "begin", "--label", "it"];
    let unsaid = world.weft(begin);
    unsaid.fails(3, &["snapshot/1: ", "say which by --clock and --seed, or ask for them later"]);
    let seeded = world.weft([&begin[..], &["--seed", "0"]].concat());
    seeded.fails(3, &["it has asked for the time", "say which by --clock, or ask for it later"]);
    let timed = world.weft([&begin[..], &["--clock", "2026-01-01"]].concat());
    timed.fails(3, &["it has asked for random bytes", "say which by --seed"]);
    assert_eq!(world.weft(["image", "ls"]).text(), "");
    assert_eq!(world.weft(["labels"]).text(), "");
    let said = ["--seed", "7", "--clock", "2026-01-01T12:00:00Z"];
    world.weft([&begin[..], &said].concat()).ok();
    let all = world.weft([&["run", "asker.wasm", "--invoke", "all"][..], &said].concat());
    assert_eq!(all.stdout[..8], 1_767_268_800_000_000_000_u64.to_le_bytes());
    let say = ["run", "@it", "--invoke", "say"];
    assert_eq!(world.weft(say).stdout, all.stdout);
    assert_eq!(world.weft([&say[..], &said].concat()).stdout, all.stdout);
    let other = world.weft([&say[..], &["--clock", "5s"]].concat());
    other.fails(3, &["leave the clock out or give the same"]);
    let wrong = world.weft(["run", "asker.wasm", "--invoke", "all", "--clock", "2026"]);
    wrong.fails(2, &["a time is a day or a moment in UTC"]);
}

/// Adds its argument to what `count` has counted.
const ADDER: &str = r#"(module
    (import "weft_1" "tree_get" (func $tree_get (param i32 i64) (result i32)))
    (import "weft_1" "blob_u64" (func $blob_u64 (param i32) (result i64)))
    (import "weft_1" "u64_blob" (func $u64_blob (param i64) (result i32)))
    (memory (export "memory") 1)
    (global $n (mut i64) (i64.const 0))
    (func (export "count") (global.set $n (i64.add (global.get $n) (i64.const 20))))
    (func (export "weft_apply") (param i32) (result i32)
      (call $u64_blob (i64.add (global.get $n)
        (call $blob_u64 (call $tree_get (i32.const 0) (i64.const 2)))))))"#;

#[test]
fn a_function_goes_on_from_its_image() {
    let world = World::new();
    world.wat("adder.wasm", ADDER);
    let init = ["--init", "count", "--init", "count", "--label", "forty"];
    let image = world.weft([&["image", "adder.wasm"][..], &init].concat()).text().trim().to_owned();
    let applied = |expression: &str| world.eval(expression).text().trim().to_owned();
    assert_eq!(applied("apply(closure(\"image/1\", @forty), 2u64)"), "42u64");
    // Its pages are brought in when it runs.
    assert_eq!(applied(&format!("apply(\"image/1\", ref({image}), 3u64)")), "43u64");
    let why = world.weft(["why", "@forty"]);
    assert!(why.text().contains("count"), "{why:?}");
    assert!(world.weft(["image", "ls"]).text().contains("@forty"));
    let ran = world.weft(["run", "@forty", "--invoke", "count"]);
    ran.fails(2, &["@forty is the image of a function; apply it: weft eval"]);
    let given = world.weft(["image", "adder.wasm", "--init", "count", "--seed", "1"]);
    given.fails(2, &["has no --seed; leave it out"]);
    let given = world.weft(["image", "adder.wasm", "--init", "count", "--clock", "5s"]);
    given.fails(2, &["has no --clock; leave it out"]);
}
