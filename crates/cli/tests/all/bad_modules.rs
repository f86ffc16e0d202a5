//! Modules that are wrong, large or without end: the same answer each time, the
//! right code, and a store as it was.

use crate::world::World;

struct Case {
    name: &'static str,
    wat: &'static str,
    expression: &'static str,
    code: i32,
    words: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        name: "no export",
        wat: "(module)",
        expression: "apply(./m.wasm)",
        code: 3,
        words: &["bad module", "weft_apply"],
    },
    Case {
        name: "an export of another type",
        wat: r#"(module (func (export "weft_apply")))"#,
        expression: "apply(./m.wasm)",
        code: 3,
        words: &["bad module", "weft_apply"],
    },
    Case {
        name: "an import that nobody offers",
        wat: r#"(module (import "weft_1" "read_clock" (func))
            (func (export "weft_apply") (param i32) (result i32) local.get 0))"#,
        expression: "apply(./m.wasm)",
        code: 3,
        words: &["bad module", "weft_1", "read_clock"],
    },
    Case {
        name: "an import of another system",
        wat: r#"(module (import "env" "printf" (func))
            (func (export "weft_apply") (param i32) (result i32) local.get 0))"#,
        expression: "apply(./m.wasm)",
        code: 3,
        words: &["bad module", "env", "printf"],
    },
    Case {
        name: "a trap",
        wat: r#"(module (func $deep (unreachable))
            (func (export "weft_apply") (param i32) (result i32) (call $deep) local.get 0))"#,
        expression: "apply(./m.wasm)",
        code: 3,
        words: &["trap", "deep"],
    },
    Case {
        name: "a handle that it was not given",
        wat: r#"(module (func (export "weft_apply") (param i32) (result i32) (i32.const 77)))"#,
        expression: "apply(./m.wasm)",
        code: 3,
        words: &["bad handle"],
    },
    Case {
        name: "more memory than the limit from the start",
        wat: r#"(module (memory 100)
            (func (export "weft_apply") (param i32) (result i32) local.get 0))"#,
        expression: "apply{memory: 1MiB}(./m.wasm)",
        code: 3,
        words: &["memory limit"],
    },
    Case {
        // `memory.grow` says no at the limit, and the function gives up.
        name: "allocating without end",
        wat: r#"(module (memory (export "memory") 1)
            (func (export "weft_apply") (param i32) (result i32)
              (loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
              (unreachable)))"#,
        expression: "apply{memory: 64MiB}(./m.wasm)",
        code: 3,
        words: &["trap", "unreachable"],
    },
    Case {
        name: "making handles without end",
        wat: r#"(module (import "weft_1" "u64_blob" (func $new (param i64) (result i32)))
            (func (export "weft_apply") (param i32) (result i32) (local $n i64)
              (loop $more
                (local.set $n (i64.add (i64.const 1) (local.get $n)))
                (drop (call $new (local.get $n)))
                (br $more))
              (unreachable)))"#,
        expression: "apply(./m.wasm)",
        code: 4,
        words: &["no answer: exhausted", "handle"],
    },
    Case {
        name: "recursion without end",
        wat: r#"(module (func $again (param i32) (result i32)
              (i32.add (i32.const 1) (call $again (local.get 0))))
            (func (export "weft_apply") (param i32) (result i32) (call $again (local.get 0))))"#,
        expression: "apply(./m.wasm)",
        code: 4,
        words: &["no answer: exhausted"],
    },
    Case {
        name: "logging without end, until the fuel is burned",
        wat: r#"(module (import "weft_1" "log" (func $log (param i32 i32)))
            (memory (export "memory") 1)
            (func (export "weft_apply") (param i32) (result i32)
              (loop $more (call $log (i32.const 0) (i32.const 60000)) (br $more))
              (unreachable)))"#,
        expression: "apply{fuel: 100000}(./m.wasm)",
        code: 4,
        words: &["no answer: out of fuel"],
    },
    Case {
        name: "logging without end, and then a trap",
        wat: r#"(module (import "weft_1" "log" (func $log (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "again and again")
            (func (export "weft_apply") (param i32) (result i32) (local $n i32)
              (loop $more
                (call $log (i32.const 0) (i32.const 15))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $n) (i32.const 1000000))))
              (unreachable)))"#,
        expression: "apply(./m.wasm)",
        code: 3,
        words: &["trap", "again and again", "the rest of the log was cut"],
    },
    Case {
        name: "a loop without end",
        wat: r#"(module (func (export "weft_apply") (param i32) (result i32)
            (loop $again (br $again)) (unreachable)))"#,
        expression: "apply{fuel: 1000000}(./m.wasm)",
        code: 4,
        words: &["no answer: out of fuel"],
    },
    Case {
        name: "a computation that needs itself",
        wat: r#"(module
            (import "weft_1" "application" (func $application (param i32) (result i32)))
            (import "weft_1" "strict" (func $strict (param i32) (result i32)))
            (func (export "weft_apply") (param i32) (result i32)
              (call $strict (call $application (local.get 0)))))"#,
        expression: "apply(./m.wasm)",
        code: 3,
        words: &["cycle"],
    },
];

#[test]
fn each_is_an_error_that_says_so_twice_the_same() {
    let world = World::new();
    world.remember();
    for case in CASES {
        world.wat("m.wasm", case.wat);
        let first = world.eval(case.expression);
        let named = std::panic::catch_unwind(|| {
            first.fails(case.code, case.words);
        });
        assert!(named.is_ok(), "{}: {first:?}", case.name);
        let second = world.eval(case.expression);
        assert_eq!(second.code, first.code, "{}", case.name);
        if case.code == 3 {
            // Found in the store, not found again, and no word is lost.
            assert_eq!(second.stderr, first.stderr, "{}", case.name);
            assert_eq!(world.json(case.expression)["cost"]["applied"], 0, "{}", case.name);
        }
        // However long it logged, what is shown is for people.
        assert!(first.stderr.len() < 10_000, "{}: {} bytes", case.name, first.stderr.len());
    }
    world.is_intact();
}

#[test]
fn bytes_that_are_no_module() {
    let world = World::new();
    world.remember();
    let no_module = "some text of more than thirty bytes, which is no module";
    world.write("m.wasm", no_module);
    world.eval("apply(./m.wasm)").fails(3, &["bad module"]);
    // The magic number, and then nothing that makes sense.
    let malformed = [&b"\0asm\x01\0\0\0"[..], &[0xee; 100]].concat();
    world.write("m.wasm", malformed);
    world.eval("apply(./m.wasm)").fails(3, &["bad module"]);
    // Cut off.
    let whole = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guests/bin/fib.wasm"));
    let whole = whole.unwrap();
    world.write("m.wasm", &whole[..whole.len() / 2]);
    world.eval("apply(./m.wasm)").fails(3, &["bad module"]);
    world.write("empty.wasm", "");
    let empty = world.eval("apply(./empty.wasm)");
    assert!(matches!(empty.code, Some(3 | 4)), "{empty:?}");
    world.is_intact();
}

/// One section that nobody needs, of so many bytes: a valid module.
fn with_section(world: &World, module: &[u8], length: u32) {
    let mut bytes = module.to_vec();
    bytes.push(0);
    let mut left = length;
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.extend_from_slice(&[left as u8, 1, b'x']);
    let path = world.write("m.wasm", &bytes);
    // Zeros that take no room on the disk.
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(bytes.len() as u64 + u64::from(length) - 2).unwrap();
}

#[test]
fn a_gigantic_module() {
    let world = World::new();
    world.remember();
    let identity = r#"(module (func (export "weft_apply") (param i32) (result i32) local.get 0))"#;
    let identity = wat::parse_str(identity).unwrap();
    // Large is no reason to refuse it, if there is room.
    with_section(&world, &identity, 20 << 20);
    assert_eq!(world.json("apply(./m.wasm)")["kind"], "tree");
    let small = ["eval", "--memory", "16MiB", "apply{memory: 1MiB}(./m.wasm, 1u8)"];
    // A large file of the store is mapped, and takes none of the node's memory.
    world.weft(small).ok();
    with_section(&world, &identity, 257 << 20);
    world.eval("apply(./m.wasm)").fails(4, &["no answer: too large", "module"]);
    world.is_intact();
}
