//! Takes apart what ended a run.

use std::fmt::Write;

use wasmtime::{Error, FrameInfo, GcHeapOutOfMemory, ThrownException, Trap, WasmBacktrace};

use crate::outcome::{Failure, FailureKind, NoAnswerKind, Outcome, Stop};
use crate::rewrite::Places;

/// The outcome of a run that ended in an error, of a module whose instructions
/// were elsewhere before it was rewritten.
pub(crate) fn outcome<'a>(error: &Error, places: impl FnOnce() -> Option<&'a Places>) -> Outcome {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Failure(kind, detail) => Outcome::Failure(Failure {
                kind: *kind,
                detail: detail.clone(),
                note: backtrace(error, places),
            }),
            Stop::NoAnswer(kind, detail) => no_answer(*kind, detail),
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => no_answer(
            NoAnswerKind::NativeStack,
            "the function recursed deeper than the stack of this machine",
        ),
        Some(Trap::OutOfFuel) => {
            no_answer(NoAnswerKind::Fuel, "the request's fuel is used up; allow more")
        }
        Some(Trap::Interrupt) => no_answer(NoAnswerKind::Interrupted, "the run was interrupted"),
        Some(trap) => match words(*trap) {
            Some(words) => Outcome::Failure(Failure {
                kind: FailureKind::Trap,
                detail: words.to_owned(),
                note: backtrace(error, places),
            }),
            None => no_answer(NoAnswerKind::Unsupported, &format!("unexpected trap: {trap}")),
        },
        None if error.is::<ThrownException>() => Outcome::Failure(Failure {
            kind: FailureKind::Trap,
            detail: "uncaught exception".to_owned(),
            note: backtrace(error, places),
        }),
        None if error.is::<GcHeapOutOfMemory<()>>() => no_answer(
            NoAnswerKind::HostMemory,
            "more exceptions are alive than the memory limit has room for; raise it",
        ),
        // Nothing of the function's doing is left: instantiation could not get
        // what it needs from the machine.
        None => no_answer(NoAnswerKind::HostMemory, &format!("{error:#}")),
    }
}

pub(crate) fn no_answer(kind: NoAnswerKind, detail: &str) -> Outcome {
    Outcome::NoAnswer { kind, detail: detail.to_owned() }
}

/// Our words for the traps that modules of this meaning version can come to.
fn words(trap: Trap) -> Option<&'static str> {
    Some(match trap {
        Trap::MemoryOutOfBounds => "memory access out of bounds",
        Trap::TableOutOfBounds => "table access out of bounds",
        Trap::IndirectCallToNull => "indirect call to a null entry",
        Trap::BadSignature => "indirect call of another type",
        Trap::IntegerOverflow => "integer overflow",
        Trap::IntegerDivisionByZero => "integer division by zero",
        Trap::BadConversionToInteger => "conversion of a float out of range",
        Trap::UnreachableCodeReached => "unreachable",
        Trap::NullReference => "null reference",
        Trap::CannotEnterComponent => "a component entered anew",
        Trap::CannotLeaveComponent => "a component left where it cannot be",
        Trap::InvalidChar => "a character that is none",
        _ => return None,
    })
}

/// Of the functions that were running, so many are told.
pub(crate) const TOLD_FRAMES: usize = 20;

/// The functions that were running, innermost first, by names and places within
/// the module.
fn backtrace<'a>(error: &Error, places: impl FnOnce() -> Option<&'a Places>) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    let places = places();
    let was_there =
        |frame: &&FrameInfo| places.is_none_or(|places| places.has_function(frame.func_index()));
    let mut text = String::new();
    for (depth, frame) in frames.iter().filter(was_there).take(TOLD_FRAMES).enumerate() {
        let _ = write!(text, "{depth:>3}: ");
        let _ = match frame.func_name() {
            Some(name) => write!(text, "{:#}", rustc_demangle::demangle(name)),
            None => write!(text, "function {}", frame.func_index()),
        };
        let offset = frame.module_offset();
        let offset = offset.and_then(|new| places.map_or(Some(new), |places| places.old(new)));
        if let Some(offset) = offset {
            let _ = write!(text, " at {offset:#x}");
        }
        text.push('\n');
    }
    (!text.is_empty()).then_some(text)
}
