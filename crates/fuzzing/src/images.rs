//! Images: those that are broken, and those of random programs. What they promise is
//! what anybody sees who applies them, so the oracles stand here, beside their generators.

pub mod begun;
pub mod broken;

use std::collections::HashMap;
use std::sync::LazyLock;

use weft_engine::{
    Applied, Config, Engine, Failure, Interrupt, NoAnswerKind, Objects, Outcome, Reuse, Run,
};
use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Blob, Content, Handle, Tree};

/// What performs a run; a test that plants a fault has another than [`soundly`].
pub type Perform = dyn Fn(&Engine, Run<'_>) -> Applied + Sync;

/// As the engine does.
#[must_use]
pub fn soundly(engine: &Engine, run: Run<'_>) -> Applied {
    engine.apply(run)
}

/// Content by name.
#[derive(Clone, Default)]
struct All(HashMap<Handle, Content>);

impl Objects for All {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        self.0.get(&handle.content())?.blob().cloned()
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        self.0.get(&handle.content())?.tree().cloned()
    }
}

impl All {
    fn blob_of(&mut self, bytes: &[u8]) -> Handle {
        let blob = Blob::new(bytes.to_vec());
        let handle = blob.handle();
        if !handle.is_literal() {
            self.0.insert(handle, Content::Blob(blob));
        }
        handle
    }

    fn tree_of(&mut self, entries: Vec<Handle>) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.0.insert(handle, Content::Tree(tree));
        handle
    }

    /// Some functions that take nothing.
    fn names(&mut self, names: &[&str]) -> Handle {
        let names = names.iter().map(|name| self.blob_of(name.as_bytes())).collect();
        self.tree_of(names)
    }

    fn keep(&mut self, applied: &Applied) {
        let made = applied.made.iter().map(|(handle, content)| (handle.content(), content.clone()));
        self.0.extend(made);
    }
}

const LIMIT_BYTES: u64 = 8 << 20;

/// One that uses instances again as soon as it can, and one that never does and has no
/// pool.
static ENGINES: LazyLock<Option<[Engine; 2]>> = LazyLock::new(|| {
    let engine = |reuse, instances| {
        let base = Config { module_cache_bytes: 8 << 20, ..Config::default() };
        Engine::new(Config { reuse, instances, ..base }).ok()
    };
    Some([engine(Reuse::Always, 24)?, engine(Reuse::Never, 0)?])
});

fn applied(by: &Perform, engine: &Engine, objects: &All, entries: &[Handle]) -> Applied {
    let entries = Tree::new([&[Handle::of_u64(LIMIT_BYTES)], entries].concat());
    let run = Run {
        application: entries.handle(),
        entries: &entries,
        memory_limit_bytes: LIMIT_BYTES,
        fuel: None,
        objects,
        interrupt: &Interrupt::new(),
    };
    by(engine, run)
}

/// A directory of one file.
fn directory(objects: &mut All) -> Handle {
    let file = objects.blob_of(b"what is in a file of a directory that is read");
    let entry = |name: Name| Entry { name, kind: FileKind::File, mode: 0o644, child: file };
    let entries = Name::new(b"file").map(entry).into_iter().collect();
    let built = build(entries, |_, part| {
        match part {
            Part::Index(blob) => _ = objects.blob_of(blob.bytes()),
            Part::Node(tree) => _ = objects.tree_of(tree.entries().to_vec()),
        }
        Ok::<_, DirectoryError>(())
    });
    let root = built.unwrap_or_else(|error| panic!("{error:?}"));
    root.lower().unwrap_or(root)
}

/// What of an outcome has to be the same wherever it is come to.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Value(Handle),
    Failure(String),
    NoAnswer(NoAnswerKind),
}

impl Told {
    fn of(applied: &Applied) -> Self {
        match &applied.outcome {
            Outcome::Value(value) => Self::Value(*value),
            Outcome::Failure(Failure { kind, detail, .. }) => {
                Self::Failure(format!("{kind}: {detail}"))
            }
            Outcome::NoAnswer { kind, .. } => Self::NoAnswer(*kind),
        }
    }

    /// Whether it is that of this machine at this time, of which another has another.
    fn is_of_here(&self) -> bool {
        matches!(self, Self::NoAnswer(NoAnswerKind::HostMemory))
    }
}

/// # Panics
/// If they are not the same.
fn same(what: &str, ours: &Applied, theirs: &Applied) {
    let [our, their] = [ours, theirs].map(Told::of);
    assert!(
        our == their || our.is_of_here() || their.is_of_here(),
        "{what}: {:?} is not {:?}",
        ours.outcome,
        theirs.outcome
    );
    assert_eq!(ours.log, theirs.log, "{what}: what they logged");
    if let Told::Value(_) = our {
        let made = |applied: &Applied| {
            let mut names: Vec<_> = applied.made.iter().map(|made| made.0).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(made(ours), made(theirs), "{what}: what they made");
    }
}
