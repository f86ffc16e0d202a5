//! A store in memory with computations in it, of functions that are closures.

use std::cell::RefCell;
use std::collections::BTreeMap;

use weft_eval::reference::{self, Reference};
use weft_eval::{Application, Outcome};
use weft_explain::Source;
use weft_object::directory::{Entry, FileKind, Name, Part, build};
use weft_object::{Blob, Content, Handle, Tree};
use weft_sim::world::World as Sim;
use weft_store::{
    Backend, Cost, Finder, MemoryBackend, Origin, Outcome as Stored, Relation, StoreError,
};

/// A backend that counts what is read from it.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) backend: MemoryBackend,
    read: RefCell<Vec<Handle>>,
}

impl Source for World {
    fn content(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        self.read.borrow_mut().push(handle.content());
        self.backend.get(&handle.content())
    }

    fn known(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        self.backend.relation(key)
    }
}

impl World {
    /// What was read since the last time.
    pub(crate) fn reads(&self) -> Vec<Handle> {
        self.read.take()
    }

    pub(crate) fn blob(&self, bytes: impl AsRef<[u8]>) -> Handle {
        let blob = Blob::new(bytes.as_ref().to_vec());
        let handle = blob.handle();
        self.backend.put(&[(handle, Content::Blob(blob))]).unwrap();
        handle
    }

    pub(crate) fn tree(&self, entries: &[Handle]) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.backend.put(&[(handle, Content::Tree(tree))]).unwrap();
        handle
    }

    /// An application Thunk without limits.
    pub(crate) fn apply(&self, procedure: Handle, arguments: &[Handle]) -> Handle {
        let mut entries = vec![Handle::of_blob(b""), procedure];
        entries.extend(arguments);
        self.tree(&entries).application().unwrap()
    }

    /// A directory with these files; `a/b` is in a directory of its own.
    pub(crate) fn directory<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, Handle)>,
    ) -> Handle {
        let mut names: BTreeMap<&str, Vec<(&str, Handle)>> = BTreeMap::new();
        for (path, handle) in files {
            let (name, below) = path.split_once('/').unwrap_or((path, ""));
            names.entry(name).or_default().push((below, handle));
        }
        let entries = names.into_iter().map(|(name, below)| {
            let (kind, mode, child) = match below[..] {
                [("", file)] => (FileKind::File, 0o644, file),
                _ => (FileKind::Directory, 0o755, self.directory(below)),
            };
            Entry { name: Name::new(name.as_bytes()).unwrap(), kind, mode, child }
        });
        self.build(entries.collect())
    }

    pub(crate) fn build(&self, entries: Vec<Entry>) -> Handle {
        build(entries, |handle, part| -> Result<(), weft_object::directory::DirectoryError> {
            let content = match part {
                Part::Index(blob) => Content::Blob(blob),
                Part::Node(tree) => Content::Tree(tree),
            };
            self.backend.put(&[(handle, content)]).unwrap();
            Ok(())
        })
        .unwrap()
    }

    /// Notes what an application, given as Thunk with its entries evaluated, came
    /// to.
    pub(crate) fn relate(&self, thunk: Handle, outcome: Handle, run_ns: u64) {
        let finder = Finder { text: "a test".into(), here: true };
        let finder = self.backend.finder(&finder).unwrap();
        let cost = Cost { run_ns, fuel: None };
        let origin = Origin { found_at_s: 1_700_000_000, finder };
        let relation = Relation { origin, ..Relation::new(Stored::Value(outcome), cost) };
        let key = if thunk.kind().is_encode() { thunk } else { thunk.definition().unwrap() };
        self.backend.put_relations(&[(key, relation)]).unwrap();
    }
}

/// Evaluates a case of the simulator by the reference, with everything that it
/// finds out kept in a backend. What each request came to, and what ran.
pub(crate) fn record(world: Sim, requests: &[Handle]) -> (World, Vec<Outcome>, Vec<Handle>) {
    let out = World::default();
    let mut recorder = Recorder { sim: world, out: &out };
    let mut reference = Reference::new(&mut recorder);
    let outcomes = requests.iter().map(|request| reference.request(*request)).collect();
    let ran = reference.ran().to_vec();
    for (handle, content) in &recorder.sim.content {
        let content = match content {
            weft_sim::world::Content::Blob(blob) => Content::Blob(blob.clone()),
            weft_sim::world::Content::Tree(tree) => match handle.kind() {
                weft_object::Kind::Tag => Content::Tag(tree.clone()),
                _ => Content::Tree(tree.clone()),
            },
        };
        out.backend.put(&[(*handle, content)]).unwrap();
    }
    (out, outcomes, ran)
}

struct Recorder<'a> {
    sim: Sim,
    out: &'a World,
}

impl reference::World for Recorder<'_> {
    fn tree(&mut self, object: Handle) -> Option<Tree> {
        reference::World::tree(&mut self.sim, object)
    }

    fn blob(&mut self, object: Handle) -> Option<Blob> {
        reference::World::blob(&mut self.sim, object)
    }

    fn put_tree(&mut self, entries: &[Handle]) -> Handle {
        reference::World::put_tree(&mut self.sim, entries)
    }

    fn put_blob(&mut self, blob: Blob) -> Handle {
        reference::World::put_blob(&mut self.sim, blob)
    }

    fn run(&mut self, application: &Application) -> Outcome {
        let outcome = reference::World::run(&mut self.sim, application);
        let stored = match &outcome {
            Outcome::Value(value) => Stored::Value(*value),
            Outcome::Failure(failure) => {
                let (handle, contents) = failure.contents();
                self.out.backend.put(&contents).unwrap();
                Stored::Failure(handle)
            }
            Outcome::NoAnswer(_) => return outcome,
        };
        let relation = Relation::new(stored, Cost { run_ns: 1000, fuel: None });
        self.out.backend.put_relations(&[(application.handle, relation)]).unwrap();
        outcome
    }
}
