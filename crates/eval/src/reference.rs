//! The oracle: the rules as plain recursion, slow and obvious.
//!
//! Read beside `docs/model.md`. Nothing here is shared with the evaluator that
//! it checks but the vocabulary and the words of failures: canonical form,
//! selections and cycles are written down a second time. It keeps what it has
//! found out in maps that only grow, runs one thing at a time from left to
//! right, and recurses on the native stack, so give it a deep one.

use std::collections::HashMap;
use std::sync::Arc;

use weft_object::directory::{Lookup, Step as Walk};
use weft_object::{Blob, Handle, Kind, Selection, Tree};

use crate::outcome::{Halt, settled};
use crate::{
    Application, DEFAULT_MEMORY_LIMIT_BYTES, Failure, FailureKind, Hints, NoAnswer, NoAnswerKind,
    Outcome, PAGE_BYTES,
};

/// The content and the functions that a reference evaluation is about.
pub trait World {
    /// The content of a Tree or Tag.
    fn tree(&mut self, object: Handle) -> Option<Tree>;
    /// The content of a Blob that is no literal.
    fn blob(&mut self, object: Handle) -> Option<Blob>;
    /// Keeps and names a Tree.
    fn put_tree(&mut self, entries: &[Handle]) -> Handle;
    /// Keeps and names a Blob.
    fn put_blob(&mut self, blob: Blob) -> Handle;
    /// Runs an application.
    fn run(&mut self, application: &Application) -> Outcome;
}

/// A reference evaluation.
#[derive(Debug)]
pub struct Reference<'w, W> {
    world: &'w mut W,
    forced: HashMap<Handle, Outcome>,
    evaluated: HashMap<Handle, Outcome>,
    applied: HashMap<Handle, Outcome>,
    ran: Vec<Handle>,
    /// What is being worked on, outermost first.
    stack: Vec<Doing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Evaluate(Handle),
    /// A step of a chain of tail calls; the first step is the force itself.
    Force(Handle),
}

type Result<T = Handle> = std::result::Result<T, Halt>;

impl<'w, W: World> Reference<'w, W> {
    /// Nothing is known yet.
    pub fn new(world: &'w mut W) -> Self {
        Self {
            world,
            forced: HashMap::new(),
            evaluated: HashMap::new(),
            applied: HashMap::new(),
            ran: Vec::new(),
            stack: Vec::new(),
        }
    }

    /// What a request from outside comes to: of a Thunk, its strict evaluation.
    pub fn request(&mut self, handle: Handle) -> Outcome {
        let step = self.eval(handle.strict().unwrap_or(handle));
        settled(step)
            .unwrap_or_else(|| Outcome::no_answer(NoAnswerKind::Lost, "the reference never waits"))
    }

    /// The canonical Trees that ran, in order.
    #[must_use]
    pub fn ran(&self) -> &[Handle] {
        &self.ran
    }

    fn eval(&mut self, handle: Handle) -> Result {
        match handle.kind() {
            Kind::Strict | Kind::Shallow => self.guarded(Doing::Evaluate(handle), |this| {
                let executed = this.execute(handle)?;
                this.eval(executed)
            }),
            Kind::Tree if handle.has_encode() => {
                if let Some(outcome) = self.evaluated.get(&handle) {
                    return outcome.clone().into();
                }
                let result = self.guarded(Doing::Evaluate(handle), |this| {
                    let entries = this.tree(handle)?;
                    let values = this.eval_all(entries.entries())?;
                    Ok(this.world.put_tree(&values))
                });
                keep(&mut self.evaluated, handle, &result);
                result
            }
            _ => Ok(handle),
        }
    }

    fn eval_all(&mut self, entries: &[Handle]) -> Result<Vec<Handle>> {
        entries.iter().map(|entry| self.eval(*entry)).collect()
    }

    fn execute(&mut self, encode: Handle) -> Result {
        let thunk = encode.thunk().unwrap_or(encode);
        let data = self.force(thunk)?;
        let executed = if encode.kind() == Kind::Strict { data.lift() } else { data.lower() };
        Ok(executed.unwrap_or(data))
    }

    fn force(&mut self, thunk: Handle) -> Result {
        if let Some(outcome) = self.forced.get(&thunk) {
            return outcome.clone().into();
        }
        let depth = self.stack.len();
        let result = self.force_chain(thunk);
        self.stack.truncate(depth);
        keep(&mut self.forced, thunk, &result);
        result
    }

    /// Every step of the chain stays on the stack: each Thunk that it passes
    /// through needs what comes after.
    fn force_chain(&mut self, mut thunk: Handle) -> Result {
        loop {
            self.enter(Doing::Force(thunk))?;
            let next = self.think(thunk)?;
            thunk = match next.kind() {
                Kind::Strict | Kind::Shallow => next.thunk().unwrap_or(next),
                kind if kind.is_thunk() => next,
                _ => return Ok(next),
            };
        }
    }

    fn think(&mut self, thunk: Handle) -> Result {
        let definition = thunk.definition().unwrap_or(thunk);
        match thunk.kind() {
            Kind::Application => {
                let entries = self.tree(definition)?;
                let values = self.eval_all(entries.entries())?;
                let application = self.canonical(thunk, &values)?;
                self.apply(&application)
            }
            Kind::Selection => {
                let entries = self.tree(definition)?;
                self.select(thunk, entries.entries())
            }
            _ => Ok(definition),
        }
    }

    fn apply(&mut self, application: &Application) -> Result {
        if let Some(outcome) = self.applied.get(&application.handle) {
            return outcome.clone().into();
        }
        self.ran.push(application.handle);
        let result: Result = self.world.run(application).into();
        keep(&mut self.applied, application.handle, &result);
        result
    }

    fn canonical(&mut self, thunk: Handle, values: &[Handle]) -> Result<Application> {
        let ill_formed = |detail: &str| fail(FailureKind::IllFormed, detail, thunk);
        if values.len() < 2 {
            return Err(ill_formed("an application has at least limits and a procedure"));
        }
        let (memory, hints) = self.limits(thunk, values[0])?;
        let mut procedure = values[1];
        let mut arguments = values[2..].to_vec();
        while procedure.kind() == Kind::Tree {
            let closure = self.tree(procedure)?;
            let Some((inner, bound)) = closure.entries().split_first() else {
                return Err(ill_formed("a closure has at least a procedure"));
            };
            procedure = *inner;
            arguments = [bound, &arguments].concat();
        }
        if procedure.kind() != Kind::Blob {
            let kind = procedure.kind();
            return Err(ill_formed(&format!(
                "the procedure is a {kind}, not an accessible blob or tree"
            )));
        }
        let memory_limit_bytes = memory / PAGE_BYTES * PAGE_BYTES;
        let limits = if memory_limit_bytes == DEFAULT_MEMORY_LIMIT_BYTES {
            Handle::EMPTY
        } else {
            Handle::of_u64(memory_limit_bytes)
        };
        let entries = [&[limits, procedure], &arguments[..]].concat();
        let handle = self.world.put_tree(&entries);
        Ok(Application { handle, tree: Tree::new(entries), memory_limit_bytes, hints })
    }

    fn limits(&mut self, thunk: Handle, entry: Handle) -> Result<(u64, Hints)> {
        let fields = if entry.kind() == Kind::Tree {
            self.tree(entry)?.entries().to_vec()
        } else {
            vec![entry]
        };
        let ill_formed = |detail: &str| fail(FailureKind::IllFormed, detail, thunk);
        if fields.len() > 5 {
            return Err(ill_formed("limits have at most five entries"));
        }
        let number = |at: usize| match fields.get(at) {
            None => Ok(None),
            Some(field) if field.length() == Some(0) && field.kind() == Kind::Blob => Ok(None),
            Some(field) => match field.literal_u64() {
                Some(value) => Ok(Some(value)),
                None => Err(ill_formed("a limit is empty or a number of eight bytes")),
            },
        };
        // The flags are looked at first, then the fields in order.
        if number(3)?.unwrap_or(0) != 0 {
            return Err(ill_formed("limits have unknown flags"));
        }
        let hints = Hints { output_bytes: number(1)?, fanout: number(2)?, fuel: number(4)? };
        Ok((number(0)?.unwrap_or(DEFAULT_MEMORY_LIMIT_BYTES), hints))
    }

    fn select(&mut self, thunk: Handle, definition: &[Handle]) -> Result {
        let Some((target, what)) = Selection::parse(definition) else {
            return Err(crate::evaluator::ill_formed_selection(thunk));
        };
        let target = match target.kind() {
            Kind::Strict | Kind::Shallow => self.force(target.thunk().unwrap_or(target))?,
            kind if kind.is_thunk() => self.force(target)?,
            _ => target,
        };
        let object = target.content();
        let is_blob = object.kind() == Kind::Blob;
        let out_of_range = |detail: String| fail(FailureKind::OutOfRange, &detail, thunk);
        let (from, to) = match what {
            Selection::Path(path) if object.kind() == Kind::Tree => {
                return self.select_path(thunk, object, path);
            }
            Selection::Path(_) => {
                let kind = object.kind();
                return Err(out_of_range(format!("cannot select a path in a {kind}")));
            }
            Selection::Digest(..) if is_blob => {
                return Err(out_of_range("cannot select a digest in a blob".into()));
            }
            Selection::Entry(index) => (index, index.saturating_add(1)),
            Selection::Range(from, to) | Selection::Digest(from, to) => (from, to),
        };
        let length = object.length().unwrap_or(0);
        if to < from || length < to {
            return Err(out_of_range(format!("{from}..{to} of a length of {length}")));
        }
        let (from, to) = (from as usize, to as usize);
        if is_blob {
            let part = self.blob(object)?.bytes()[from..to].to_vec();
            return Ok(self.world.put_blob(Blob::new(part)));
        }
        let entries = self.tree(object)?.entries()[from..to].to_vec();
        Ok(match what {
            Selection::Entry(_) => entries[0],
            Selection::Digest(..) => {
                let mut bytes = Vec::new();
                for entry in entries {
                    bytes.extend_from_slice(&entry.length().unwrap_or(0).to_le_bytes()[..7]);
                    bytes.push(match entry.kind() {
                        Kind::Blob => 0,
                        Kind::Tree => 1,
                        Kind::BlobRef => 2,
                        Kind::TreeRef => 3,
                        Kind::Strict => 5,
                        Kind::Shallow => 6,
                        Kind::Tag => 7,
                        Kind::TagRef => 8,
                        _ => 4,
                    });
                }
                self.world.put_blob(Blob::new(bytes))
            }
            _ => self.world.put_tree(&entries),
        })
    }

    fn select_path(&mut self, thunk: Handle, root: Handle, path: Handle) -> Result {
        let out_of_range = |detail: String| fail(FailureKind::OutOfRange, &detail, thunk);
        let path = self.blob(path)?;
        let mut lookup =
            Lookup::new(path.bytes()).map_err(|error| out_of_range(error.to_string()))?;
        let mut node = root;
        loop {
            let tree = self.tree(node.content())?;
            let index =
                Lookup::index(tree.entries()).map_err(|error| out_of_range(error.to_string()))?;
            let index = self.blob(index.content())?;
            let step = lookup.step(index.bytes(), tree.entries());
            match step.map_err(|error| out_of_range(error.to_string()))? {
                Walk::Descend(next) => node = next,
                Walk::Found(handle) => return Ok(handle),
                Walk::NotFound => {
                    let path = path.bytes().escape_ascii();
                    return Err(out_of_range(format!("no entry at path \"{path}\"")));
                }
            }
        }
    }

    fn guarded(&mut self, doing: Doing, work: impl FnOnce(&mut Self) -> Result) -> Result {
        let depth = self.stack.len();
        self.enter(doing)?;
        let result = work(self);
        self.stack.truncate(depth);
        result
    }

    /// What is begun while it is being done needs itself. All that was begun
    /// since is on the cycle, and the lowest Thunk among it names it.
    fn enter(&mut self, doing: Doing) -> Result<()> {
        let Some(from) = self.stack.iter().position(|other| *other == doing) else {
            self.stack.push(doing);
            return Ok(());
        };
        let thunks = self.stack[from..].iter().filter_map(|doing| match doing {
            Doing::Force(thunk) => Some(*thunk),
            Doing::Evaluate(handle) => handle.thunk(),
        });
        let (Doing::Evaluate(handle) | Doing::Force(handle)) = doing;
        let lowest = thunks.min().unwrap_or(handle);
        Err(fail(FailureKind::Cycle, "the computation needs itself", lowest))
    }

    fn tree(&mut self, object: Handle) -> Result<Tree> {
        self.world.tree(object.content()).ok_or_else(|| lost(object))
    }

    fn blob(&mut self, object: Handle) -> Result<Blob> {
        match object.literal_bytes() {
            Some(bytes) => Ok(Blob::new(bytes.to_vec())),
            None => self.world.blob(object.content()).ok_or_else(|| lost(object)),
        }
    }
}

fn keep(known: &mut HashMap<Handle, Outcome>, handle: Handle, result: &Result) {
    if let Some(outcome) = settled(result.clone()).filter(Outcome::is_relation) {
        known.insert(handle, outcome);
    }
}

fn fail(kind: FailureKind, detail: &str, application: Handle) -> Halt {
    Halt::Failure(Arc::new(Failure { kind, detail: detail.into(), application }))
}

fn lost(object: Handle) -> Halt {
    let detail = format!("nobody has #{object}").into();
    Halt::NoAnswer(Arc::new(NoAnswer { kind: NoAnswerKind::Lost, detail }))
}
