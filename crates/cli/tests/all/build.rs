//! `weft build`, with a compiler of our own: `guests/wasi/src/cc.rs`.

use std::fs;

use serde_json::{Value, json};

use crate::world::{Ran, World};

const CC: &str = "wasi-cc.wasm";

/// A project of two sources and three headers, one of them in the sysroot.
fn world() -> World {
    let world = World::new();
    world.guest(CC);
    world.write("p/a.c", "#include \"both.h\"\n#include \"sys.h\"\na\n");
    world.write("p/sub/b.c", "#include \"../both.h\"\n#include \"only-b.h\"\nb\n");
    world.write("p/both.h", "both\n");
    world.write("p/inc/only-b.h", "only b\n");
    world.write("sys/include/sys.h", "system\n");
    commands(
        &world,
        &[
            ("a.c", "cc -I/usr/include -MD -MF a.d -o obj/a.o -c a.c"),
            ("sub/b.c", "/usr/bin/gcc-12 -Iinc -c sub/b.c -o obj/b.o"),
        ],
    );
    world
}

fn commands(world: &World, entries: &[(&str, &str)]) {
    let directory = world.path("p").canonicalize().unwrap();
    let entries: Vec<Value> = entries
        .iter()
        .map(|(file, command)| json!({"directory": directory, "file": file, "command": command}))
        .collect();
    world.write("p/compile_commands.json", Value::from(entries).to_string());
}

const LINK: &str = "wasm-ld {objects} -o bin/app";

fn build(world: &World, more: &[&str]) -> Ran {
    let given = ["--quiet", "build", "p", "--compiler", CC, "--sysroot", "sys", "--map", "p=/src"];
    world.weft(given.iter().chain(&["--out", "p/out"]).chain(more))
}

fn built(world: &World, more: &[&str]) -> String {
    build(world, more).text().to_owned()
}

fn text(world: &World, path: &str) -> String {
    fs::read_to_string(world.path(path)).unwrap()
}

/// What `--output json` says.
fn object(ran: &Ran) -> Value {
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// The names of the steps that ran.
fn ran(world: &World, more: &[&str]) -> Vec<String> {
    let object = object(&build(world, &[more, &["--output", "json"]].concat()));
    let steps = object["steps"].as_array().unwrap().iter();
    let ran = steps.filter(|step| step["ran"] == true);
    ran.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_project_is_built_and_nothing_is_done_twice() {
    let world = world();
    assert_eq!(built(&world, &[]), "2 steps: 0 known, 2 ran\n");
    assert_eq!(text(&world, "p/out/obj/a.o"), "both\nsystem\na\n");
    assert_eq!(text(&world, "p/out/obj/b.o"), "both\nonly b\nb\n");
    assert!(!world.path("p/out/obj/a.d").exists());
    // The results are in the project now, and are no part of it.
    assert_eq!(built(&world, &[]), "2 steps: 2 known, 0 ran\n");
    assert_eq!(built(&world, &["--link", LINK]), "3 steps: 2 known, 1 ran\n");
    assert_eq!(text(&world, "p/out/bin/app"), "both\nsystem\na\nboth\nonly b\nb\n");
    assert_eq!(built(&world, &["--link", LINK]), "3 steps: 3 known, 0 ran\n");
    // What is there is written again only if it is different.
    world.write("p/out/bin/app", "something else");
    let before = fs::metadata(world.path("p/out/obj/a.o")).unwrap().modified().unwrap();
    fs::remove_file(world.path("p/out/obj/b.o")).unwrap();
    assert_eq!(built(&world, &[]), "2 steps: 2 known, 0 ran\n");
    assert_eq!(built(&world, &["--link", LINK]), "3 steps: 3 known, 0 ran\n");
    assert_eq!(text(&world, "p/out/bin/app"), "both\nsystem\na\nboth\nonly b\nb\n");
    assert_eq!(text(&world, "p/out/obj/b.o"), "both\nonly b\nb\n");
    let after = fs::metadata(world.path("p/out/obj/a.o")).unwrap().modified().unwrap();
    assert_eq!(before, after);
}

#[test]
fn touching_a_file_or_moving_the_project_compiles_nothing() {
    let world = world();
    assert_eq!(ran(&world, &["--link", LINK]), ["a.c", "sub/b.c", "bin/app"]);
    let same = text(&world, "p/both.h");
    world.write("p/both.h", same);
    fs::create_dir_all(world.path("p/.git")).unwrap();
    world.write("p/.git/index", "a commit");
    assert!(ran(&world, &["--link", LINK]).is_empty());
    fs::rename(world.path("p"), world.path("q")).unwrap();
    fs::create_dir(world.path("p")).unwrap();
    let moved = text(&world, "q/compile_commands.json").replace("/p\"", "/q\"");
    world.write("q/compile_commands.json", moved);
    let given = ["build", "q", "--compiler", CC, "--sysroot", "sys", "--map", "q=/src"];
    let moved = world.weft(given.iter().chain(&["--out", "q/out", "--link", LINK, "--quiet"]));
    assert_eq!(moved.text(), "3 steps: 3 known, 0 ran\n");
    assert_eq!(text(&world, "q/out/bin/app"), "both\nsystem\na\nboth\nonly b\nb\n");
}

#[test]
fn an_object_that_comes_out_the_same_is_not_linked_again() {
    let world = world();
    built(&world, &["--link", LINK]);
    world.write("p/a.c", "#include \"both.h\"\n#include \"sys.h\"\na2\n");
    assert_eq!(ran(&world, &["--link", LINK]), ["a.c", "bin/app"]);
    assert_eq!(text(&world, "p/out/bin/app"), "both\nsystem\na2\nboth\nonly b\nb\n");
    // Another text that compiles to the same.
    world.write("p/both.h", "#include \"more.h\"\n");
    world.write("p/more.h", "both\n");
    let ran = ran(&world, &["--link", LINK]);
    assert_eq!(ran, ["a.c", "sub/b.c"]);
}

#[test]
fn a_header_that_changes_compiles_what_includes_it_and_nothing_else() {
    let world = world();
    built(&world, &[]);
    world.write("p/inc/only-b.h", "b alone\n");
    assert_eq!(ran(&world, &[]), ["sub/b.c"]);
    assert_eq!(text(&world, "p/out/obj/b.o"), "both\nb alone\nb\n");
    world.write("p/inc/nobody.h", "unused\n");
    world.write("p/README", "unused\n");
    assert!(ran(&world, &[]).is_empty());
    // One that is found earlier than the one that was used.
    world.write("p/sub/only-b.h", "nearer\n");
    assert_eq!(ran(&world, &[]), ["sub/b.c"]);
    assert_eq!(text(&world, "p/out/obj/b.o"), "both\nnearer\nb\n");
    world.write("sys/include/sys.h", "newer system\n");
    assert_eq!(ran(&world, &[]), ["a.c"]);
    world.write("p/both.h", "all\n");
    assert_eq!(ran(&world, &[]), ["a.c", "sub/b.c"]);
    // And back: all that was ever compiled is known.
    world.write("p/both.h", "both\n");
    fs::remove_file(world.path("p/sub/only-b.h")).unwrap();
    assert!(ran(&world, &[]).is_empty());
    assert_eq!(text(&world, "p/out/obj/b.o"), "both\nb alone\nb\n");
}

#[test]
fn what_fails_is_shown_with_the_command_that_repeats_it() {
    let world = world();
    world.write("p/sub/b.c", "#warning soon\n#error it is wrong\n");
    let failed = build(&world, &["--link", LINK]);
    assert_eq!((failed.code, &*failed.stdout), (Some(7), &b""[..]), "{failed:?}");
    let says = "sub/b.c:1: warning: soon\nsub/b.c:2: error: it is wrong\n\
                weft: error: sub/b.c: clang ended with exit code 1; to repeat it:\n  weft run ";
    assert!(failed.stderr.starts_with(says), "{}", failed.stderr);
    let last = "weft: error: 2 steps: 0 known, 2 ran, 1 failed; nothing was linked\n";
    assert!(failed.stderr.ends_with(last), "{}", failed.stderr);
    assert!(!world.path("p/out").exists());
    // It does, and does not run for that: it is the very same computation.
    let line = failed.stderr.lines().find_map(|line| line.strip_prefix("  weft run ")).unwrap();
    let relations = || {
        let stat = world.weft(["stat", "-o", "json"]);
        object(&stat)["relations"].clone()
    };
    let before = relations();
    let mut shell = world.command("sh");
    shell.arg("-c").arg(format!("'{}' run {line}", crate::world::WEFT));
    let again = crate::world::ran(shell.output().unwrap());
    assert_eq!(again.code, Some(1));
    assert_eq!(again.stderr, "sub/b.c:1: warning: soon\nsub/b.c:2: error: it is wrong\n");
    assert_eq!(relations(), before);
    // The other is kept, and so is the failure.
    let known = build(&world, &["--output", "json"]);
    assert_eq!(known.code, Some(7));
    let known = object(&known);
    assert_eq!(
        (&known["outcome"], &known["known"], &known["ran"], &known["failed"]),
        (&json!("failed"), &json!(2), &json!(0), &json!(1))
    );
    assert_eq!(known["steps"][1]["exit"], 1);
    assert_eq!(known["steps"][1]["error"], "clang ended with exit code 1");
    assert!(known["steps"][0]["handle"].as_str().unwrap().starts_with('#'));
    assert_eq!(text(&world, "p/out/obj/a.o"), "both\nsystem\na\n");
}

#[test]
fn after_so_many_failures_no_other_step_begins() {
    let world = world();
    let sources: Vec<String> = (0..30).map(|number| format!("{number}.c")).collect();
    let lines: Vec<String> = sources.iter().map(|source| format!("cc -c {source}")).collect();
    for source in &sources {
        world.write(format!("p/{source}"), format!("#error in {source}\n"));
    }
    let entries: Vec<(&str, &str)> =
        sources.iter().zip(&lines).map(|(source, line)| (&**source, &**line)).collect();
    commands(&world, &entries);
    let some = object(&build(&world, &["-k", "3", "-j", "1", "--output", "json"]));
    let failed = some["failed"].as_u64().unwrap();
    assert!((3..30).contains(&failed), "{some}");
    assert_eq!(some["given_up"].as_u64().unwrap(), 30 - failed);
    let all = object(&build(&world, &["-k", "0", "--output", "json"]));
    assert_eq!((all["failed"].as_u64(), all["given_up"].as_u64()), (Some(30), Some(0)));
}

#[test]
fn steps_that_leave_nothing_or_trap_have_failed() {
    let world = world();
    commands(
        &world,
        &[("a.c", "cc -I/usr/include -c a.c -o a.o -trap"), ("sub/b.c", "cc -Iinc -c sub/b.c")],
    );
    let trapped = build(&world, &[]);
    assert_eq!(trapped.code, Some(7));
    assert!(
        trapped.stderr.contains("weft: error: a.c: the computation failed: trap"),
        "{trapped:?}"
    );
    assert!(trapped.stderr.contains("2 steps: 0 known, 2 ran, 1 failed\n"), "{trapped:?}");
    // Without -o it is called after its source.
    assert_eq!(text(&world, "p/out/b.o"), "both\nonly b\nb\n");
    world.guest("wasi-hello.wasm");
    let given = ["--quiet", "build", "p", "--compiler", "wasi-hello.wasm", "--map", "p=/src"];
    let nothing = world.weft(given.iter().chain(&["--sysroot", "sys"]));
    assert_eq!(nothing.code, Some(7));
    let says = "a.c: clang wrote no a.o; is there a -c in its command?; to repeat it:";
    assert!(nothing.stderr.contains(says), "{nothing:?}");
}

#[test]
fn progress_is_a_line_for_each_step_that_ran() {
    let world = world();
    let given = ["build", "p", "--compiler", CC, "--sysroot", "sys", "--map", "p=/src"];
    let loud = || world.weft(given.iter().chain(&["--out", "p/out", "--link", LINK]));
    let first = loud();
    // Of what takes long there are lines with the time, too.
    let lines = first.stderr.lines().filter(|line| !line.contains(" running; "));
    let mut lines: Vec<&str> = lines.map(|line| &line["weft: [1/3] ".len()..]).collect();
    lines[..2].sort_unstable();
    assert_eq!(lines, ["a.c", "sub/b.c", "bin/app"], "{first:?}");
    assert!(first.stderr.ends_with("weft: [3/3] bin/app\n"), "{first:?}");
    loud().ok();
}

#[test]
fn a_list_of_commands_that_is_wrong_names_the_entry() {
    let world = world();
    world.remember();
    let fails = |code: i32, words: &[&str]| {
        build(&world, &[]).fails(code, words);
    };
    let absolute = world.path("p").canonicalize().unwrap().join("gone.c");
    commands(&world, &[("a.c", "cc -c a.c"), ("gone.c", "cc -c gone.c")]);
    fails(
        1,
        &["entry 2 (gone.c) names ", absolute.to_str().unwrap(), "is no file; run what makes it"],
    );
    commands(&world, &[("../sys/include/sys.h", "cc -c ../sys/include/sys.h")]);
    fails(
        2,
        &["entry 1 (../sys/include/sys.h) has its file", "outside of every --map; add --map /"],
    );
    commands(&world, &[("a.c", "cc -I../home -c a.c")]);
    world.write("home/x", "");
    fails(2, &["entry 1 (a.c) has -I../home, which is outside of every --map; add --map /"]);
    commands(&world, &[("a.c", "cc -c a.c -o x.o"), ("sub/b.c", "cc -c sub/b.c -o x.o")]);
    fails(1, &["entry 2 (sub/b.c) writes x.o, as a.c does; give one of them another -o"]);
    world.write("p/out/made.c", "made\n");
    commands(&world, &[("out/made.c", "cc -c out/made.c")]);
    fails(2, &["entry 1 (out/made.c) is in --out", "write --out elsewhere"]);
    world.write("p/compile_commands.json", "{");
    fails(1, &["p/compile_commands.json: it is no JSON: ", "make it again"]);
    world.write("p/compile_commands.json", "[{\"file\": \"a.c\"}]");
    fails(1, &["entry 1 (a.c) has no \"directory\"; make it again"]);
    fs::remove_file(world.path("p/compile_commands.json")).unwrap();
    fails(1, &["cannot read p/compile_commands.json", "bear -- make"]);
    let json = build(&world, &["--output", "json"]);
    assert_eq!((json.code, &object(&json)["outcome"]), (Some(1), &json!("error")));
    world.is_intact();
}

#[test]
fn a_command_line_that_is_wrong_says_what_is_right() {
    let world = world();
    let fails = |more: &[&str], words: &[&str]| {
        build(&world, more).fails(2, words);
    };
    fails(&["--map", "nowhere=/x"], &["--map nowhere=/x names no directory"]);
    fails(&["--map", "sys=/src"], &["--map sys=/src is taken"]);
    fails(&["--map", "sys=/out"], &["--map sys=/out is taken"]);
    fails(&["--sysroot", "sys:usr"], &["--sysroot sys:usr needs an absolute path"]);
    fails(&["--sysroot", "wasi-cc.wasm"], &["--sysroot wasi-cc.wasm is no directory"]);
    fails(&["--link", "ld 'x"], &["--link 'ld '\\''x' ends within quotes"]);
    fails(&["--leave-out", "p/a.c"], &["--leave-out p/a.c is no directory"]);
    world.weft(["build", "p"]).fails(2, &["--compiler <PROG>"]);
}

/// As CMake has it: commands run in a directory of their own, which need not be
/// there for the compiler, and paths lead out of it.
#[test]
fn a_build_directory_of_its_own_is_left_out() {
    let world = world();
    world.write("p/build/made.o", "1");
    let top = world.path("p").canonicalize().unwrap();
    let top = top.to_str().unwrap();
    let entries = json!([
        {"directory": format!("{top}/build"), "file": format!("{top}/a.c"), "output": "x/a.c.o",
         "command": format!("/usr/bin/cc -I{top}/inc -I/usr/include -o x/a.c.o -c {top}/a.c")},
        {"directory": format!("{top}/build"), "file": "../sub/b.c",
         "arguments": ["cc", "-I../inc", "-c", "../sub/b.c", "-o", "x/b.c.o"]},
    ]);
    world.write("p/build/compile_commands.json", entries.to_string());
    let given = ["--quiet", "build", "p/build", "--compiler", CC, "--sysroot", "sys:/usr"];
    let more = ["--map", "p=/src", "--leave-out", "p/build", "--out", "out"];
    let built = |link: &[&str]| world.weft(given.iter().chain(&more).chain(link)).text().to_owned();
    assert_eq!(built(&[]), "2 steps: 0 known, 2 ran\n");
    assert_eq!(text(&world, "out/build/x/a.c.o"), "both\nsystem\na\n");
    world.write("p/build/made.o", "2");
    let link = ["--link", "wasm-ld build/x/b.c.o -o app"];
    assert_eq!(built(&link), "3 steps: 2 known, 1 ran\n");
    // Objects that are named are those that are linked.
    assert_eq!(text(&world, "out/app"), "both\nonly b\nb\n");
}

#[test]
fn a_sysroot_from_the_store_and_the_default_map() {
    let world = world();
    world.weft(["add", "--label", "sys", "sys"]).ok();
    let mut command = world.command(crate::world::WEFT);
    command.current_dir(world.path("p"));
    command.args(["--quiet", "build", "--compiler", "../wasi-cc.wasm", "--sysroot", "@sys:/usr"]);
    let ran = crate::world::ran(command.output().unwrap());
    assert_eq!(ran.text(), "2 steps: 0 known, 2 ran\n");
    assert_eq!(text(&world, "p/weft-out/obj/a.o"), "both\nsystem\na\n");
}
