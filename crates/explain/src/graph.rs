//! A computation as a picture.
//!
//! Three steps: [`Drawing::of`] says which boxes and arrows there are, folding
//! what is alike until there are few enough to look at; a layout gives them
//! places; [`svg`] and [`dot`] write them down. Whatever the computation, a
//! picture is bounded.

mod dot;
mod fold;
mod layout;
mod path;
mod svg;
mod words;

use std::collections::HashSet;

use weft_object::Handle;

use crate::{CallId, Calls, Names, Source};

pub use dot::dot;
pub use svg::svg;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    /// A line about the whole.
    pub title: String,
    /// The boxes.
    pub nodes: Vec<Node>,
    /// The arrows, from what is needed to what needs it.
    pub edges: Vec<Edge>,
    /// About all of it.
    pub total: Total,
}

/// Sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Applications.
    pub calls: u64,
    /// Of these, of which it is not known what they came to.
    pub unknown: u64,
    /// Of these, that ran just now; the others were known.
    pub ran: u64,
    /// Time that all of them ran, once each.
    pub run_ns: u64,
    /// Time along the longest chain of those that need each other.
    pub critical_ns: u64,
    /// Whether there are more than were looked at.
    pub cut: bool,
}

/// A box: an input, an application, or many that are alike.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub sort: Sort,
    /// The function or the label, in a few words.
    pub title: String,
    /// The rest, shortened.
    pub detail: String,
    /// The key or the content; of many, of the first.
    pub handle: Handle,
    /// How many there are.
    pub count: u64,
    /// Time that they ran; of inputs, 0.
    pub run_ns: u64,
    /// Of how many that is known.
    pub timed: u64,
    /// How many ran just now.
    pub ran: u64,
    /// Whether the longest chain goes through it.
    pub critical: bool,
    /// Whether what the request came to is among their results.
    pub result: bool,
    /// From inputs on, where it stands; what is needed stands further left,
    /// unless many levels were folded.
    pub layer: usize,
}

/// A sort of box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sort {
    /// Data that no application here made.
    Input,
    /// Applications of which it is known that they came to a value.
    Value,
    /// At least one of them failed.
    Failed,
    /// At least one of which nobody kept what it came to.
    Unknown,
}

impl Sort {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Value => "value",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// An arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The place of what is needed.
    pub from: usize,
    /// The place of what needs it.
    pub to: usize,
    /// How many times.
    pub count: u64,
    /// Whether it only called it.
    pub caller: bool,
    /// Whether the longest chain goes along it.
    pub critical: bool,
}

/// How to draw.
#[derive(Clone, Debug)]
pub struct Options {
    /// At most so many boxes, some more where there are very many functions.
    pub nodes_max: usize,
    /// Which applications ran just now, if somebody watched.
    pub ran: Option<HashSet<Handle>>,
    /// What was asked for, in words.
    pub title: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes_max: 120, ran: None, title: String::new() }
    }
}

impl Drawing {
    /// Which boxes and arrows there are.
    pub fn of(
        calls: &Calls,
        source: &(impl Source + ?Sized),
        names: &Names,
        options: &Options,
    ) -> Self {
        let order = path::order(calls);
        let critical = path::critical(calls, &order);
        let words = words::Words { source, names };
        let mut drawing = fold::fold(calls, &order, &critical, &words, options);
        let ran = |key: &Handle| options.ran.as_ref().is_some_and(|ran| ran.contains(key));
        let all = calls.calls.iter();
        drawing.title.clone_from(&options.title);
        drawing.total = Total {
            calls: calls.calls.len() as u64,
            unknown: all.clone().filter(|call| call.outcome.is_none()).count() as u64,
            ran: all.clone().filter(|call| ran(&call.key)).count() as u64,
            run_ns: all.map(|call| call.run_ns().unwrap_or(0)).sum(),
            critical_ns: critical.iter().map(|call| calls.calls[*call].run_ns().unwrap_or(0)).sum(),
            cut: calls.cut,
        };
        drawing
    }
}

/// The order in which calls can be done, and how far each is from the start.
pub(crate) struct Order {
    pub(crate) order: Vec<CallId>,
    pub(crate) depth: Vec<usize>,
    /// Needs that would close a loop: of who called whom, all ways.
    pub(crate) back: HashSet<(CallId, CallId)>,
}
