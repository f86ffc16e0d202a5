//! Where something stands in what is compared.

use std::rc::Rc;

/// One step from something to a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// The limits of an application.
    Limits,
    /// The procedure of an application.
    Procedure,
    /// An argument of an application, from 0 on.
    Argument(u64),
    /// Of what a program is given, the sort.
    Given(&'static str),
    /// A directory of a program, by the path at which it has it.
    Directory(Vec<u8>),
    /// What a selection is of.
    Target,
    /// What a selection takes.
    Part,
    /// The data of an identification.
    Data,
    /// An entry of a Tree, from 0 on.
    Entry(u64),
    /// A name in a directory.
    Name(Vec<u8>),
}

/// A place in words; arguments are counted from 1. Names are as they are, see
/// `name`. Of the whole it is empty.
#[must_use]
pub fn place_text(steps: &[Step], name: impl Fn(&[u8]) -> String) -> String {
    let mut out = String::new();
    let mut in_path = false;
    for step in steps {
        let is_name = matches!(step, Step::Name(_) | Step::Directory(_));
        if !out.is_empty() {
            let ends_so = out.ends_with('/');
            out.push_str(match is_name && in_path {
                true if ends_so => "",
                true => "/",
                false => " > ",
            });
        }
        in_path = is_name;
        match step {
            Step::Limits => out.push_str("limits"),
            Step::Procedure => out.push_str("procedure"),
            Step::Argument(at) => out.push_str(&format!("argument {}", at + 1)),
            Step::Given(what) => out.push_str(what),
            Step::Directory(path) => out.push_str(&name(path)),
            Step::Target => out.push_str("target"),
            Step::Part => out.push_str("part"),
            Step::Data => out.push_str("data"),
            Step::Entry(at) => out.push_str(&format!("entry {at}")),
            Step::Name(bytes) => out.push_str(&name(bytes)),
        }
    }
    out
}

/// A place that shares its beginning with others.
pub(crate) struct Link {
    last: Option<(Rc<Link>, Step)>,
    depth: usize,
}

impl Link {
    pub(crate) fn root() -> Rc<Self> {
        Rc::new(Self { last: None, depth: 0 })
    }

    pub(crate) fn with(self: &Rc<Self>, step: Step) -> Rc<Self> {
        Rc::new(Self { last: Some((self.clone(), step)), depth: self.depth + 1 })
    }

    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::with_capacity(self.depth);
        let mut at = self;
        while let Some((before, step)) = &at.last {
            steps.push(step.clone());
            at = before;
        }
        steps.reverse();
        steps
    }
}
