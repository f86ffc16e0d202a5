//! What people call things.

use std::collections::HashMap;

use weft_notation::{Budget, Expr, Form, Lookup, describe};
use weft_object::{Blob, Handle, Prefix, Tree};
use weft_store::{Backend, StoreError};

use crate::Source;
use crate::diff::Step;
use crate::within::Search;

/// Labels, and what was found under them.
#[derive(Clone, Debug, Default)]
pub struct Names {
    labels: HashMap<Handle, String>,
    /// In the order of the labels.
    labeled: Vec<(String, Handle)>,
    files: HashMap<Handle, (String, Vec<Step>)>,
}

/// A search for names reads so many Trees.
const TREES_MAX: usize = 100_000;

/// So many digits of a handle are shown where it need not be typed in full.
pub const DIGITS: usize = 12;

impl Names {
    /// Those of all labels.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read(backend: &(impl Backend + ?Sized)) -> Result<Self, StoreError> {
        let mut names = Self::default();
        for (label, handle) in backend.labels()? {
            names.labels.entry(handle).or_insert_with(|| label.to_string());
            names.labeled.push((label.to_string(), handle));
        }
        Ok(names)
    }

    /// Looks for these in what is labeled. Not all of a large store is looked
    /// through.
    ///
    /// # Errors
    /// The source cannot be read.
    pub fn find(
        &mut self,
        source: &(impl Source + ?Sized),
        wanted: impl IntoIterator<Item = Handle>,
    ) -> Result<(), StoreError> {
        let mut search = Search::of_many(source, wanted, TREES_MAX);
        for (label, root) in &self.labeled {
            search.each(*root, &mut |handle, path| {
                self.files.entry(handle).or_insert_with(|| (label.clone(), path));
                true
            })?;
        }
        Ok(())
    }

    /// The label that stands at a handle.
    #[must_use]
    pub fn label(&self, handle: &Handle) -> Option<&str> {
        let with_access = || self.labels.get(&handle.content()).filter(|_| handle.kind().is_data());
        self.labels.get(handle).or_else(with_access).map(String::as_str)
    }

    /// Where below a label a content was found.
    #[must_use]
    pub fn file(&self, handle: &Handle) -> Option<(&str, &[Step])> {
        let (label, path) = self.files.get(&handle.content())?;
        Some((label, path))
    }

    /// A handle as an expression, short, with labels for what has one.
    #[must_use]
    pub fn brief(&self, source: &(impl Source + ?Sized), handle: Handle, budget: Budget) -> String {
        let mut expr = describe(handle, &mut Read(source), budget);
        self.shorten(&mut expr);
        expr.to_string()
    }

    fn shorten(&self, expr: &mut Expr) {
        match &mut expr.form {
            Form::Handle(handle) => {
                let digits = handle.to_string();
                expr.form = match self.labels.get(handle) {
                    Some(label) => Form::Label(label.clone()),
                    None => match Prefix::parse(&digits[..DIGITS]) {
                        Ok(prefix) => Form::Prefix(prefix),
                        Err(_) => return,
                    },
                };
            }
            Form::Tree(entries) => entries.iter_mut().for_each(|entry| self.shorten(entry)),
            Form::Apply(_, first, rest) | Form::Closure(first, rest) => {
                self.shorten(first);
                rest.iter_mut().for_each(|entry| self.shorten(entry));
            }
            Form::Select(one, _)
            | Form::Application(one)
            | Form::Identify(one)
            | Form::Selection(one)
            | Form::Strict(one)
            | Form::Shallow(one)
            | Form::Ref(one) => self.shorten(one),
            _ => {}
        }
    }
}

/// Content for the notation. What cannot be read is not there.
pub(crate) struct Read<'a, S: ?Sized>(pub(crate) &'a S);

impl<S: Source + ?Sized> Lookup for Read<'_, S> {
    fn tree(&mut self, handle: &Handle) -> Option<Tree> {
        self.0.content(handle).ok()??.tree().cloned()
    }

    fn blob(&mut self, handle: &Handle) -> Option<Blob> {
        self.0.content(handle).ok()??.blob().cloned()
    }
}
