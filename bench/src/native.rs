//! The functions, natively: for baselines, and for what results must be.

// The guest's own source, which is linted as a guest's: a crate without modules.
#[allow(unreachable_pub, clippy::collapsible_if)]
#[path = "../../guests/rust/wordcount/core.rs"]
mod core;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use self::core::Counter;
use crate::random::Random;

/// The table of words of a text.
pub(crate) fn count(text: &[u8]) -> Vec<u8> {
    let mut counter = Counter::default();
    counter.count(text);
    counter.table()
}

/// The table of some tables; `None` if one is none.
pub(crate) fn merge<'a>(tables: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut counter = Counter::default();
    for table in tables {
        counter.merge(table)?;
    }
    Some(counter.table())
}

/// The most frequent words of a table.
pub(crate) fn top(table: &[u8], n: u64) -> Option<Vec<u8>> {
    core::top(table, usize::try_from(n).unwrap_or(usize::MAX))
}

/// The whole job, on this many threads that take texts as they can.
pub(crate) fn wordcount<T: AsRef<[u8]> + Sync>(
    texts: &[T],
    threads: usize,
    words: u64,
) -> Option<Vec<u8>> {
    let tables = Mutex::new(vec![Vec::new(); texts.len()]);
    share(texts.len(), threads, |at| {
        let table = count(texts[at].as_ref());
        tables.lock().unwrap_or_else(PoisonError::into_inner)[at] = table;
    });
    let tables = tables.into_inner().unwrap_or_else(PoisonError::into_inner);
    top(&merge(tables.iter().map(Vec::as_slice))?, words)
}

/// Does each piece of work on one of so many threads, which take them as they
/// can.
pub(crate) fn share(pieces: usize, threads: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= pieces {
                        break;
                    }
                    work(at);
                }
            });
        }
    });
}

/// `add_memory`: the word that is read back.
pub(crate) fn add_memory(a: u64, b: u64) -> u64 {
    a.wrapping_add(b.wrapping_mul((a ^ b) % 512))
}

/// `blob`: the words that it writes.
pub(crate) fn blob(a: u64, b: u64) -> Vec<u8> {
    (0..128).flat_map(|i| a.wrapping_add(b.wrapping_mul(i)).to_le_bytes()).collect()
}

/// `spin`: so many steps of a generator.
pub(crate) fn spin(turns: u64, seed: u64) -> u64 {
    let step = |state: u64| {
        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
    };
    (0..turns).fold(seed, |state, _| step(state))
}

/// `cold`, of the module with this number.
pub(crate) fn cold(module: u64, a: u64, b: u64) -> u64 {
    let mut random = Random::of_state(module ^ a.wrapping_add(b.rotate_left(32)));
    let mut numbers: [u64; 16] = std::array::from_fn(|_| random.next());
    numbers.sort_unstable();
    let middle = numbers[8];
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let hash = middle.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    let (mut divisor, mut rest) = (middle, b);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    hash.wrapping_add(divisor).wrapping_add(middle.isqrt())
}
