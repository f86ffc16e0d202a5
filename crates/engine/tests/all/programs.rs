//! Programs for WASI, under `wasi/1`.

use weft_engine::{FailureKind, NoAnswerKind, Outcome};
use weft_object::Handle;

use crate::harness::{Case, every_way, made_tree, refused, value};

/// A program in text form, without arguments or directories.
fn program(module: &str) -> Case {
    let mut case = Case::text(module);
    let program = std::mem::replace(&mut case.module, Handle::of_blob(b"wasi/1"));
    case.argument(program)
}

/// The same, with the function to call and stubs.
fn reactor(module: &str, function: &str, stubs: &[(&str, &str, &[u8])]) -> Case {
    let mut case = program(module);
    let mut entries = vec![case.arguments[0], Handle::of_blob(function.as_bytes())];
    for (module, name, value) in stubs {
        let parts = [module.as_bytes(), name.as_bytes(), value];
        entries.extend(parts.map(|part| case.memory.put_blob(part)));
    }
    case.arguments = vec![case.memory.put_tree(&entries)];
    case
}

fn exit_code(case: &Case) -> u64 {
    let applied = case.apply();
    made_tree(&applied, value(&applied))[0].literal_u64().unwrap()
}

#[test]
fn unknown_imports_are_named_with_the_nearest() {
    let failure = refused(&program(
        "(module
           (import \"wasi_snapshot_preview1\" \"fd_wirte\" (func))
           (import \"env\" \"proc_exit\" (func (param i32)))
           (import \"host\" \"call\" (func)))",
    ));
    let named = "unknown imports: wasi_snapshot_preview1.fd_wirte, env.proc_exit, host.call";
    assert_eq!(failure.detail, named);
    assert_eq!(
        failure.note.unwrap(),
        "wasi_snapshot_preview1.fd_wirte: the nearest known is wasi_snapshot_preview1.fd_write\n\
         env.proc_exit: the nearest known is wasi_snapshot_preview1.proc_exit\n\
         what the program can do without can be given as --stub MODULE.NAME=VALUE"
    );
}

#[test]
fn who_brings_something_else_is_told_what_it_is() {
    let failure = refused(&program(
        "(module
           (import \"wasi_unstable\" \"fd_write\" (func))
           (import \"wasi_unstable\" \"fd_reed\" (func)))",
    ));
    assert_eq!(
        failure.note.unwrap(),
        "wasi_unstable.fd_write: the nearest known is wasi_snapshot_preview1.fd_write\n\
         wasi_unstable.fd_reed: the nearest known is wasi_snapshot_preview1.fd_read\n\
         wasi_unstable came before preview 1; compile the program for wasm32-wasip1"
    );
    let codelet = "(module (import \"weft_1\" \"kind\" (func (param i32) (result i32))))";
    let note = refused(&program(codelet)).note.unwrap();
    assert_eq!(note, "this is a function for `weft eval`, not a program");
    let program = "(module (import \"wasi_snapshot_preview1\" \"sched_yield\" (func)))";
    let note = refused(&Case::text(program)).note.unwrap();
    assert_eq!(note, "this is a program for WASI, which `weft run` runs");
}

/// Only what is told is compared, and of the rest not even that.
#[test]
fn of_many_unknown_imports_few_are_compared() {
    let import = |at| format!("(import \"m{at}\" \"fd_wirte\" (func))");
    let imports: String = (0..1000).map(import).collect();
    let note = refused(&program(&format!("(module {imports})"))).note.unwrap();
    assert_eq!(note.lines().count(), 17, "{note}");
    let long = "fd_write".repeat(1000);
    let long = refused(&program(&format!("(module (import \"m\" \"{long}\" (func)))")));
    assert!(!long.note.unwrap().contains("nearest") && long.detail.len() < 200);
}

const REACTOR: &str = r#"(module
    (import "host" "call" (func $call (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (global $ready (mut i32) (i32.const 0))
    (memory (export "memory") 1)
    (func (export "_initialize") (global.set $ready (i32.const 40)))
    (func (export "run") (result i32) (i32.add (global.get $ready) (i32.const 2)))
    (func (export "quiet"))
    (func (export "leave") (call $exit (i32.const 9)))
    (func (export "asks") (result i32)
      (call $call (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
    (func (export "takes") (param i32)))"#;

#[test]
fn a_reactor_is_entered_where_it_is_told() {
    let call = ("host", "call", &(-1i64).to_le_bytes()[..]);
    for (function, code) in [("run", 42), ("quiet", 0), ("leave", 9), ("asks", 0xffff_ffff)] {
        for case in every_way(reactor(REACTOR, function, &[call])) {
            assert_eq!(exit_code(&case), code, "{function}");
        }
    }
}

#[test]
fn a_command_is_the_same_as_a_program_of_its_own_and_in_a_tree() {
    let text = r#"(module (func (export "_start")) (func (export "_initialize") (unreachable)))"#;
    assert_eq!(exit_code(&program(text)), 0);
    assert_eq!(exit_code(&reactor(text, "", &[])), 0);
}

#[test]
fn which_function_to_call_is_said_where_it_is_not_known() {
    let call = ("host", "call", &[1][..]);
    let failure = refused(&reactor(REACTOR, "", &[call]));
    assert_eq!(failure.detail, "no export _start, so it is no command for WASI preview 1");
    assert_eq!(
        failure.note.unwrap(),
        "it is a reactor: --invoke NAME calls a function of it; there is run, quiet, leave, asks"
    );
    let failure = refused(&reactor(REACTOR, "rum", &[call]));
    assert_eq!(failure.detail, "no export rum");
    assert_eq!(failure.note.unwrap(), "there is run, quiet, leave, asks");
    let failure = refused(&reactor(REACTOR, "takes", &[call]));
    assert_eq!(failure.detail, "takes is (i32) -> (), not () -> () or () -> i32");
}

#[test]
fn a_stub_stands_in_for_an_import() {
    let failure = refused(&reactor(REACTOR, "run", &[]));
    assert_eq!(failure.detail, "unknown imports: host.call");
    assert!(failure.note.unwrap().contains("--stub MODULE.NAME=VALUE"));
    // Without a value it may be there but not be called.
    let nothing = ("host", "call", &[][..]);
    assert_eq!(exit_code(&reactor(REACTOR, "run", &[nothing])), 42);
    let (kind, detail) = reactor(REACTOR, "asks", &[nothing]).failure();
    assert_eq!(kind, FailureKind::Trap);
    assert_eq!(detail, "host.call was called, and its stub has no value");
    // Also for what there is.
    let exit = ("wasi_snapshot_preview1", "proc_exit", &[0][..]);
    let call = ("host", "call", &[0][..]);
    assert_eq!(exit_code(&reactor(REACTOR, "leave", &[call, exit])), 0);
    // And only for functions, of integers.
    for import in ["(memory 1)", "(func (result f32))"] {
        let text = format!(r#"(module (import "host" "it" {import}) (func (export "_start")))"#);
        let failure = refused(&reactor(&text, "", &[("host", "it", &[0])]));
        assert!(failure.detail.ends_with("stubbed as a function that returns integers"));
    }
}

#[test]
fn a_program_of_another_form_is_refused() {
    for (entries, said) in [
        (vec![], "wasi/1: the program is an empty tree"),
        (vec![Handle::of_tree(&[])], "wasi/1: the program's module is tree, not blob"),
        (vec![Handle::of_u64(0), Handle::of_tree(&[])], "the function is tree, not blob"),
        (vec![Handle::of_u64(0); 3], "wasi/1: a stub is a module, a name and a value"),
    ] {
        let mut case = program("(module)");
        case.arguments = vec![case.memory.put_tree(&entries)];
        let (kind, detail) = case.failure();
        assert_eq!(kind, FailureKind::BadHandle);
        assert!(detail.ends_with(said), "{detail}");
    }
}

/// As C++ and `setjmp` are compiled.
#[test]
fn exceptions_are_thrown_and_caught() {
    let text = r#"(module
        (tag $e (param i32))
        (func $risky (param i32)
          (if (i32.gt_u (local.get 0) (i32.const 4)) (then (throw $e (local.get 0)))))
        (func $try (param i32) (result i32)
          (block $caught (result i32)
            (try_table (catch $e $caught) (call $risky (local.get 0)))
            (i32.const 0)))
        (func $again (result i32) (local $x exnref)
          (block $outer (result i32)
            (try_table (result i32) (catch $e $outer)
              (block $all (result exnref)
                (try_table (catch_all_ref $all) (throw $e (i32.const 30)))
                (unreachable))
              (throw_ref))))
        (func (export "run") (result i32)
          (i32.add (call $again)
            (i32.add (call $try (i32.const 3)) (call $try (i32.const 12))))))"#;
    for case in every_way(reactor(text, "run", &[])) {
        assert_eq!(exit_code(&case), 42);
    }
}

#[test]
fn an_uncaught_exception_is_a_trap_of_its_own_name() {
    let text = "(module (tag $e) (func (export \"_start\") (throw $e)))";
    for case in every_way(program(text)) {
        assert_eq!(case.failure(), (FailureKind::Trap, "uncaught exception".to_owned()));
    }
}

/// Many that nobody keeps take no more room than a few.
#[test]
fn exceptions_that_are_gone_take_no_memory() {
    let text = r#"(module
        (tag $e (param i64 i64))
        (func (export "_start") (local $left i32)
          (local.set $left (i32.const 4000))
          (loop $more
            (block $caught (result i64 i64)
              (try_table (catch $e $caught) (throw $e (i64.const 1) (i64.const 2)))
              (unreachable))
            (drop) (drop)
            (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#;
    for case in every_way(program(text).limit(64 << 10)) {
        assert_eq!(exit_code(&case), 0);
    }
}

/// Each frame keeps one.
#[test]
fn more_exceptions_than_memory_is_no_answer() {
    let text = r#"(module
        (tag $e (param i64))
        (func $deeper (param $left i32) (local $kept exnref)
          (local.set $kept (block $caught (result exnref)
            (try_table (catch_all_ref $caught) (throw $e (i64.const 1)))
            (unreachable)))
          (if (local.get $left)
            (then (call $deeper (i32.sub (local.get $left) (i32.const 1)))))
          (try_table (throw_ref (local.get $kept))))
        (func (export "_start")
          (try_table (call $deeper (i32.const 1500)))))"#;
    for case in every_way(program(text).limit(64 << 10)) {
        match case.apply().outcome {
            Outcome::NoAnswer { kind: NoAnswerKind::HostMemory, detail } => {
                assert!(detail.starts_with("more exceptions are alive than"), "{detail}");
            }
            other => panic!("{other:?}"),
        }
    }
    let roomy = program(text).limit(16 << 20).failure();
    assert_eq!(roomy, (FailureKind::Trap, "uncaught exception".to_owned()));
}

/// Functions have no exceptions: that would be another meaning version.
#[test]
fn what_programs_may_use_is_not_what_functions_may() {
    let text = "(module (tag $e) (func (export \"_start\")) (table 1 externref))";
    refused(&program(text));
    let text = "(module (tag $e) (func (export \"_start\")))";
    assert_eq!(exit_code(&program(text)), 0);
}

/// One module has one artifact, but what it may be was found out for one use.
#[test]
fn what_was_found_of_a_program_is_not_known_of_a_function() {
    let place = std::env::temp_dir().join(format!("weft-programs-{}", std::process::id()));
    let engine = || {
        let artifacts = Some(place.clone());
        let config = weft_engine::Config { artifacts, ..crate::harness::config() };
        std::sync::Arc::new(weft_engine::Engine::new(config).unwrap())
    };
    let text = r#"(module (tag $e)
        (func (export "_start"))
        (func (export "weft_apply") (param i32) (result i32) (local.get 0)))"#;
    assert_eq!(exit_code(&program(text).on(&engine())), 0);
    assert_eq!(exit_code(&program(text).on(&engine())), 0);
    assert!(refused(&Case::text(text).on(&engine())).detail.starts_with("malformed"));
    std::fs::remove_dir_all(&place).unwrap();
}
