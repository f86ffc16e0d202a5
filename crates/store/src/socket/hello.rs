//! The first bytes each way, which every version understands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// What both begin with.
const MAGIC: [u8; 8] = *b"weftsock";

/// Of what is said on the socket.
pub(crate) const VERSION: u32 = 1;

pub(super) const ASK_BYTES: usize = 16;
pub(super) const ANSWER_BYTES: usize = 32;

/// What a client begins with: who it is and which version it speaks.
pub(super) fn ask() -> [u8; ASK_BYTES] {
    let mut bytes = [0; ASK_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

/// The version that a client speaks; `None` if it is none of ours.
pub(super) fn read_ask(bytes: &[u8; ASK_BYTES]) -> Option<u32> {
    let [version, rest] = [&bytes[8..12], &bytes[12..]].map(small);
    (bytes[..8] == MAGIC && rest == 0).then_some(version)
}

/// What the holder says to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Go on.
    Welcome,
    /// We speak this version, and not yours.
    Version(u32),
    /// There are too many others.
    Busy,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// The number of the process.
    pub(super) process: u32,
    /// What tells it from all other times that a process held the store.
    pub(super) term: u64,
}

impl Holder {
    /// This process, from now on.
    pub(super) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let process = std::process::id();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&process.to_le_bytes());
        hasher.update(&now.as_nanos().to_le_bytes());
        hasher.update(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
        Self { process, term: number(&hasher.finalize().as_bytes()[..8]) }
    }
}

/// The answer, and who gives it.
pub(super) fn answer(answer: Answer, holder: Holder) -> [u8; ANSWER_BYTES] {
    let status: u32 = match answer {
        Answer::Welcome => 0,
        Answer::Version(_) => 1,
        Answer::Busy => 2,
    };
    let mut bytes = [0; ANSWER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&status.to_le_bytes());
    bytes[16..20].copy_from_slice(&holder.process.to_le_bytes());
    bytes[24..].copy_from_slice(&holder.term.to_le_bytes());
    bytes
}

/// Reads an answer and who gives it.
pub(super) fn read_answer(bytes: &[u8; ANSWER_BYTES]) -> Option<(Answer, Holder)> {
    let [version, status, process] = [&bytes[8..12], &bytes[12..16], &bytes[16..20]].map(small);
    let answer = match status {
        _ if bytes[..8] != MAGIC => return None,
        0 if version == VERSION => Answer::Welcome,
        2 if version == VERSION => Answer::Busy,
        _ if version != VERSION => Answer::Version(version),
        _ => return None,
    };
    Some((answer, Holder { process, term: number(&bytes[24..]) }))
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn small(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_name_the_version() {
        assert_eq!(read_ask(&ask()), Some(VERSION));
        let mut other = ask();
        other[8] = 7;
        assert_eq!(read_ask(&other), Some(7));
        for at in [0, 7, 12, 15] {
            let mut wrong = ask();
            wrong[at] ^= 1;
            assert_eq!(read_ask(&wrong), None);
        }
        let us = Holder::new();
        assert_ne!(us, Holder::new());
        for said in [Answer::Welcome, Answer::Busy] {
            assert_eq!(read_answer(&answer(said, us)), Some((said, us)));
        }
        let mut other = answer(Answer::Welcome, us);
        other[8] = 9;
        assert_eq!(read_answer(&other), Some((Answer::Version(9), us)));
        other[0] = b'W';
        assert_eq!(read_answer(&other), None);
    }
}
