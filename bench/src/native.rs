//! The functions, natively: for baselines, and for what results must be.

// The guest's own source, which is linted as a guest's: a crate without modules.
#[allow(unreachable_pub, clippy::collapsible_if)]
#[path = "../../guests/rust/wordcount/core.rs"]
mod core;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use self::core::Counter;

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
pub(crate) fn wordcount(texts: &[Vec<u8>], threads: usize, words: u64) -> Option<Vec<u8>> {
    let next = AtomicUsize::new(0);
    let tables = Mutex::new(vec![Vec::new(); texts.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(text) = texts.get(at) else { break };
                    let table = count(text);
                    tables.lock().unwrap_or_else(PoisonError::into_inner)[at] = table;
                }
            });
        }
    });
    let tables = tables.into_inner().unwrap_or_else(PoisonError::into_inner);
    top(&merge(tables.iter().map(Vec::as_slice))?, words)
}
