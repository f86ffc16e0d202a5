//! How much a thread may do on its own stack.

/// What a thread must have left to run functions: what compiled code may use,
/// and half as much again for the host's part.
const BASE_BYTES: usize = weft_engine::THREAD_STACK_MIN_BYTES / 4 * 3;

/// What one level of nested computations takes at most. A development build
/// passes the tests with 2 KiB.
const LEVEL_BYTES: usize = 4 << 10;

/// Where nobody can say how much is left, as few as any thread has.
const LEVELS_UNKNOWN: u32 = 32;

/// How many nested computations there is room for on this thread's stack;
/// `None` if it should leave all of them to others.
pub(crate) fn levels() -> Option<u32> {
    let Some(left_bytes) = stacker::remaining_stack() else { return Some(LEVELS_UNKNOWN) };
    let levels = left_bytes.checked_sub(BASE_BYTES)? / LEVEL_BYTES;
    Some(u32::try_from(levels).unwrap_or(u32::MAX))
}
