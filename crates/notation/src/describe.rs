//! From objects back to syntax.

use weft_object::{Blob, Handle, Kind, Selection, Tree};

use crate::quote::is_readable;
use crate::{DEPTH_MAX, Expr, Form, Limits, Number, Part};

/// Where [`describe`] reads content. `None` means "not here", and the handle is
/// printed in its place.
pub trait Lookup {
    /// The entries of a Tree Object.
    fn tree(&mut self, handle: &Handle) -> Option<Tree>;

    /// The bytes of a Blob Object; only for those within [`Budget::blob_bytes`]
    /// and for paths.
    fn blob(&mut self, handle: &Handle) -> Option<Blob>;
}

/// Knows no content: only literals are spelled out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Lookup for Nothing {
    fn tree(&mut self, _: &Handle) -> Option<Tree> {
        None
    }

    fn blob(&mut self, _: &Handle) -> Option<Blob> {
        None
    }
}

/// How much of what lies below a handle [`describe`] spells out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Levels of Trees, those that define Thunks included. More than 64 count
    /// as 64, so that the text stays within [`DEPTH_MAX`].
    pub depth: usize,
    /// Entries of all Trees together. A Tree is spelled out whole or not at all.
    pub entries: usize,
    /// The longest Blob that is spelled out, if it is readable text. Literals
    /// always are.
    pub blob_bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { depth: 8, entries: 64, blob_bytes: 64 }
    }
}

/// One level of a Tree takes up to three of text: `strict(application([...]))`.
const LEVELS_MAX: usize = (DEPTH_MAX - 3) / 3 - 1;

/// The longest path worth reading and printing, that of Linux.
const PATH_BYTES_MAX: u64 = 4096;

/// Writes a handle as an expression. Parsed and built with the same content it
/// gives the same handle, however little the budget allowed.
#[must_use]
pub fn describe(handle: Handle, lookup: &mut impl Lookup, budget: Budget) -> Expr {
    let mut describer = Describer { lookup, budget };
    describer.handle(handle, budget.depth.min(LEVELS_MAX)).into()
}

struct Describer<'a, L> {
    lookup: &'a mut L,
    budget: Budget,
}

fn boxed(form: Form) -> Box<Expr> {
    Box::new(form.into())
}

impl<L: Lookup> Describer<'_, L> {
    fn handle(&mut self, handle: Handle, depth: usize) -> Form {
        let inner = handle.thunk().or(handle.definition());
        match (handle.kind(), inner) {
            (Kind::Blob, _) => self.blob(handle),
            (Kind::Tree, _) => match self.entries(handle, depth) {
                Some(entries) => Form::Tree(self.all(&entries, depth - 1)),
                None => Form::Handle(handle),
            },
            (Kind::BlobRef | Kind::TreeRef | Kind::TagRef, _) => {
                Form::Ref(boxed(Form::Handle(handle.content())))
            }
            (Kind::Application, Some(tree)) => self.application(tree, depth),
            (Kind::Selection, Some(tree)) => self.selection(tree, depth),
            (Kind::Identification, Some(data)) => Form::Identify(boxed(self.handle(data, depth))),
            (Kind::Strict, Some(thunk)) => Form::Strict(boxed(self.handle(thunk, depth))),
            (Kind::Shallow, Some(thunk)) => Form::Shallow(boxed(self.handle(thunk, depth))),
            // A Tag has no other form: writing its entries would not make it.
            _ => Form::Handle(handle),
        }
    }

    /// The entries of a Tree, if the budget has room for all of them.
    fn entries(&mut self, tree: Handle, depth: usize) -> Option<Vec<Handle>> {
        let count = usize::try_from(tree.length()?).ok()?;
        if depth == 0 || count > self.budget.entries {
            return None;
        }
        let entries = self.lookup.tree(&tree)?.entries().to_vec();
        self.budget.entries -= count;
        Some(entries)
    }

    fn all(&mut self, entries: &[Handle], depth: usize) -> Vec<Expr> {
        entries.iter().map(|entry| self.handle(*entry, depth).into()).collect()
    }

    fn blob(&mut self, handle: Handle) -> Form {
        match handle.literal_bytes() {
            Some(bytes) if is_readable(bytes) => Form::Text(bytes.to_vec()),
            Some(bytes) => match handle.literal_u64() {
                Some(value) => Form::Number(Number::U64(value)),
                None => Form::Hex(bytes.to_vec()),
            },
            None => match self.bytes(handle, self.budget.blob_bytes) {
                Some(bytes) if is_readable(&bytes) => Form::Text(bytes),
                _ => Form::Handle(handle),
            },
        }
    }

    fn bytes(&mut self, blob: Handle, bytes_max: u64) -> Option<Vec<u8>> {
        if let Some(bytes) = blob.literal_bytes() {
            return Some(bytes.to_vec());
        }
        (blob.length()? <= bytes_max).then(|| self.lookup.blob(&blob))?.map(|b| b.bytes().to_vec())
    }

    fn application(&mut self, tree: Handle, depth: usize) -> Form {
        let Some(entries) = self.entries(tree, depth) else {
            return Form::Application(boxed(Form::Handle(tree)));
        };
        if let [limits, procedure, arguments @ ..] = &entries[..]
            && let Some(limits) = self.limits(*limits)
        {
            let procedure = boxed(self.handle(*procedure, depth - 1));
            return Form::Apply(limits, procedure, self.all(arguments, depth - 1));
        }
        Form::Application(boxed(Form::Tree(self.all(&entries, depth - 1))))
    }

    /// The limits, if braces can say them so that the same entry is built.
    fn limits(&mut self, entry: Handle) -> Option<Limits> {
        let empty = Handle::EMPTY;
        // Outside: whether it can be said. Inside: whether there is a number.
        let number = |handle: &Handle| match *handle == empty {
            true => Some(None),
            false => handle.literal_u64().map(Some),
        };
        if entry.kind() != Kind::Tree {
            return Some(Limits { memory_bytes: number(&entry)?, ..Limits::default() });
        }
        if entry.length() != Some(5) {
            return None;
        }
        let tree = self.lookup.tree(&entry)?;
        let [memory, output, fanout, flags, fuel] = tree.entries() else { return None };
        let limits = Limits {
            memory_bytes: number(memory)?,
            output_bytes: number(output)?,
            fanout: number(fanout)?,
            fuel: number(fuel)?,
        };
        (*flags == empty && !limits.is_memory_only()).then_some(limits)
    }

    fn selection(&mut self, tree: Handle, depth: usize) -> Form {
        let Some(entries) = self.entries(tree, depth) else {
            return Form::Selection(boxed(Form::Handle(tree)));
        };
        let part = Selection::parse(&entries).and_then(|(target, selection)| {
            let part = match selection {
                Selection::Entry(index) => Part::Entry(index),
                Selection::Range(from, to) => Part::Range(from, to),
                Selection::Digest(from, to) => Part::Digest(from, to),
                Selection::Path(path) => Part::Path(self.bytes(path, PATH_BYTES_MAX)?),
            };
            Some((target, part))
        });
        match part {
            Some((target, part)) => Form::Select(boxed(self.handle(target, depth - 1)), part),
            None => Form::Selection(boxed(Form::Tree(self.all(&entries, depth - 1)))),
        }
    }
}
