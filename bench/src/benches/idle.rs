//! What a process takes that waits for work.

use std::time::Duration;

use serde_json::{Value, json};

use super::{node, value};
use crate::guests::{self, ADD};
use crate::report::{Baseline, Compared, Report};
use crate::{BenchError, Options, child, memory};

const NAME: &str = "idle_rss";

/// The resident memory of a process whose node has answered one request and is
/// idle; beside it that of the same process before it started the node.
pub(crate) fn idle_rss(options: &Options) -> Result<Report, BenchError> {
    let found = child::ask(options, "idle", 0)?;
    let bytes = |name: &str| found.get(name).and_then(Value::as_u64);
    Ok(Report {
        name: NAME,
        per: "process",
        memory_bytes: bytes("resident_bytes"),
        baseline: bytes("before_bytes").map(|bytes| Baseline {
            name: "the process without a node",
            value: Compared::MemoryBytes(bytes),
        }),
        checked: bytes("checked").unwrap_or(0) as usize,
        ..Report::default()
    })
}

/// The child's part.
pub(crate) fn part() -> Result<Value, BenchError> {
    let before_bytes = memory::resident_bytes();
    let (_node, session) = node()?;
    let module = session.put_blob(ADD);
    let request = guests::of_two(&mut |entries| session.put_tree(entries), module, (2, 3));
    let answer = value(NAME, &session, request)?;
    // Longer than any thread looks for work before it sleeps.
    std::thread::sleep(Duration::from_millis(300));
    let resident_bytes = memory::resident_bytes();
    let tree = guests::of_two(&mut |entries| weft_object::Handle::of_tree(entries), module, (2, 3));
    crate::expect::check_relation(NAME, &session, tree.content(), answer)?;
    Ok(json!({ "before_bytes": before_bytes, "resident_bytes": resident_bytes, "checked": 1 }))
}
