use weft_object::{Content, Handle, Kind};

use super::{Answer, Edit, Observation};

/// Names the form of steps, in each place. Whoever changes what a run asks, or
/// how a question, an answer or an end is written, makes it another.
const FORM: &[u8] = b"wasi-step/1";

/// Before the directories of an application of `wasi/1`: limits, procedure,
/// program, arguments, environment, stdin, seed, clock.
const GENERIC: usize = 8;

/// Where the steps of a program begin.
///
/// A *place* is what a run has been told so far, as a handle: at the start,
/// what it was given but for the directories; after that, the place before and
/// the answer to the question that was asked there. What a program asks next,
/// and how it ends, follows from that alone, so it is a relation of the place:
/// whichever run has been there has found out the same.
///
/// A place is a Ref, whose Tree nobody keeps: no application is named so.
#[derive(Clone, Debug)]
pub struct Start {
    /// The first place.
    pub place: Handle,
    /// The directories.
    pub roots: Vec<Handle>,
}

impl Start {
    /// That of a canonical application, by its entries; `None` if it is none of
    /// `wasi/1`, or has no directory, so that there is nothing to ask.
    #[must_use]
    pub fn of(application: &[Handle]) -> Option<Self> {
        if application.get(1)?.literal_bytes() != Some(b"wasi/1") {
            return None;
        }
        let (generic, pairs) = application.split_at_checked(GENERIC)?;
        let mut generic = generic.to_vec();
        let mut roots = Vec::new();
        for pair in pairs.chunks(2) {
            let [path, root] = pair else { return None };
            if !matches!(root.kind(), Kind::Tree | Kind::TreeRef) {
                return None;
            }
            generic.push(*path);
            roots.push(*root);
        }
        let place = place(&[Handle::of_blob(FORM), Handle::of_tree(&generic)]);
        (!roots.is_empty()).then_some(Self { place, roots })
    }
}

fn place(entries: &[Handle]) -> Handle {
    let tree = Handle::of_tree(entries);
    tree.lower().unwrap_or(tree)
}

/// The place to which an answer leads.
#[must_use]
pub(super) fn after(before: Handle, answer: &Answer) -> Handle {
    let mut entries = vec![Handle::of_blob(FORM), before];
    entries.extend(answer.entries());
    place(&entries)
}

/// How a run has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The exit code.
    pub code: u32,
    /// All of standard output, a Blob.
    pub stdout: Handle,
    /// All of standard error.
    pub stderr: Handle,
    /// What it has changed.
    pub edits: Vec<Edit>,
}

impl End {
    /// Content that has to be at hand for the result to be.
    pub fn needs(&self) -> impl Iterator<Item = Handle> {
        let children = self.edits.iter().filter_map(|edit| edit.kind.child());
        [self.stdout, self.stderr].into_iter().chain(children)
    }
}

/// What a run has found out, as relations: each of a place, with the question
/// that is asked there, a Blob, or the end, a Tree.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// Place and outcome, the start first.
    pub relations: Vec<(Handle, Handle)>,
    /// What is new in the outcomes, children before parents; what the program
    /// wrote is not among it.
    pub content: Vec<(Handle, Content)>,
}

impl Steps {
    /// Those of a run that began at this place.
    #[must_use]
    pub fn new(start: Handle, observations: &[Observation], end: &End) -> Self {
        let mut steps = Self::default();
        let mut at = start;
        for Observation { asked, answer } in observations {
            steps.add(at, Content::Blob(asked.encode()));
            at = after(at, answer);
        }
        let (tree, edits) = end.encode();
        steps.keep(Content::Blob(edits));
        steps.add(at, Content::Tree(tree));
        steps
    }

    fn add(&mut self, place: Handle, outcome: Content) {
        let handle = self.keep(outcome);
        self.relations.push((place, handle));
    }

    fn keep(&mut self, content: Content) -> Handle {
        let handle = content.handle();
        if !handle.is_literal() {
            self.content.push((handle, content));
        }
        handle
    }
}
