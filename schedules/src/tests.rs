//! The code that threads share without much of a lock, under every schedule:
//! compiled once more, with the locks of a schedule checker.

use std::collections::HashMap;

use loom::sync::Arc;
use loom::thread;
use weft_eval::{
    Action, Application, Attempt, Budget, Event, Key, Machine, Outcome, Platform, evaluate,
};
use weft_object::{Blob, Handle, Tree};

use crate::pinned::Pinned;
use crate::ranges::{Part, Ranges};
use crate::sync::Mutex;
use crate::under_way::{Begun, UnderWay};

/// Runs a model under each schedule with so many changes of thread that are not
/// called for.
fn every_schedule(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn square(at: usize) -> Option<usize> {
    Some(at * at)
}

fn look_at(range: std::ops::Range<usize>) -> Part<usize> {
    Part { from: range.start, values: range.map(square).collect() }
}

/// Each entry is evaluated by one thread, and the owner gets the values of all
/// that it does not evaluate itself, if it waits until nobody is left.
#[test]
fn each_entry_of_a_fork_is_taken_once_and_handed_over() {
    every_schedule(3, || {
        let ranges = Arc::new(Ranges::new(1..5, 2, 1_000_000));
        let other = ranges.clone();
        let helper = thread::spawn(move || {
            let mut count = 0;
            if !other.join() {
                return count;
            }
            while let Some(range) = other.claim_last() {
                count += range.len();
                other.hand_over(look_at(range), |_| {});
            }
            other.leave();
            count
        });
        let mut parts = Vec::new();
        while let Some(range) = ranges.claim_first() {
            parts.push(look_at(range));
        }
        while ranges.has_helpers() {
            thread::yield_now();
        }
        let own: usize = parts.iter().map(|part| part.values.len()).sum();
        parts.extend(ranges.close());
        parts.sort_by_key(|part| part.from);
        let all: Vec<_> = parts.into_iter().flat_map(|part| part.values).collect();
        assert_eq!(all, (1..5).map(square).collect::<Vec<_>>());
        assert_eq!(own + helper.join().unwrap(), 4);
        assert!(!ranges.is_open());
    });
}

/// An owner that does not wait gets what was handed over before, and what comes
/// later is not made a root of what has ended.
#[test]
fn what_comes_too_late_is_not_held() {
    every_schedule(3, || {
        let ranges = Arc::new(Ranges::new(0..2, 2, 1_000_000));
        let held = Arc::new(Mutex::new(0));
        let (other, holds) = (ranges.clone(), held.clone());
        let helper = thread::spawn(move || {
            if !other.join() {
                return;
            }
            while let Some(range) = other.claim_last() {
                other.hand_over(look_at(range), |part| *holds.lock() += part.values.len());
            }
            other.leave();
        });
        let own = ranges.claim_first().map_or(0, |range| range.len());
        let parts = ranges.close();
        let held_at_the_end = *held.lock();
        let handed: usize = parts.iter().map(|part| part.values.len()).sum();
        assert_eq!(handed, held_at_the_end);
        assert!(own + handed <= 2);
        helper.join().unwrap();
        assert_eq!(*held.lock(), handed, "held after it was closed");
        assert!(!ranges.join(), "it is closed");
    });
}

#[test]
fn nobody_begins_what_stands_behind_a_failure() {
    every_schedule(3, || {
        let ranges = Arc::new(Ranges::<usize>::new(0..3, 2, 1_000_000));
        let other = ranges.clone();
        let helper = thread::spawn(move || {
            let failed = other.claim_last().map(|range| range.start);
            failed.inspect(|at| other.stop_at(*at)).into_iter().len()
        });
        let first = ranges.claim_first().map(|range| range.start);
        ranges.stop_at(0);
        helper.join().unwrap();
        assert_eq!(first, Some(0));
        assert_eq!(ranges.claim_first(), None, "it began something behind the end");
        assert_eq!(ranges.claim_last(), None);
    });
}

#[test]
fn a_pinned_handle_is_seen_whole() {
    every_schedule(2, || {
        let pinned = Arc::new(Pinned::default());
        let [a, b] = [1_u8, 2].map(|n| Handle::of_blob(&[n; 99]));
        let other = pinned.clone();
        let writer = thread::spawn(move || {
            other.set(Some(a));
            other.set(Some(b));
            other.set(None);
        });
        let seen = pinned.get();
        assert!([None, Some(a), Some(b)].contains(&seen), "{seen:?}");
        writer.join().unwrap();
        assert_eq!(pinned.get(), None);
    });
}

/// A node as far as it matters to who runs what: what is known and under way
/// behind one lock, as in a shard of the relations, and the graph behind another.
struct Node {
    table: Mutex<Table>,
    graph: Mutex<(Machine, Vec<Action>)>,
    tree: Tree,
}

#[derive(Debug, Default)]
struct Table {
    known: HashMap<Handle, Outcome>,
    under_way: UnderWay,
    ran: usize,
}

impl Node {
    fn tell(&self, event: Event) {
        let mut graph = self.graph.lock();
        let (machine, actions) = &mut *graph;
        machine.handle(event, actions);
    }

    /// Does what the graph wants done; whether there was anything but answers.
    fn work(&self) -> bool {
        let mut graph = self.graph.lock();
        let is_work = |action: &Action| !matches!(action, Action::Answer { .. });
        let Some(at) = graph.1.iter().position(is_work) else { return false };
        let action = graph.1.remove(at);
        drop(graph);
        let Action::Evaluate { key, ticket, resume, application } = action else {
            panic!("{action:?}")
        };
        let budget = Budget { depth: 8, tail_steps: 8 };
        let report = evaluate(&mut &*self, key, application.as_ref(), &resume, budget);
        self.tell(Event::Reported { key, ticket, report });
        true
    }
}

impl Platform for &Node {
    fn tree(&mut self, _: Handle) -> Option<Tree> {
        Some(self.tree.clone())
    }

    fn blob(&mut self, _: Handle) -> Option<Blob> {
        None
    }

    fn put_tree(&mut self, tree: Tree) -> Handle {
        tree.handle()
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        blob.handle()
    }

    fn recall(&mut self, key: Key) -> Option<Outcome> {
        self.table.lock().known.get(&key.relation()?).cloned()
    }

    fn remember(&mut self, _: Key, _: &Outcome) {}

    fn apply(&mut self, application: &Application) -> Attempt {
        let tree = application.handle;
        let mut table = self.table.lock();
        let Table { known, under_way, ran } = &mut *table;
        match under_way.begin(&tree, true, || known.get(&tree).cloned()) {
            Begun::Known(known) => return Attempt::Done(known),
            Begun::Elsewhere => return Attempt::Elsewhere,
            Begun::New => *ran += 1,
        }
        drop(table);
        let outcome = Outcome::Value(Handle::of_u64(7));
        let mut table = self.table.lock();
        let watched = table.under_way.end(&tree);
        table.known.insert(tree, outcome.clone());
        drop(table);
        if watched {
            self.tell(Event::Applied { tree, outcome: outcome.clone() });
        }
        Attempt::Done(outcome)
    }
}

/// One thread runs an application directly while the graph wants it, too: it
/// runs once, and the graph is not left waiting.
#[test]
fn who_finds_a_run_under_way_hears_of_its_end() {
    every_schedule(3, || {
        let procedure = Handle::of_blob(b"\0asm");
        let tree = Tree::new([Handle::of_blob(b""), procedure, Handle::of_u64(1)]);
        let thunk = tree.handle().application().unwrap();
        let graph = Mutex::new((Machine::new(1 << 40), Vec::new()));
        let node = Arc::new(Node { table: Mutex::new(Table::default()), graph, tree });
        node.tell(Event::Request { id: 1, handle: thunk });
        let direct = node.clone();
        let other = thread::spawn(move || {
            let key = Key::of_request(thunk).unwrap();
            let budget = Budget { depth: 8, tail_steps: 8 };
            evaluate(&mut &*direct, key, None, &weft_eval::Resume::default(), budget);
        });
        while node.work() {}
        other.join().unwrap();
        while node.work() {}
        let answers = &node.graph.lock().1;
        assert!(
            matches!(answers[..], [Action::Answer { id: 1, outcome: Outcome::Value(_) }]),
            "{answers:?}"
        );
        assert_eq!(node.table.lock().ran, 1);
    });
}
