//! What the reference evaluator says that a node must have found out.

use std::collections::HashMap;
use std::sync::LazyLock;

use weft_eval::reference::{Reference, World};
use weft_eval::{Application, Outcome};
use weft_node::{Node, Session};
use weft_object::{Blob, Handle, Selection, Tree};

use crate::{BenchError, guests, native};

/// A world of its own: content, functions written natively, and what they came
/// to. It shares nothing with the node but the content that it is given.
#[derive(Debug, Default)]
pub(crate) struct Expect {
    trees: HashMap<Handle, Tree>,
    blobs: HashMap<Handle, Blob>,
    facts: Vec<(Handle, Handle)>,
    /// Functions that only this bench has.
    functions: HashMap<Handle, Function>,
    /// Tables of words by text: the same under every limit.
    counted: HashMap<Handle, Handle>,
}

/// What a module does.
#[derive(Clone, Copy, Debug)]
enum Function {
    Add,
    AddMemory,
    Count,
    Chase,
    Spin,
    Wordcount,
    Blob,
    Fib,
    Cold(u64),
}

static FUNCTIONS: LazyLock<HashMap<Handle, Function>> = LazyLock::new(|| {
    let all = [
        (guests::ADD, Function::Add),
        (guests::ADD_MEMORY, Function::AddMemory),
        (guests::COUNT, Function::Count),
        (guests::CHASE, Function::Chase),
        (guests::SPIN, Function::Spin),
        (guests::WORDCOUNT, Function::Wordcount),
        (guests::BLOB, Function::Blob),
        (guests::FIB, Function::Fib),
        (guests::FIXPOINT_ADD, Function::Add),
        (guests::FIXPOINT_BLOB, Function::Blob),
        (guests::FIXPOINT_FIB, Function::Fib),
    ];
    all.map(|(module, function)| (Handle::of_blob(module), function)).into()
});

/// What a node had run before a bench began.
#[derive(Debug)]
pub(crate) struct Before(u64);

impl Before {
    pub(crate) fn of(node: &Node) -> Self {
        Self(node.stat().applied)
    }
}

impl Expect {
    pub(crate) fn put(&mut self, entries: &[Handle]) -> Handle {
        let handle = Handle::of_tree(entries);
        self.trees.insert(handle, Tree::new(entries));
        handle
    }

    pub(crate) fn text(&mut self, text: impl AsRef<[u8]> + Send + Sync + 'static) {
        let blob = Blob::new(text);
        self.blobs.insert(blob.handle(), blob);
    }

    /// Makes [`guests::cold`] of a number known.
    pub(crate) fn cold(&mut self, number: u64) -> Handle {
        let module = Handle::of_blob(&guests::cold(number));
        self.functions.insert(module, Function::Cold(number));
        module
    }

    /// What these requests come to, in order.
    fn request(&mut self, requests: &[Handle]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(requests.len());
        // The reference recurses on the native stack.
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(256 << 20);
            let this = &mut *self;
            let outcomes = &mut outcomes;
            let work = move || {
                let mut reference = Reference::new(this);
                outcomes.extend(requests.iter().map(|request| reference.request(*request)));
            };
            // Without it the answers are missing, and the comparison says so.
            drop(thread.spawn_scoped(scope, work));
        });
        outcomes
    }

    /// Compares what a node answered, and all relations that these requests
    /// imply, with the reference. How many relations it were.
    pub(crate) fn check(
        &mut self,
        bench: &'static str,
        (node, session): (&Node, &Session),
        before: &Before,
        requests: &[Handle],
        answers: &[Handle],
    ) -> Result<usize, BenchError> {
        let wrong = |detail: String| Err(BenchError::Wrong { bench, detail });
        self.facts.clear();
        let outcomes = self.request(requests);
        if outcomes.len() != answers.len() {
            return wrong(format!("{} answers to {} requests", answers.len(), requests.len()));
        }
        for ((request, outcome), answer) in requests.iter().zip(outcomes).zip(answers) {
            if outcome != Outcome::Value(*answer) {
                return wrong(format!("#{request} is {outcome:?}, not #{answer}"));
            }
        }
        for (application, value) in &self.facts {
            check_relation(bench, session, *application, *value)?;
        }
        let ran = node.stat().applied - before.0;
        if ran != self.facts.len() as u64 {
            return wrong(format!("{ran} functions ran instead of {}", self.facts.len()));
        }
        Ok(self.facts.len())
    }

    fn apply(&mut self, application: &Application) -> Option<Handle> {
        let entries = application.tree.entries();
        let procedure = *entries.get(1)?;
        let function = FUNCTIONS.get(&procedure).or_else(|| self.functions.get(&procedure))?;
        let number = |at: usize| entries.get(at)?.literal_u64();
        let sum = match *function {
            Function::Add => number(2)?.wrapping_add(number(3)?),
            Function::AddMemory => native::add_memory(number(2)?, number(3)?),
            Function::Spin => native::spin(number(2)?, number(3)?),
            Function::Cold(module) => native::cold(module, number(2)?, number(3)?),
            Function::Count => return self.count(procedure, (number(2)?, number(3)?)),
            Function::Chase => return self.chase(entries),
            Function::Wordcount => return self.wordcount(entries),
            Function::Blob => return Some(self.keep(native::blob(number(2)?, number(3)?))),
            Function::Fib => return self.fib(entries),
        };
        Some(Handle::of_u64(sum))
    }

    fn count(&mut self, procedure: Handle, (n, total): (u64, u64)) -> Option<Handle> {
        let Some(less) = n.checked_sub(1) else { return Some(Handle::of_u64(total)) };
        Some(guests::of_two(&mut |entries| self.put(entries), procedure, (less, total + 1)))
    }

    fn fib(&mut self, entries: &[Handle]) -> Option<Handle> {
        let [limits, procedure, n, salt, add] = *entries else { return None };
        let number = n.literal_u64()?;
        if number < 2 {
            return Some(n);
        }
        let mut less = |by: u64| {
            let n = Handle::of_u64(number - by);
            self.put(&[limits, procedure, n, salt, add]).application()?.strict()
        };
        let [a, b] = [less(1)?, less(2)?];
        self.put(&[limits, add, a, b]).application()
    }

    fn chase(&mut self, entries: &[Handle]) -> Option<Handle> {
        let [limits, procedure, n, path, node] = *entries else { return None };
        let (n, path) = (n.literal_u64()?, path.literal_u64()?);
        let entry = Selection::Entry(path % guests::FANOUT).definition(node);
        let entry = self.put(&entry).selection()?;
        if n == 1 {
            return Some(entry);
        }
        let [n, path] = [n - 1, path / guests::FANOUT].map(Handle::of_u64);
        self.put(&[limits, procedure, n, path, entry.shallow()?]).application()
    }

    fn wordcount(&mut self, entries: &[Handle]) -> Option<Handle> {
        let bytes = match entries.get(2)?.literal_bytes()? {
            b"count" => {
                let text = entries.get(3)?;
                if let Some(known) = self.counted.get(text) {
                    return Some(*known);
                }
                let table = self.keep(native::count(self.bytes(text)?.bytes()));
                self.counted.insert(*text, table);
                return Some(table);
            }
            b"merge" => {
                let tables: Option<Vec<Blob>> =
                    entries[3..].iter().map(|table| self.bytes(table)).collect();
                native::merge(tables?.iter().map(Blob::bytes))?
            }
            b"top" => {
                let n = entries.get(4)?.literal_u64()?;
                native::top(self.bytes(entries.get(3)?)?.bytes(), n)?
            }
            _ => return None,
        };
        Some(self.keep(bytes))
    }

    fn bytes(&self, handle: &Handle) -> Option<Blob> {
        match handle.literal_bytes() {
            Some(bytes) => Some(Blob::new(bytes.to_vec())),
            None => self.blobs.get(handle).cloned(),
        }
    }

    fn keep(&mut self, bytes: Vec<u8>) -> Handle {
        let blob = Blob::new(bytes);
        let handle = blob.handle();
        self.blobs.insert(handle, blob);
        handle
    }
}

/// Looks one relation up.
pub(crate) fn check_relation(
    bench: &'static str,
    session: &Session,
    application: Handle,
    value: Handle,
) -> Result<(), BenchError> {
    let found = session.relation(application)?.map(|relation| relation.outcome);
    match found == Some(weft_store::Outcome::Value(value)) {
        true => Ok(()),
        false => Err(BenchError::Wrong {
            bench,
            detail: format!("the relation of #{application} is {found:?}, not #{value}"),
        }),
    }
}

impl World for Expect {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        self.trees.get(&object).cloned()
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        self.blobs.get(&object).cloned()
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Handle {
        self.put(entries)
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        let handle = blob.handle();
        self.blobs.insert(handle, blob);
        handle
    }

    fn run(&mut self, application: &Application) -> Outcome {
        match self.apply(application) {
            Some(value) => {
                self.facts.push((application.handle, value));
                Outcome::Value(value)
            }
            None => {
                let kind = weft_eval::FailureKind::Failed;
                Outcome::failure(kind, "no native function for this", application.handle)
            }
        }
    }
}
