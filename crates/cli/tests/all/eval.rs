//! Answers, in every form, and that they are kept.

use crate::world::{WEFT, World, ran};

#[test]
fn a_result_is_printed_in_the_notation_and_parses_again() {
    let world = World::new();
    world.guest("add.wasm");
    assert_eq!(world.eval("apply(./add.wasm, 1u64, 2u64)").text(), "3u64\n");
    let printed = world.eval("[\"a\", [7u64, hex\"00ff\"], ref(\"b\")]").text().to_owned();
    assert_eq!(printed, "[\"a\", [7u64, hex\"00ff\"], \"b\"]\n");
    assert_eq!(world.eval(printed.trim()).text(), printed);
}

#[test]
fn another_process_runs_nothing() {
    let world = World::new();
    world.guest("add.wasm");
    world.guest("fib.wasm");
    let expression = "apply(./fib.wasm, ./add.wasm, 30u64)";
    let first = world.json(expression);
    // Every n once, and a sum for each n above 1.
    assert_eq!(first["cost"]["applied"], 31 + 29);
    let second = world.json(expression);
    assert_eq!(second["cost"]["applied"], 0);
    assert!(second["cost"]["hits"].as_u64().unwrap() > 0);
    assert_eq!(second["handle"], first["handle"]);
    assert_eq!(second["outcome"], "value");
    // What is within it is known as well.
    assert_eq!(world.json("apply(./fib.wasm, ./add.wasm, 12u64)")["cost"]["applied"], 0);
}

#[test]
fn raw_output_is_the_bytes() {
    let world = World::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    world.write("bytes", &bytes);
    assert_eq!(world.weft(["eval", "-o", "raw", "./bytes"]).ok().stdout, bytes);
    assert_eq!(world.weft(["eval", "-o", "raw", "ref(./bytes)"]).ok().stdout, bytes);
    assert_eq!(world.weft(["eval", "-o", "raw", "select(./bytes, 1..4)"]).ok().stdout, [1, 2, 3]);
    assert_eq!(world.weft(["eval", "-o", "raw", "\"\""]).text(), "");
}

#[test]
fn raw_output_of_what_has_no_bytes_is_an_error() {
    let world = World::new();
    world.remember();
    let tree = world.weft(["eval", "-o", "raw", "@kept"]);
    tree.fails(1, &["is a tree and has no bytes", "weft get"]);
    world.weft(["cat", "@kept"]).fails(1, &["is a tree and has no bytes", "weft ls"]);
    world.is_intact();
}

#[test]
fn an_object_says_what_came_out() {
    let world = World::new();
    world.guest("add.wasm");
    let value = world.json("[1u8, 2u8]");
    assert_eq!((&value["kind"], &value["length"]), (&"tree".into(), &2.into()));

    let failure = world.json("apply(./add.wasm, 1u64)");
    assert_eq!(failure["outcome"], "failure");
    assert_eq!(failure["handle"], serde_json::Value::Null);
    assert_eq!(failure["failure"]["kind"], "failed");
    assert_eq!(failure["failure"]["detail"], "called with another number of arguments");
    assert!(failure["failure"]["notes"].as_str().unwrap().contains("weft_apply"));
    let chain = failure["failure"]["chain"].as_array().unwrap();
    assert_eq!(chain.last(), Some(&failure["failure"]["application"]));
    // The failure is a relation, and so are its backtrace and its place.
    let again = world.json("apply(./add.wasm, 1u64)");
    assert_eq!(again["cost"]["applied"], 0);
    assert_eq!(again["failure"], failure["failure"]);

    let none = world.weft(["eval", "-o", "json", "apply(\"sleep/1\")"]);
    assert_eq!(none.code, Some(4));
    let none: serde_json::Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!(none["outcome"], "no answer");
    assert_eq!(none["no_answer"]["kind"], "unsupported");
}

/// Also of what never came to be evaluated.
#[test]
fn an_error_is_an_object_too() {
    let world = World::new();
    for (expression, code, words) in [
        ("[", 2, "column 2"),
        ("@nowhere", 5, "there is no label"),
        ("./nowhere", 1, "no such file"),
    ] {
        let ran = world.weft(["eval", "-o", "json", expression]);
        assert_eq!((ran.code, &*ran.stderr), (Some(code), ""), "{ran:?}");
        let object: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!((&object["outcome"], &object["exit"]), (&"error".into(), &code.into()));
        assert!(object["error"].as_str().unwrap().contains(words), "{object}");
    }
}

#[test]
fn an_expression_comes_from_anywhere() {
    let world = World::new();
    world.write("job.weft", "; a job\n[1u8,\n 2u8]\n");
    assert_eq!(world.weft(["eval", "-f", "job.weft"]).text(), "[hex\"01\", hex\"02\"]\n");
    assert_eq!(world.weft_with(b"[\"x\"]", &["eval", "-"]).text(), "[\"x\"]\n");
    assert_eq!(world.weft_with(b"[\"x\"]", &["eval", "--file", "-"]).text(), "[\"x\"]\n");
    world.weft(["eval", "-f", "nowhere"]).fails(1, &["cannot read nowhere"]);
    world.weft_with(b"\xff", &["eval", "-"]).fails(2, &["not UTF-8 at offset 0"]);
    world.weft(["eval", "-f", "job.weft", "1u8"]).fails(2, &["cannot be used with"]);
}

#[test]
fn limits_of_the_machine_are_obeyed() {
    let world = World::new();
    world.guest("add.wasm");
    let few = ["eval", "--workers", "1", "--memory", "1GiB", "apply(./add.wasm, 1u64, 2u64)"];
    assert_eq!(world.weft(few).text(), "3u64\n");
    // The default limit of a function is a quarter of a GiB, and more than that.
    let small = ["eval", "--memory", "16MiB", "apply(./add.wasm, 3u64, 2u64)"];
    world.weft(small).fails(4, &["no answer: too large"]);
    world.weft(["eval", "--memory", "1MB", "1u8"]).fails(2, &["64MiB"]);
    world.weft(["eval", "--memory", "1KiB", "1u8"]).fails(2, &["the least is 1MiB"]);
    // With the least there is, something runs.
    world.wat(
        "same.wasm",
        r#"(module (func (export "weft_apply") (param i32) (result i32) local.get 0))"#,
    );
    let least = ["eval", "-o", "json", "--memory", "1MiB", "apply{memory: 64KiB}(./same.wasm)"];
    world.weft(least).ok();
    world.weft(["eval", "--workers", "0", "1u8"]).fails(2, &["--workers"]);
    world.weft(["eval", "--deadline", "5", "1u8"]).fails(2, &["500ms"]);
}

#[test]
fn a_failure_is_shown_with_its_way_and_its_words() {
    let world = World::new();
    world.guest("add.wasm");
    let ran = world
        .eval("[apply(./add.wasm, 1u64), strict(apply(./add.wasm, strict(apply(./add.wasm))))]");
    ran.fails(
        3,
        &["the computation failed: called with another", "   asked ", "   needs ", "  failed "],
    );
    assert!(ran.stderr.contains("weft_apply"), "{}", ran.stderr);
}

/// What a function says cannot drive the terminal of whoever asks for it.
#[test]
fn a_stranger_s_words_are_only_words() {
    let world = World::new();
    world.wat(
        "says.wasm",
        r#"(module
          (import "weft_1" "fail" (func $fail (param i32 i32)))
          (import "weft_1" "log" (func $log (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "red \1b[31m\07 \0d\0aover")
          (func (export "weft_apply") (param i32) (result i32)
            (call $log (i32.const 0) (i32.const 10))
            (call $fail (i32.const 0) (i32.const 16)) (unreachable)))"#,
    );
    let ran = world.eval("apply(./says.wasm)");
    ran.fails(3, &["red \\u{1b}[31m"]);
    assert!(!ran.stderr.contains(['\u{1b}', '\u{7}', '\r']), "{:?}", ran.stderr);
}

/// The first and the last lines, and the error once more where it can be seen.
#[test]
fn a_long_log_does_not_hide_the_error() {
    let world = World::new();
    world.wat(
        "logs.wasm",
        r#"(module
          (import "weft_1" "log" (func $log (param i32 i32)))
          (import "weft_1" "fail" (func $fail (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "a line\0athe reason")
          (func (export "weft_apply") (param i32) (result i32) (local $n i32)
            (loop $more
              (call $log (i32.const 0) (i32.const 7))
              (local.set $n (i32.add (local.get $n) (i32.const 1)))
              (br_if $more (i32.lt_u (local.get $n) (i32.const 500))))
            (call $fail (i32.const 7) (i32.const 10)) (unreachable)))"#,
    );
    let ran = world.eval("apply(./logs.wasm)");
    ran.fails(3, &["lines left out; `--output json` has all"]);
    assert!(ran.stderr.matches("a line").count() < 20, "{ran:?}");
    assert!(ran.stderr.lines().last().unwrap().ends_with("the reason"), "{ran:?}");
    let notes = world.json("apply(./logs.wasm)")["failure"]["notes"].clone();
    assert_eq!(notes.as_str().unwrap().matches("a line").count(), 500);
}

#[test]
fn what_a_function_logged_is_shown_when_it_fails() {
    let world = World::new();
    world.wat(
        "logs.wasm",
        r#"(module
          (import "weft_1" "log" (func $log (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "so far, so good")
          (func $inner (unreachable))
          (func (export "weft_apply") (param i32) (result i32)
            (call $log (i32.const 0) (i32.const 15))
            (call $inner) (unreachable)))"#,
    );
    world.eval("apply(./logs.wasm)").fails(3, &["trap", "so far, so good", "inner"]);
    // And from the store.
    world.eval("apply(./logs.wasm)").fails(3, &["trap", "so far, so good", "inner"]);
}

/// A label stands at what is there, or is not set.
#[test]
fn a_result_that_is_not_kept_gets_no_label() {
    let world = World::new();
    world.wat(
        "big.wasm",
        r#"(module
            (import "weft_1" "blob_new" (func $new (param i32 i32) (result i32)))
            (memory (export "memory") 8)
            (func (export "weft_apply") (param i32) (result i32)
              (i32.store (i32.const 8) (i32.const 7))
              (call $new (i32.const 0) (i32.const 400000))))"#,
    );
    world.weft(["add", "--quiet", "big.wasm"]).ok();
    // Files of up to 100 kB: the label would fit.
    let script = "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\"";
    let mut shell = world.command("sh");
    let eval = ["eval", "-q", "-o", "raw", "--label", "w", "apply(./big.wasm)"];
    let ran = ran(shell.args(["-c", script, WEFT]).args(eval).output().unwrap());
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.stderr.contains("label w is not set, for its result is not kept"), "{ran:?}");
    assert_eq!(world.weft(["labels"]).text(), "");
    world.weft(["fsck", "--quiet"]).ok();
}
