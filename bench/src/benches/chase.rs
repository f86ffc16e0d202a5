//! A path through a large Tree of which a function sees one node at a time.

use weft_object::Handle;

use super::add::{STOCK, wrong_stock};
use super::{node, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, CHASE, FANOUT, LEVELS};
use crate::measure::{Calls, compare};
use crate::random::Random;
use crate::report::Report;
use crate::stock::Stock;
use crate::{BenchError, Options};

const NAME: &str = "chase_5";

/// Five levels down, along a path that nobody has seen. At each a function is
/// given a Ref of a node, and ends with itself on a selection of that: one
/// application and one selection. The baseline runs the five functions, and
/// selects nothing.
pub(crate) fn chase_5(options: &Options) -> Result<Report, BenchError> {
    let calls = options.size.pick(
        Calls { warm_up: 1, batches: 1, singles: 20 },
        Calls { warm_up: 20, batches: 300, singles: 10_000 },
    );
    let mut random = Random::new(options.seed, NAME);
    // The lowest bits say where it leads, and the others make it a new one.
    let paths: Vec<u64> = (0..calls.count()).map(|_| random.next()).collect();
    let (node, session) = node()?;
    let module = session.put_blob(CHASE);
    let mut put = |entries: &[Handle]| session.put_tree(entries);
    let root = guests::levels(&mut put);
    let stock = Stock::new(CHASE)?;
    let before = Before::of(&node);
    let mut answers = Vec::with_capacity(paths.len());
    let (ours, theirs) = compare(
        calls,
        |at| {
            let chase = guests::chase(&mut put, module, root, paths[at]);
            answers.push(value(NAME, &session, chase)?);
            Ok(())
        },
        |at| {
            let mut path = paths[at];
            for n in (1..=LEVELS).rev() {
                // None of them returns a number.
                if stock.of_two_and_a_node((n, path))?.is_some() {
                    return Err(wrong_stock(NAME));
                }
                path /= FANOUT;
            }
            Ok(())
        },
    )?;
    let mut expect = Expect::default();
    let root = guests::levels(&mut |entries| expect.put(entries));
    let requests: Vec<_> = paths
        .iter()
        .map(|path| guests::chase(&mut |entries| expect.put(entries), module, root, *path))
        .collect();
    let checked = expect.check(NAME, (&node, &session), &before, &requests, &answers)?;
    Ok(Report { checked, ..Report::timed((NAME, "chase"), ours, (STOCK, theirs)) })
}
