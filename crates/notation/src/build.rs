//! From syntax to objects.

use std::fmt;

use weft_object::{Handle, Kind, Prefix, Selection};

use crate::error::{line_column, point_out};
use crate::{Expr, Form, Limits, Part, Span};

/// What only the caller of [`build`] can know, and where it keeps objects.
///
/// Questions come in the order of the text, and only once each; a later error
/// leaves behind what was put before it.
pub trait Resolver {
    /// Why something cannot be had.
    type Error;

    /// What stands under a path of the file system. The bytes are what was
    /// written: relative to whatever the caller says, and perhaps no UTF-8.
    ///
    /// # Errors
    /// The caller's.
    fn path(&mut self, path: &[u8]) -> Result<Handle, Self::Error>;

    /// What stands under a label.
    ///
    /// # Errors
    /// The caller's.
    fn label(&mut self, label: &str) -> Result<Handle, Self::Error>;

    /// The one stored Object whose name begins so.
    ///
    /// # Errors
    /// The caller's, as when there is none or more than one.
    fn prefix(&mut self, prefix: &Prefix) -> Result<Handle, Self::Error>;

    /// Keeps a Blob that does not fit a literal.
    ///
    /// # Errors
    /// The caller's.
    fn put_blob(&mut self, bytes: &[u8]) -> Result<Handle, Self::Error>;

    /// Keeps a Tree.
    ///
    /// # Errors
    /// The caller's.
    fn put_tree(&mut self, entries: &[Handle]) -> Result<Handle, Self::Error>;
}

/// Why an expression is not a computation, and which part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError<E> {
    /// What stands there cannot stand there.
    Kind {
        /// The operand.
        span: Span,
        /// The word that takes it.
        word: &'static str,
        /// What the word takes, with an article.
        wanted: &'static str,
        /// What the operand is.
        found: Kind,
    },
    /// The [`Resolver`] has no answer.
    Resolve {
        /// The path, label, prefix, or whatever was to be kept.
        span: Span,
        /// Its reason.
        error: E,
    },
}

impl<E> BuildError<E> {
    /// The part of the text it is about.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Kind { span, .. } | Self::Resolve { span, .. } => *span,
        }
    }
}

impl<E: fmt::Display> BuildError<E> {
    /// The line with the place marked, and what could stand there; without a
    /// newline at the end. `source` is what was parsed.
    #[must_use]
    pub fn render(&self, source: &str) -> String {
        let message = self.to_string();
        let hint = match self {
            Self::Kind { wanted, .. } => format!("expected {wanted}"),
            Self::Resolve { .. } => String::new(),
        };
        point_out(source, self.span(), &message, &hint).trim_end().to_owned()
    }

    /// Line and column of the place, from 1. `source` is what was parsed.
    #[must_use]
    pub fn line_column(&self, source: &str) -> (usize, usize) {
        line_column(source, self.span().start)
    }
}

impl<E: fmt::Display> fmt::Display for BuildError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { word, wanted, found, .. } => {
                write!(f, "`{word}` takes {wanted}, this is {}", with_article(*found))?;
                match (*word, found) {
                    ("strict" | "shallow", kind) if kind.is_data() => {
                        write!(f, "; `identify(...)` makes a thunk of data")
                    }
                    ("application" | "selection", Kind::TreeRef) => {
                        write!(f, "; give the tree itself, without `ref`")
                    }
                    _ => Ok(()),
                }
            }
            Self::Resolve { error, .. } => error.fmt(f),
        }
    }
}

fn with_article(kind: Kind) -> String {
    let article = if kind.name().starts_with(['a', 'i']) { "an" } else { "a" };
    let sort = match kind {
        _ if kind.is_thunk() => " thunk",
        _ if kind.is_encode() => " encode",
        _ => "",
    };
    format!("{article} {kind}{sort}")
}

impl<E: std::error::Error + 'static> std::error::Error for BuildError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Resolve { error, .. } => error.source(),
            Self::Kind { .. } => None,
        }
    }
}

/// Makes the objects that an expression describes and returns the handle of the
/// whole. Nothing is evaluated: an application becomes a Thunk.
///
/// # Errors
/// A part of the wrong kind, or the first error of the resolver.
pub fn build<R: Resolver>(expr: &Expr, resolver: &mut R) -> Result<Handle, BuildError<R::Error>> {
    Builder { resolver }.expr(expr)
}

struct Builder<'a, R> {
    resolver: &'a mut R,
}

type Built<R> = Result<Handle, BuildError<<R as Resolver>::Error>>;

const A_TREE: &str = "a tree";
const A_THUNK: &str = "a thunk (`apply`, `select`, `digest` or `identify`)";
const DATA: &str = "data";

impl<R: Resolver> Builder<'_, R> {
    fn expr(&mut self, expr: &Expr) -> Built<R> {
        let span = expr.span;
        let asked =
            |answer: Result<_, _>| answer.map_err(|error| BuildError::Resolve { span, error });
        match &expr.form {
            Form::Tree(entries) => self.tree(span, Vec::new(), entries),
            Form::Closure(function, arguments) => {
                let first = self.expr(function)?;
                self.tree(span, vec![first], arguments)
            }
            Form::Text(bytes) | Form::Hex(bytes) => self.blob(span, bytes),
            Form::Number(number) => self.blob(span, &number.to_bytes()),
            Form::Path(path) => asked(self.resolver.path(path)),
            Form::Label(label) => asked(self.resolver.label(label)),
            Form::Handle(handle) => Ok(*handle),
            Form::Prefix(prefix) => asked(self.resolver.prefix(prefix)),
            Form::Apply(limits, procedure, arguments) => {
                let limits = self.limits(span, limits)?;
                let procedure = self.expr(procedure)?;
                let tree = self.tree(span, vec![limits, procedure], arguments)?;
                made(span, "apply", A_TREE, tree, tree.application())
            }
            Form::Application(tree) => self.of("application", A_TREE, tree, Handle::application),
            Form::Identify(data) => self.of("identify", DATA, data, Handle::identification),
            Form::Select(target, part) => self.select(span, target, part),
            Form::Selection(tree) => self.of("selection", A_TREE, tree, Handle::selection),
            Form::Strict(thunk) => self.of("strict", A_THUNK, thunk, Handle::strict),
            Form::Shallow(thunk) => self.of("shallow", A_THUNK, thunk, Handle::shallow),
            Form::Ref(data) => self.of("ref", DATA, data, Handle::lower),
        }
    }

    fn of(
        &mut self,
        word: &'static str,
        wanted: &'static str,
        operand: &Expr,
        make: fn(Handle) -> Option<Handle>,
    ) -> Built<R> {
        let handle = self.expr(operand)?;
        made(operand.span, word, wanted, handle, make(handle))
    }

    fn blob(&mut self, span: Span, bytes: &[u8]) -> Built<R> {
        match Handle::literal(bytes) {
            Some(literal) => Ok(literal),
            None => {
                let answer = self.resolver.put_blob(bytes);
                answer.map_err(|error| BuildError::Resolve { span, error })
            }
        }
    }

    fn tree(&mut self, span: Span, mut entries: Vec<Handle>, rest: &[Expr]) -> Built<R> {
        for entry in rest {
            entries.push(self.expr(entry)?);
        }
        self.put(span, &entries)
    }

    fn put(&mut self, span: Span, entries: &[Handle]) -> Built<R> {
        let answer = self.resolver.put_tree(entries);
        answer.map_err(|error| BuildError::Resolve { span, error })
    }

    fn limits(&mut self, span: Span, limits: &Limits) -> Built<R> {
        let number = |value: Option<u64>| value.map_or(Handle::EMPTY, Handle::of_u64);
        let memory = number(limits.memory_bytes);
        if limits.is_memory_only() {
            return Ok(memory);
        }
        let flags = Handle::EMPTY;
        let [output, fanout, fuel] = [limits.output_bytes, limits.fanout, limits.fuel].map(number);
        self.put(span, &[memory, output, fanout, flags, fuel])
    }

    fn select(&mut self, span: Span, target: &Expr, part: &Part) -> Built<R> {
        let target = self.expr(target)?;
        let selection = match part {
            Part::Entry(index) => Selection::Entry(*index),
            Part::Range(from, to) => Selection::Range(*from, *to),
            Part::Digest(from, to) => Selection::Digest(*from, *to),
            Part::Path(path) => Selection::Path(self.blob(span, path)?),
        };
        let tree = self.put(span, &selection.definition(target))?;
        made(span, "select", A_TREE, tree, tree.selection())
    }
}

fn made<E>(
    span: Span,
    word: &'static str,
    wanted: &'static str,
    from: Handle,
    handle: Option<Handle>,
) -> Result<Handle, BuildError<E>> {
    handle.ok_or(BuildError::Kind { span, word, wanted, found: from.kind() })
}
