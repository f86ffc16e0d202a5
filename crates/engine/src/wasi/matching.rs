use weft_object::{Content, Handle};
use weft_wasi::{End, Start, Step, Walk, apply};

use super::{Reading, form};
use crate::{Interrupt, Objects};

/// What an application of a program comes to because earlier runs have looked
/// at nothing that is different in its directories.
#[derive(Clone, Debug)]
pub struct Matching {
    /// The value.
    pub value: Handle,
    /// Content that is new, children before parents.
    pub made: Vec<(Handle, Content)>,
    /// What the value needs besides, and runs have made.
    pub needs: Vec<Handle>,
    /// The place where the program ended.
    pub end: Handle,
    /// How many questions it has asked.
    pub asked: u64,
}

/// Follows what is known of a program ([`Steps`](crate::Steps)) on the
/// directories of an application, given by its entries. `known` says what a
/// place's relation has as its outcome. `None` where that does not lead to an
/// end: then the program has to run.
///
/// Nothing is run, and nothing compiled. Of the directories, the nodes are
/// read in which earlier runs have looked, and those that change.
#[must_use]
pub fn matching(
    application: &[Handle],
    objects: &dyn Objects,
    interrupt: &Interrupt,
    known: &mut dyn FnMut(&Handle) -> Option<Handle>,
) -> Option<Matching> {
    let start = Start::of(application)?;
    let mut source = Reading { of: Some((objects, interrupt)), why: &mut None };
    let mut walk = Walk::new(&start);
    let mut asked = 0;
    let end = loop {
        // Content that is not there says nothing of the computation: a run
        // finds out, and says so.
        match walk.step(&mut source, known).ok()?? {
            Step::Looked(_) if interrupt.is_set() => return None,
            Step::Looked(_) => asked += 1,
            Step::Ended(end) => break end,
        }
    };
    let End { code, stdout, stderr, edits } = &end;
    let applied = apply(edits, &start.roots, &mut source).ok()??;
    let value = form::value_of(*code, *stdout, *stderr, applied.roots, applied.content);
    let needs = end.needs().collect();
    Some(Matching { value: value.handle, made: value.made, needs, end: walk.place(), asked })
}
