//! Which modules can be applied, and what is said of the others.

use std::sync::Arc;

use weft_engine::FailureKind::BadModule;
use weft_engine::NoAnswerKind::{Interrupted, ModuleTooLarge};
use weft_engine::{Config, Engine, Outcome};
use weft_object::Handle;

use crate::harness::{Case, config};

fn refused(case: &Case) -> String {
    let (kind, detail) = case.failure();
    assert_eq!(kind, BadModule, "{detail}");
    detail
}

fn refused_text(rest: &str) -> String {
    refused(&Case::text(&format!("(module {rest})")))
}

const APPLY: &str = "(func (export \"weft_apply\") (param i32) (result i32) (local.get 0))";
const NOT_VALID: &str = "malformed, or in need of a WebAssembly proposal that is not enabled";

#[test]
fn what_is_no_module() {
    let not = "not a WebAssembly module";
    assert_eq!(refused(&Case::binary(&[7; 100])), not);
    assert_eq!(refused(&Case::binary(b"(module) ;; as text, which is longer than a literal")), not);
    assert_eq!(refused(&Case::binary(b"\0asm")), NOT_VALID);
    assert_eq!(refused(&Case::binary(b"\0asm\x01\0\0\0")), "no export weft_apply");
    let component = [&b"\0asm\x0d\0\x01\0"[..], &[0; 100]].concat();
    assert_eq!(refused(&Case::binary(&component)), NOT_VALID);
}

#[test]
fn a_module_cut_anywhere_is_refused() {
    let module = wat::parse_str(format!("(module {APPLY} (memory 1) (data (i32.const 0) \"hi\"))"));
    let module = module.unwrap();
    let mut whole = 0;
    for end in 31..module.len() {
        let case = Case::binary(&module[..end]);
        match case.apply().outcome {
            // Cut between two sections, it is another module.
            Outcome::Value(value) => {
                assert_eq!(value, case.entries().handle());
                whole += 1;
            }
            _ => assert_eq!(refused(&case), NOT_VALID),
        }
    }
    assert!(whole <= 1, "{whole}");
}

#[test]
fn the_validators_words_are_a_note_only() {
    let case = Case::text(&format!("(module {APPLY} (func (result i32)))"));
    let Outcome::Failure(failure) = case.apply().outcome else { panic!() };
    assert_eq!(failure.detail, NOT_VALID);
    assert!(failure.note.unwrap().contains("type mismatch"));
}

#[test]
fn proposals_that_are_not_enabled() {
    for rest in [
        "(memory 1 1 shared)",
        "(tag)",
        "(table 1 externref)",
        "(type (struct))",
        "(type $f (func)) (func (param (ref $f)))",
        "(func (param i64 i64) (result i64 i64)
           (i64.add128 (local.get 0) (local.get 1) (local.get 0) (local.get 1)))",
        "(memory 1 (pagesize 1))",
    ] {
        assert_eq!(refused_text(&format!("{APPLY} {rest}")), NOT_VALID, "{rest}");
    }
}

#[test]
fn proposals_that_are_enabled() {
    for rest in [
        "(global (mut i32) (i32.add (i32.const 1) (i32.const 2)))",
        "(memory 1) (memory 1)",
        "(memory i64 1)",
        "(table i64 1 funcref)",
        "(func (result i32 i32) (i32.const 1) (i32.const 2))",
        "(func (param i32) (result i32) (return_call 0 (local.get 0)))",
        "(func (param v128) (result v128)
           (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))",
        "(func (param f32) (result i32) (i32.trunc_sat_f32_s (local.get 0)))",
        "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))",
    ] {
        let case = Case::text(&format!("(module {APPLY} {rest})"));
        assert_eq!(case.value(), case.entries().handle(), "{rest}");
    }
}

#[test]
fn exports_that_are_missing_or_of_another_type() {
    assert_eq!(refused_text(""), "no export weft_apply");
    assert_eq!(refused_text("(func (export \"main\"))"), "no export weft_apply");
    assert_eq!(
        refused_text("(func (export \"weft_apply\") (param i32 i32))"),
        "weft_apply is (i32, i32) -> (), not (i32) -> i32"
    );
    assert_eq!(
        refused_text("(memory (export \"weft_apply\") 1)"),
        "weft_apply is a memory, not (i32) -> i32"
    );
}

#[test]
fn imports_that_do_not_exist_are_named() {
    let detail = refused_text(&format!(
        "(import \"wasi_snapshot_preview1\" \"fd_write\" (func))
         (import \"weft_1\" \"kind\" (func (param i32) (result i32)))
         (import \"weft_1\" \"clock\" (func))
         (import \"env\" \"memory\" (memory 1))
         {APPLY}"
    ));
    let named = "unknown imports: wasi_snapshot_preview1.fd_write, weft_1.clock, env.memory";
    assert_eq!(detail, named);
    let detail = refused_text(&format!("(import \"weft_1\" \"log\" (func (param i64))) {APPLY}"));
    let named = "unknown imports: weft_1.log as (i64) -> (), which is (i32, i32) -> ()";
    assert_eq!(detail, named);
}

#[test]
fn many_and_long_imports_are_cut() {
    let long = "x".repeat(1000);
    let imports: String =
        (0..100).map(|at| format!("(import \"{long}\" \"{at}\" (func))\n")).collect();
    let detail = refused_text(&format!("{imports} {APPLY}"));
    assert!(detail.len() < 2000, "{}", detail.len());
    assert!(detail.ends_with("and 84 more"), "{detail}");
}

#[test]
fn a_module_above_the_size_is_no_answer() {
    let engine = Engine::new(Config { module_max_bytes: 200, ..config() }).unwrap();
    let engine = Arc::new(engine);
    let large = format!("(module {APPLY} (memory 1) (data (i32.const 0) \"{}\"))", "a".repeat(200));
    assert_eq!(Case::text(&large).on(&engine).no_answer(), ModuleTooLarge);
    let small = Case::text(&format!("(module {APPLY})")).on(&engine);
    assert_eq!(small.value(), small.entries().handle());
    // Not remembered as if it were a failure: another engine takes it.
    let case = Case::text(&large);
    assert_eq!(case.value(), case.entries().handle());
}

#[test]
fn a_module_with_very_many_functions() {
    let functions: String = (0..5000).map(|at| format!("(func (export \"f{at}\"))")).collect();
    let case = Case::text(&format!("(module {APPLY} {functions})"));
    assert_eq!(case.value(), case.entries().handle());
}

/// A function with this many conditionals that each may change a local.
fn conditionals(count: usize, locals: usize) -> String {
    let declared: String = (0..locals).map(|at| format!("(local $x{at} i32)")).collect();
    let body: String = (0..count)
        .map(|at| {
            let (from, to) = (at % locals, (at * 7 + 3) % locals);
            format!(
                "(if (local.get $x{from}) (then (local.set $x{to}
                   (i32.add (local.get $x{from}) (i32.const {at})))))\n"
            )
        })
        .collect();
    format!("(func (export \"f\") {declared} {body})")
}

#[test]
fn a_function_that_would_be_compiled_for_minutes_is_no_answer() {
    let table = "0 ".repeat(40_000);
    let stack = format!(
        "(func {} {} {})",
        "(i32.const 1) ".repeat(40_000),
        "(block) ".repeat(1000),
        "drop ".repeat(40_000)
    );
    for function in [
        conditionals(60_000, 200),
        conditionals(40_000, 1),
        conditionals(10_000, 4000),
        format!("(func (loop (br_table {table} (i32.const 0))))"),
        stack,
        format!("(func {})", "(drop (i64.const -9000000000000000000)) ".repeat(400_000)),
    ] {
        let case = Case::text(&format!("(module {APPLY} {function})"));
        let Outcome::NoAnswer { kind, detail } = case.apply().outcome else { panic!() };
        assert_eq!(kind, ModuleTooLarge);
        assert!(detail.starts_with("function 1 has"), "{detail}");
        assert!(detail.ends_with("split the function"), "{detail}");
    }
    // Not because of its size, and many functions are nothing of the sort.
    let functions = conditionals(100, 20).replace("(export \"f\")", "").repeat(200);
    let case = Case::text(&format!("(module {APPLY} {functions})"));
    assert_eq!(case.value(), case.entries().handle());
}

#[test]
fn an_invalid_module_is_a_failure_however_large_its_functions() {
    let function = conditionals(40_000, 1);
    let case = Case::text(&format!("(module {APPLY} {function} (func (result i32)))"));
    assert_eq!(refused(&case), NOT_VALID);
}

#[test]
fn who_waits_for_the_compiler_leaves_when_interrupted() {
    let engine = Arc::new(Engine::new(config()).unwrap());
    // Each takes long enough to be left, and there is one for each core.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let slow: Vec<_> = (0..cores.min(8))
        .map(|at| format!("(module {APPLY} {})", conditionals(6000 + at, 100)))
        .map(|text| wat::parse_str(text).unwrap())
        .collect();
    let cases: Vec<_> = slow.iter().chain(&slow).map(|m| Case::binary(m).on(&engine)).collect();
    let interrupts: Vec<_> = cases.iter().map(|case| case.interrupt.clone()).collect();
    let runs: Vec<_> =
        cases.into_iter().map(|case| std::thread::spawn(move || case.no_answer())).collect();
    std::thread::sleep(std::time::Duration::from_millis(50));
    for interrupt in interrupts {
        interrupt.interrupt();
    }
    for run in runs {
        assert_eq!(run.join().unwrap(), Interrupted);
    }
    // They left before there was anything to run, and others are not held up.
    assert_eq!(engine.stats().compiled, 0);
    let other = Case::text(&format!("(module {APPLY})")).on(&engine);
    assert_eq!(other.value(), other.entries().handle());
    assert_eq!(engine.stats().compiled, 1);
    // The compilations went on for whoever asks next, and are not begun again.
    for slow in &slow {
        let case = Case::binary(slow).on(&engine);
        assert_eq!(case.value(), case.entries().handle());
    }
    assert_eq!(engine.stats().compiled, 1 + slow.len() as u64);
}

#[test]
fn an_engine_goes_away_while_it_compiles() {
    let engine = Arc::new(Engine::new(config()).unwrap());
    let slow = format!("(module {APPLY} {})", conditionals(6000, 100));
    let case = Case::text(&slow).on(&engine);
    let interrupt = case.interrupt.clone();
    let run = std::thread::spawn(move || case.no_answer());
    std::thread::sleep(std::time::Duration::from_millis(50));
    interrupt.interrupt();
    assert_eq!(run.join().unwrap(), Interrupted);
    // Nothing that compiles keeps the engine.
    assert!(Arc::into_inner(engine).is_some());
}

#[test]
fn an_application_without_a_module_fails() {
    let mut case = Case::text(&format!("(module {APPLY})"));
    case.module = case.module.lower().unwrap();
    assert_eq!(refused(&case), "the procedure is blob ref, not blob");
    let tree = case.memory.put_tree(&[Handle::of_u64(1)]);
    case.module = tree;
    assert_eq!(refused(&case), "the procedure is tree, not blob");
}

#[test]
fn traps_are_failures_with_names() {
    let case = Case::module(
        "(func $inner (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
         (func $outer (param i32) (result i32) (call $inner (local.get 0)))
         (func (export \"weft_apply\") (param i32) (result i32) (call $outer (local.get 0)))",
    );
    for case in crate::harness::every_way(case) {
        let Outcome::Failure(failure) = case.apply().outcome else { panic!() };
        assert_eq!(failure.detail, "integer division by zero");
        let note = failure.note.unwrap();
        let lines: Vec<_> = note.lines().collect();
        assert!(lines[0].starts_with("  0: inner at 0x"), "{note}");
        assert!(lines[1].starts_with("  1: outer at 0x"), "{note}");
        assert_eq!(lines.len(), 3, "{note}");
    }
}

#[test]
fn every_trap_has_our_words() {
    for (body, detail) in [
        ("unreachable", "unreachable"),
        ("(i32.load (i32.const -4))", "memory access out of bounds"),
        ("(i32.rem_u (i32.const 1) (i32.const 0))", "integer division by zero"),
        ("(i32.div_s (i32.const 0x80000000) (i32.const -1))", "integer overflow"),
        ("(i32.trunc_f32_s (f32.const nan))", "conversion of a float out of range"),
        ("(i32.trunc_f32_s (f32.const 1e30))", "integer overflow"),
        (
            "(call_indirect $t (param i32) (result i32) (i32.const 0) (i32.const 9))",
            "table access out of bounds",
        ),
        (
            "(call_indirect $t (param i32) (result i32) (i32.const 0) (i32.const 1))",
            "indirect call to a null entry",
        ),
        ("(call_indirect $t (result i32) (i32.const 0))", "indirect call of another type"),
        (
            "(memory.fill (i32.const 65536) (i32.const 0) (i32.const 1)) (i32.const 0)",
            "memory access out of bounds",
        ),
        (
            "(table.fill $t (i32.const 2) (ref.null func) (i32.const 1)) (i32.const 0)",
            "table access out of bounds",
        ),
    ] {
        let case = Case::module(&format!(
            "(memory (export \"memory\") 1) (table $t 2 funcref) (elem (i32.const 0) $f)
             (func $f (export \"weft_apply\") (param i32) (result i32) {body})"
        ));
        for case in crate::harness::every_way(case) {
            assert_eq!(
                case.failure(),
                (weft_engine::FailureKind::Trap, detail.to_owned()),
                "{body}"
            );
        }
    }
}

#[test]
fn a_data_segment_outside_memory_traps() {
    let case = Case::module(&format!("(memory 1) (data (i32.const 65535) \"ab\") {APPLY}"));
    for case in crate::harness::every_way(case) {
        assert_eq!(case.failure().1, "memory access out of bounds");
    }
}

#[test]
fn arbitrary_bytes_do_no_harm() {
    let module = include_bytes!("../../../../guests/bin/needle.wasm");
    weft_engine::fuzz::fuzz_module(module);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    for _ in 0..400 {
        let mut bytes = module.to_vec();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            bytes[at] = next(256) as u8;
        }
        bytes.truncate(bytes.len() - next(3) * next(40));
        weft_engine::fuzz::fuzz_module(&bytes);
    }
}
