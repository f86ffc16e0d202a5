//! One past application, again.

use std::path::PathBuf;
use std::process::Stdio;

use crate::world::{Ran, World, ran};

const SHOUT: &str = r#"(module
    (import "weft_1" "tree_get" (func $get (param i32 i64) (result i32)))
    (import "weft_1" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "said so")
    (func $weft_apply (export "weft_apply") (param $in i32) (result i32)
      (call $log (i32.const 0) (i32.const 7))
      (call $get (local.get $in) (i64.const 2))))"#;

fn replay(world: &World, arguments: &[&str]) -> Ran {
    world.weft([&["replay", "--quiet"], arguments].concat())
}

fn world() -> World {
    let world = World::new();
    world.wat("shout.wasm", SHOUT);
    world.guest("add.wasm");
    world
}

#[test]
fn it_runs_with_its_log_beside_what_is_recorded() {
    let world = world();
    let request = "apply(./shout.wasm, strict(apply(./add.wasm, 1u64, 2u64)))";
    assert_eq!(world.eval(request).text(), "3u64\n");
    let again = replay(&world, &[request]);
    assert_eq!((again.code, &*again.stderr), (Some(0), "said so\n"));
    let text = String::from_utf8(again.stdout).unwrap();
    for line in ["    ran apply(#", ", 3u64)\n", "\n  value 3u64\n", "\n before the same, took "] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // By the key that is told, too, and by the result.
    let key = text.lines().find_map(|line| line.strip_prefix("    key ")).unwrap();
    for name in [key, "3u64"] {
        let object = replay(&world, &["-o", "json", name]);
        let object: serde_json::Value = serde_json::from_slice(&object.stdout).unwrap();
        assert_eq!(object["same"], true, "{object}");
        assert_eq!(object["recorded"]["handle"], object["handle"]);
    }
    // It is one run beside what is known, which stays as it was.
    assert_eq!(world.json(request)["cost"]["applied"], 0);
}

#[test]
fn what_is_not_known_is_run_and_not_kept() {
    let world = world();
    let request = "apply(./shout.wasm, 7u64)";
    let once = replay(&world, &[request]);
    assert!(String::from_utf8_lossy(&once.stdout).contains("\n before not known\n"), "{once:?}");
    assert_eq!(world.json(request)["cost"]["applied"], 1);
}

#[test]
fn a_failure_comes_with_its_backtrace_and_code() {
    let world = world();
    let request = "apply(./add.wasm, 1u64)";
    assert_eq!(world.eval(request).code, Some(3));
    let again = replay(&world, &[request]);
    assert_eq!((again.code, &*again.stderr), (Some(3), ""));
    let text = String::from_utf8(again.stdout).unwrap();
    for line in ["failure called with another number of arguments\n", "weft_apply"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Where an argument fails, it never ran.
    let outer = format!("apply(./add.wasm, 1u64, strict({request}))");
    replay(&world, &[&outer]).fails(
        3,
        &["it never ran", "an argument failed: called with another", "see `weft replay #"],
    );
}

#[test]
fn what_applies_nothing_cannot_be_replayed() {
    let world = world();
    world.remember();
    replay(&world, &["@kept"]).fails(5, &["does not know what made"]);
    replay(&world, &["identify(@kept)"]).fails(1, &["applies nothing"]);
    replay(&world, &["--memory", "16MiB", "apply(./shout.wasm, 7u64)"])
        .fails(4, &["too large", "lower the limit"]);
    world.is_intact();
}

/// The program with nothing but these programs beside it.
fn beside(world: &World, programs: &[(&str, PathBuf)], arguments: &[&str]) -> Ran {
    let path = world.path("path");
    std::fs::create_dir_all(&path).unwrap();
    for (name, target) in programs {
        std::os::unix::fs::symlink(target, path.join(name)).unwrap();
    }
    let mut command = world.command(crate::world::WEFT);
    command.args(arguments).env("PATH", &path).stdin(Stdio::null());
    ran(command.output().unwrap())
}

#[test]
fn without_a_debugger_it_says_what_to_type() {
    let world = world();
    let none = beside(&world, &[], &["replay", "--debug", "apply(./shout.wasm, 7u64)"]);
    let words = ["neither gdb nor lldb", "type this where one is: gdb -q", "--under-debugger '#"];
    assert_eq!(none.code, Some(1), "{none:?}");
    for word in words {
        assert!(none.stderr.contains(word), "{word}: {none:?}");
    }
    // The module has none of what it would show.
    assert!(none.stderr.contains("has no debug info"), "{none:?}");
}

#[test]
fn gdb_stops_where_the_function_begins() {
    let Some(gdb) = find("gdb") else {
        println!("skipped: there is no gdb");
        return;
    };
    let world = world();
    world.eval("apply(./shout.wasm, 7u64)").ok();
    let mut command = world.command(crate::world::WEFT);
    command.args(["replay", "--debug", "apply(./shout.wasm, 7u64)"]);
    command.env("PATH", gdb.parent().unwrap()).stdin(Stdio::null());
    let ran = ran(command.output().unwrap());
    let text = String::from_utf8_lossy(&ran.stdout);
    if text.contains("ptrace: Operation not permitted") || ran.stderr.contains("not permitted") {
        println!("skipped: gdb may not trace here");
        return;
    }
    // At the end of its input gdb kills what it has stopped.
    assert!(text.contains("weft_apply (") && !text.contains("before the same"), "{ran:?}");
}

fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|path| path.join(program)).find(|path| path.is_file())
}
