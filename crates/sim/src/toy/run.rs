use std::collections::{HashMap, HashSet};

use weft_eval::{Application, FailureKind, NoAnswerKind, Outcome};
use weft_object::{Blob, Handle, Kind, Tree};

use super::{Expr, code};
use crate::world::{Content, reach};

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The outcome.
    pub outcome: Outcome,
    /// New content that the result reaches. What else was made is gone.
    pub made: Vec<(Handle, Content)>,
}

/// Applies a canonical Tree to its procedure.
///
/// # Panics
/// If any of the footprint is not resident: whoever runs an application promises
/// that it is.
pub fn run(application: &Application, resident: impl Fn(Handle) -> Option<Content>) -> Ran {
    let mut run = Run {
        application,
        footprint: footprint(application, &resident),
        resident,
        made: HashMap::new(),
    };
    let outcome = match run.start() {
        Ok(handle) => Outcome::Value(handle),
        Err(outcome) => outcome,
    };
    let roots = outcome.value();
    let reached = reach(&run.made, roots);
    let mut made: Vec<_> =
        run.made.into_iter().filter(|(handle, _)| reached.contains(handle)).collect();
    made.sort_by_key(|(handle, _)| *handle);
    Ran { outcome, made }
}

/// Written apart from the survey of `weft-eval`, which it checks.
fn footprint(
    application: &Application,
    resident: &impl Fn(Handle) -> Option<Content>,
) -> HashSet<Handle> {
    let mut seen = HashSet::new();
    let mut open = vec![application.handle];
    while let Some(handle) = open.pop() {
        if handle.is_literal() || !seen.insert(handle) {
            continue;
        }
        let Some(content) = resident(handle) else {
            panic!("{:?} runs and {handle:?} of its footprint is not resident", application.handle)
        };
        if let Content::Tree(tree) = content {
            open.extend(tree.entries().iter().filter(|entry| entry.kind().is_object()));
        }
    }
    seen
}

struct Run<'a, R> {
    application: &'a Application,
    footprint: HashSet<Handle>,
    resident: R,
    made: HashMap<Handle, Content>,
}

impl<R: Fn(Handle) -> Option<Content>> Run<'_, R> {
    fn start(&mut self) -> Result<Handle, Outcome> {
        let bytes = self.bytes(self.application.tree.entries()[1])?;
        match code::decode(&bytes) {
            Some(expr) => self.handle(&expr),
            None => Err(self.failure(FailureKind::BadModule, "no toy program")),
        }
    }

    fn failure(&self, kind: FailureKind, detail: &str) -> Outcome {
        let canonical = self.application.handle;
        Outcome::failure(kind, detail, canonical.application().unwrap_or(canonical))
    }

    fn trap(&self, detail: &str) -> Outcome {
        self.failure(FailureKind::Trap, detail)
    }

    fn handle(&mut self, expr: &Expr) -> Result<Handle, Outcome> {
        let entries = self.application.tree.entries();
        match expr {
            Expr::Limits => Ok(entries[0]),
            Expr::Itself => Ok(entries[1]),
            Expr::Whole => Ok(self.application.handle),
            Expr::Arg(index) => {
                let argument = entries.get(2 + usize::from(*index)).copied();
                argument.ok_or_else(|| self.trap("no such argument"))
            }
            Expr::Number(value) => Ok(Handle::of_u64(*value)),
            Expr::Bytes(bytes) => Ok(self.make_blob(bytes)),
            Expr::Tree(parts) => {
                let parts = parts.iter().map(|part| self.handle(part));
                let entries: Vec<Handle> = parts.collect::<Result<_, _>>()?;
                Ok(self.make_tree(entries))
            }
            Expr::Application(of) => self.derive(of, Handle::application),
            Expr::Identification(of) => self.derive(of, Handle::identification),
            Expr::Selection(of) => self.derive(of, Handle::selection),
            Expr::Strict(of) => self.derive(of, Handle::strict),
            Expr::Shallow(of) => self.derive(of, Handle::shallow),
            Expr::Lower(of) => self.derive(of, Handle::lower),
            Expr::Get(of, index) => {
                let tree = self.entries(of)?;
                let index = self.number(index)? as usize;
                tree.get(index).copied().ok_or_else(|| self.trap("no such entry"))
            }
            Expr::IfZero(value, then, otherwise) => match self.number(value)? {
                0 => self.handle(then),
                _ => self.handle(otherwise),
            },
            Expr::Fail(message) => {
                let message = String::from_utf8_lossy(message);
                Err(self.failure(FailureKind::Failed, &message))
            }
            Expr::Trap => Err(self.trap("unreachable")),
            Expr::Fuel(fuel, then) => match self.application.hints.fuel {
                Some(limit) if limit < *fuel => {
                    let detail = format!("it takes {fuel} and was given {limit}");
                    Err(Outcome::no_answer(NoAnswerKind::OutOfFuel, detail))
                }
                _ => self.handle(then),
            },
            Expr::Exhaust => Err(Outcome::no_answer(NoAnswerKind::Exhausted, "handle table")),
            Expr::Tag(target, data) => self.tag(target, data),
            Expr::Length(_) | Expr::Sum(_) | Expr::Add(..) | Expr::Dec(_) => {
                Ok(Handle::of_u64(self.number(expr)?))
            }
        }
    }

    fn number(&mut self, expr: &Expr) -> Result<u64, Outcome> {
        match expr {
            Expr::Number(value) => Ok(*value),
            Expr::Add(left, right) => Ok(self.number(left)?.wrapping_add(self.number(right)?)),
            Expr::Dec(value) => Ok(self.number(value)?.saturating_sub(1)),
            Expr::Length(of) => {
                let length = self.handle(of)?.length();
                length.ok_or_else(|| self.trap("a thunk has no length"))
            }
            Expr::Sum(of) => {
                let entries = self.entries(of)?;
                entries
                    .iter()
                    .try_fold(0u64, |sum, entry| Ok(sum.wrapping_add(self.number_of(*entry)?)))
            }
            _ => {
                let handle = self.handle(expr)?;
                self.number_of(handle)
            }
        }
    }

    fn number_of(&self, handle: Handle) -> Result<u64, Outcome> {
        let bytes = self.bytes(handle)?;
        if bytes.len() > 8 {
            return Err(self.trap("too long for a number"));
        }
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(&bytes);
        Ok(u64::from_le_bytes(wide))
    }

    fn derive(
        &mut self,
        of: &Expr,
        how: impl Fn(Handle) -> Option<Handle>,
    ) -> Result<Handle, Outcome> {
        let handle = self.handle(of)?;
        how(handle).ok_or_else(|| self.trap("a handle of the wrong kind"))
    }

    fn tag(&mut self, target: &Expr, data: &Expr) -> Result<Handle, Outcome> {
        let (target, data) = (self.handle(target)?, self.handle(data)?);
        if target.has_encode() || data.has_encode() {
            return Err(self.trap("a tag of what is not evaluated"));
        }
        let entries = [self.application.tree.entries()[1], target, data];
        let handle = Handle::of_tag(&entries);
        self.made.insert(handle, Content::Tree(Tree::new(entries)));
        Ok(handle)
    }

    fn entries(&mut self, of: &Expr) -> Result<Vec<Handle>, Outcome> {
        let handle = self.handle(of)?;
        match self.read(handle, &[Kind::Tree, Kind::Tag])? {
            Content::Tree(tree) => Ok(tree.entries().to_vec()),
            Content::Blob(_) => Err(self.trap("not an accessible tree")),
        }
    }

    fn bytes(&self, handle: Handle) -> Result<Vec<u8>, Outcome> {
        if let Some(bytes) = handle.literal_bytes() {
            return Ok(bytes.to_vec());
        }
        match self.read(handle, &[Kind::Blob])? {
            Content::Blob(blob) => Ok(blob.bytes().to_vec()),
            Content::Tree(_) => Err(self.trap("not an accessible blob")),
        }
    }

    /// The only way to content: what was made here, and the footprint.
    fn read(&self, handle: Handle, kinds: &[Kind]) -> Result<Content, Outcome> {
        if !kinds.contains(&handle.kind()) {
            return Err(self.trap("not accessible, or of another kind"));
        }
        if let Some(made) = self.made.get(&handle) {
            return Ok(made.clone());
        }
        assert!(self.footprint.contains(&handle), "{handle:?} is outside of the footprint");
        match (self.resident)(handle) {
            Some(content) => Ok(content),
            None => panic!("{handle:?} went away during a run"),
        }
    }

    fn make_tree(&mut self, entries: Vec<Handle>) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.made.insert(handle, Content::Tree(tree));
        handle
    }

    fn make_blob(&mut self, bytes: &[u8]) -> Handle {
        let handle = Handle::of_blob(bytes);
        if !handle.is_literal() {
            self.made.insert(handle, Content::Blob(Blob::new(bytes.to_vec())));
        }
        handle
    }
}
