//! Programs for WASI under `weft run`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::world::{Ran, World};

const CALLS: &str = "wasi-calls.wasm";

fn world() -> World {
    let world = World::new();
    for guest in ["wasi-hello.wasm", CALLS, "wasi-libc.wasm", "add.wasm"] {
        world.guest(guest);
    }
    for directory in ["dir", "other"] {
        fs::create_dir(world.path(directory)).unwrap();
    }
    world
}

/// What guests/README.md says that some checks find.
fn with_given(world: &World) {
    let given = world.path("dir/given");
    world.write("dir/given/file", "given\n");
    world.write("dir/given/empty", "");
    let run = world.write("dir/given/run", "#!run\n");
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
    symlink("file", given.join("link")).unwrap();
    world.write("dir/given/sub/deep/file", "deep\n");
    for number in 0..300 {
        let name = format!("{number:03}");
        world.write(format!("dir/given/sub/many/{name}"), &name);
    }
}

fn program(world: &World, program: &str, arguments: &[&str]) -> Ran {
    let directories = ["run", "--dir", "dir:/dir", "--dir", "other:/other", program, "--"];
    world.weft(directories.iter().chain(arguments))
}

fn relations(world: &World) -> serde_json::Value {
    let stat = world.weft(["stat", "-o", "json"]);
    serde_json::from_str::<serde_json::Value>(stat.text()).unwrap()["relations"].clone()
}

/// Each call of preview 1 by programs in Rust and C.
#[test]
fn the_calls_do_what_programs_expect() {
    let world = world();
    with_given(&world);
    for (guest, at_least) in [(CALLS, 105), ("wasi-libc.wasm", 11)] {
        let names = program(&world, guest, &["--list"]).text().to_owned();
        assert!(names.lines().count() >= at_least, "{names}");
        let wrong: Vec<String> = names
            .lines()
            .filter_map(|name| {
                let ran = program(&world, guest, &[name]);
                (ran.code != Some(0)).then(|| format!("{name}: {ran:?}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// What `component-calls` finds otherwise: the adapter of preview 1 and the C
/// library for 0.2 are part of the program.
const OF_ADAPTERS: [&str; 11] = [
    // 128 descriptors.
    "open_many",
    // Paths that are not UTF-8 cannot be handed on.
    "open_odd_names",
    // A directory has no place rather than being no file.
    "file_seek",
    // A file that appends is read from its end.
    "file_std",
    // A listing is begun anew for a cookie.
    "directory_list_while_it_changes",
    "descriptor_sockets",
    // An instant that is over does not fit.
    "poll_absolute_clock",
    // Addresses outside of the memory are traps.
    "pointer_outside",
    "pointer_to_vectors",
    "pointer_of_paths",
    "pointer_of_results",
];

/// The same checks as a component for WASI 0.2.
#[test]
fn the_interfaces_do_what_components_expect() {
    let world = world();
    world.guest("component-calls.wasm");
    with_given(&world);
    let names = program(&world, "component-calls.wasm", &["--list"]).text().to_owned();
    let wrong: Vec<&str> = names
        .lines()
        .filter(|name| program(&world, "component-calls.wasm", &[name]).code != Some(0))
        .collect();
    let sorted = |mut names: Vec<&str>| {
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(sorted(wrong), sorted(OF_ADAPTERS.to_vec()));
}

#[test]
fn a_run_behaves_like_its_program_and_again_is_a_lookup() {
    let world = world();
    assert_eq!(world.weft(["run", "wasi-hello.wasm"]).text(), "hello\n");
    world.guest("component-hello.wasm");
    assert_eq!(world.weft(["run", "component-hello.wasm"]).text(), "hello\n");
    let before = relations(&world);
    assert_eq!(world.weft(["run", "wasi-hello.wasm"]).text(), "hello\n");
    assert_eq!(relations(&world), before);
    assert_eq!(world.weft(["run", CALLS, "--", "do", "exit", "7"]).code, Some(7));
    world.write("input", "some text");
    let copied = world.weft(["run", "--stdin", "input", CALLS, "--", "do", "copy"]);
    assert_eq!((copied.code, &*copied.stdout), (Some(0), &b"some text"[..]));
    assert!(copied.stderr.contains('9'), "{copied:?}");
    let random = |seed: &str| world.weft(["run", "--seed", seed, CALLS, "--", "do", "random"]);
    assert_eq!(random("1").stdout, random("1").stdout);
    assert_ne!(random("1").stdout, random("2").stdout);
    let arguments = world.weft(["run", "--argv0", "me", CALLS, "--", "do", "arguments"]);
    assert!(arguments.text().starts_with("me\n"), "{arguments:?}");
    let arguments = world.weft(["run", CALLS, "--", "do", "arguments"]);
    assert!(arguments.text().starts_with(CALLS), "{arguments:?}");
    let environment = world.weft(["run", "--env", "A=b", CALLS, "--", "do", "environment"]);
    assert!(environment.text().contains("A=b"));
}

#[test]
fn what_a_program_writes_stays_in_memory_unless_it_is_asked_for() {
    let world = world();
    world.write("dir/there", "as it was");
    let fill = ["do", "fill", "/dir/new", "5"];
    program(&world, CALLS, &fill).ok();
    assert!(!world.path("dir/new").exists());
    let run = ["run", "--dir", "dir:/dir", "--out", "out", CALLS, "--"];
    world.weft(run.iter().chain(&fill)).ok();
    assert_eq!(fs::read(world.path("out/new")).unwrap().len(), 5);
    assert!(!world.path("out/there").exists(), "it is what it was");
    // Into what is there, which stays.
    world.write("out/mine", "mine");
    let fill = ["do", "fill", "/dir/new", "6"];
    world.weft(run.iter().chain(&fill)).ok();
    assert_eq!(fs::read(world.path("out/new")).unwrap().len(), 6);
    assert_eq!(fs::read(world.path("out/mine")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(world.path("out")).unwrap().count(), 2);
}

#[test]
fn of_a_reactor_a_function_is_called() {
    let world = world();
    world.wat(
        "reactor.wasm",
        r#"(module
            (import "host" "call" (func $call (result i32)))
            (global $ready (mut i32) (i32.const 0))
            (func (export "_initialize") (global.set $ready (i32.const 3)))
            (func (export "run") (result i32) (i32.add (global.get $ready) (call $call))))"#,
    );
    let run = ["run", "--invoke", "run", "--stub"];
    let with = |stub| world.weft(run.iter().chain(&[stub, "reactor.wasm"]));
    assert_eq!(with("host.call=4").code, Some(7));
    let before = relations(&world);
    assert_eq!(with("host.call=4").code, Some(7));
    assert_eq!(relations(&world), before, "a lookup");
    assert_eq!(with("host.call=-1").code, Some(2));
    with("host.call").fails(3, &["trap", "host.call was called, and its stub has no value"]);
    with("host").fails(2, &["--stub host has no module", "write MODULE.NAME"]);
    world.weft(["run", "reactor.wasm"]).fails(3, &["host.call", "--stub MODULE.NAME=VALUE"]);
    let stub = ["run", "--stub", "host.call", "reactor.wasm"];
    world.weft(stub).fails(3, &["no export _start", "--invoke NAME", "there is run"]);
    world.wat("command.wasm", r#"(module (func (export "_start")))"#);
    world.weft(["run", "command.wasm"]).ok();
    let before = relations(&world);
    world.weft(["run", "--invoke", "_start", "command.wasm"]).ok();
    assert_eq!(relations(&world), before, "a lookup");
}

#[test]
fn what_cannot_run_says_why() {
    let world = world();
    let other = r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#;
    world.wat("sockets.wasm", other);
    world.weft(["run", "sockets.wasm"]).fails(3, &["unknown imports: wasi:sockets/tcp@0.2.0"]);
    world.remember();
    world.weft(["run", "missing.wasm"]).fails(1, &["missing.wasm"]);
    world.weft(["run", "add.wasm"]).fails(3, &["weft_1.", "unknown imports", "for `weft eval`"]);
    let import = r#"(module (import "wasi_snapshot_preview1" "fd_wirte" (func)))"#;
    world.wat("wrong.wasm", import);
    world.weft(["run", "wrong.wasm"]).fails(3, &["fd_wirte", "preview1.fd_write"]);
    world.wat("silent.wasm", "(module)");
    world.weft(["run", "silent.wasm"]).fails(3, &["no export _start", "WASI preview 1"]);
    world.write("text", "no module, and long enough not to stand in its handle");
    world.weft(["run", "text"]).fails(3, &["not a WebAssembly module"]);
    world.weft(["run", "--env", "A", CALLS]).fails(2, &["--env A has no value", "A=VALUE"]);
    world.weft(["run", "--dir", "text", CALLS]).fails(2, &["--dir text is no directory"]);
    world.weft(["run", "--stdin", "nothing", CALLS]).fails(1, &["cannot read nothing"]);
    world.weft(["run", CALLS, "--", "do", "trap"]).fails(3, &["the computation failed: trap"]);
    world
        .weft(["run", "--deadline", "300ms", CALLS, "--", "do", "spin"])
        .fails(4, &["no answer: deadline"]);
    world.is_intact();
}
