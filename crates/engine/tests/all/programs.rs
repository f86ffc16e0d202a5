//! Programs for WASI, under `wasi/1`.

use weft_engine::{Failure, FailureKind, Outcome};
use weft_object::Handle;

use crate::harness::Case;

/// A program in text form, without arguments or directories.
fn program(module: &str) -> Case {
    let mut case = Case::text(module);
    let program = std::mem::replace(&mut case.module, Handle::of_blob(b"wasi/1"));
    case.argument(program)
}

fn refused(case: &Case) -> Failure {
    match case.apply().outcome {
        Outcome::Failure(failure) => {
            assert_eq!(failure.kind, FailureKind::BadModule, "{failure:?}");
            failure
        }
        other => panic!("not refused: {other:?}"),
    }
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
         env.proc_exit: the nearest known is wasi_snapshot_preview1.proc_exit"
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
        "wasi_unstable came before preview 1; compile the program for wasm32-wasip1\n\
         wasi_unstable.fd_write: the nearest known is wasi_snapshot_preview1.fd_write\n\
         wasi_unstable.fd_reed: the nearest known is wasi_snapshot_preview1.fd_read"
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
    assert_eq!(note.lines().count(), 16, "{note}");
    let long = "fd_write".repeat(1000);
    let long = refused(&program(&format!("(module (import \"m\" \"{long}\" (func)))")));
    assert!(long.note.is_none() && long.detail.len() < 200, "{long:?}");
}
