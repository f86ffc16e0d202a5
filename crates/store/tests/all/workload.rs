//! A store at work, step by step, and what has to be in it after any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use weft_object::{Blob, Handle, Tree};
use weft_store::disk::crash::CrashDisk;
use weft_store::{
    Backend, Content, Cost, Expect, FileBackend, Finder, Label, Mode, Options, Origin, Outcome,
    Pin, Relation, Run, StoreError,
};

/// Where the store is on a [`CrashDisk`].
pub(crate) const PLACE: &str = "/disk/.weft";

/// So small that a few records fill a pack and a few entries a run, and
/// everything happens in the thread that asks, in the same order each time.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    (options.pack_bytes_max, options.flush_entries, options.large_bytes_min) = (3000, 8, 700);
    options.background = false;
    options
}

/// A disk with a home on it.
pub(crate) fn disk() -> CrashDisk {
    let disk = CrashDisk::new();
    disk.plant(Path::new("/disk/notes"), b"");
    disk
}

pub(crate) fn create(disk: &CrashDisk) -> Result<FileBackend, StoreError> {
    FileBackend::create_on(Arc::new(disk.clone()), Path::new(PLACE), options())
}

pub(crate) fn open(disk: &CrashDisk, mode: Mode) -> Result<FileBackend, StoreError> {
    FileBackend::open_on(Arc::new(disk.clone()), Path::new(PLACE), mode, options())
}

/// Content of some length, no two alike.
pub(crate) fn sized(number: usize, length: usize) -> (Handle, Content) {
    let text = format!("{number}: ").into_bytes();
    let bytes: Vec<u8> = text.iter().copied().cycle().take(length.max(40)).collect();
    let content = Content::Blob(Blob::new(bytes));
    (content.handle(), content)
}

fn tree(entries: &[Handle]) -> (Handle, Content) {
    let content = Content::Tree(Tree::new(entries));
    (content.handle(), content)
}

/// One change that lasts or does not.
#[derive(Clone, Debug)]
enum Change {
    Put(Handle, Content),
    Relate(Handle, Relation),
    Label(Label, Option<Handle>),
    Pin(Pin),
    Unpin(Handle),
    Run(Run),
    Finder(Finder),
}

/// What is asked of a store at once.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(Vec<(Handle, Content)>),
    Stream(Handle, Vec<u8>),
    Relate(Vec<(Handle, Relation)>),
    Label(Label, Option<Handle>),
    Pin(Pin),
    Unpin(Handle),
    Run(Run),
    Finder(Finder),
    Sync,
}

impl Step {
    pub(crate) fn take(&self, store: &FileBackend) -> Result<(), StoreError> {
        match self {
            Self::Put(batch) => store.put(batch),
            Self::Stream(handle, bytes) => {
                store.put_stream(handle, &mut &bytes[..]).map(|same| assert!(same))
            }
            Self::Relate(batch) => store.put_relations(batch),
            Self::Label(label, to) => store.set_label(label, Expect::Any, *to),
            Self::Pin(pin) => store.pin(pin),
            Self::Unpin(handle) => store.unpin(handle).map(drop),
            Self::Run(run) => store.put_run(run),
            Self::Finder(finder) => store.finder(finder).map(drop),
            Self::Sync => store.sync(),
        }
    }

    fn changes(&self) -> Vec<Change> {
        match self {
            Self::Put(batch) => batch
                .iter()
                .map(|(handle, content)| Change::Put(*handle, content.clone()))
                .collect(),
            Self::Stream(handle, bytes) => {
                vec![Change::Put(*handle, Content::Blob(Blob::new(bytes.clone())))]
            }
            Self::Relate(batch) => {
                batch.iter().map(|(key, relation)| Change::Relate(*key, *relation)).collect()
            }
            Self::Label(label, to) => vec![Change::Label(label.clone(), *to)],
            Self::Pin(pin) => vec![Change::Pin(*pin)],
            Self::Unpin(handle) => vec![Change::Unpin(*handle)],
            Self::Run(run) => vec![Change::Run(run.clone())],
            Self::Finder(finder) => vec![Change::Finder(finder.clone())],
            Self::Sync => Vec::new(),
        }
    }
}

/// What a store says, as far as it is not content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    labels: BTreeMap<Label, Handle>,
    relations: BTreeMap<Handle, Relation>,
    pins: BTreeMap<Handle, Option<u64>>,
    runs: Vec<(Handle, u64)>,
    finders: Vec<(String, bool)>,
}

/// All that is to be there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) content: BTreeMap<Handle, Content>,
    pub(crate) state: State,
}

impl Model {
    fn change(&mut self, change: &Change) {
        let state = &mut self.state;
        match change {
            Change::Put(handle, content) => {
                self.content.insert(*handle, content.clone());
            }
            Change::Relate(key, relation) => {
                state.relations.insert(*key, Relation { durable: true, ..*relation });
            }
            Change::Label(label, Some(handle)) => {
                state.labels.insert(label.clone(), *handle);
            }
            Change::Label(label, None) => {
                state.labels.remove(label);
            }
            Change::Pin(pin) => {
                state.pins.insert(pin.handle, pin.until_s);
            }
            Change::Unpin(handle) => {
                state.pins.remove(handle);
            }
            Change::Run(run) => state.runs.insert(0, (run.request, run.at_ms)),
            Change::Finder(finder) => {
                let finder = (finder.text.clone(), finder.here);
                if !state.finders.contains(&finder) {
                    state.finders.push(finder);
                }
            }
        }
    }
}

/// What of the steps has been done: an end of it may be lost, from some change
/// on, up to what was synced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    changes: Vec<Change>,
    /// How many of them are acknowledged as durable.
    synced: usize,
    /// Of the step that failed: from which change on it may not have been done
    /// although others came later.
    failed: Option<(usize, usize)>,
}

impl Done {
    /// Takes the steps. After an error, the next one, if that is wanted.
    pub(crate) fn of(store: &FileBackend, steps: &[Step], go_on: bool) -> Self {
        let mut done = Self::default();
        done.take(store, steps, go_on);
        done
    }

    pub(crate) fn take(&mut self, store: &FileBackend, steps: &[Step], go_on: bool) {
        for step in steps {
            let before = self.changes.len();
            match step.take(store) {
                Ok(()) => {
                    self.changes.extend(step.changes());
                    if matches!(step, Step::Sync) {
                        self.synced = before;
                    }
                }
                Err(_) => {
                    if self.failed.is_none() {
                        // What failed may be found after a crash all the same.
                        self.changes.extend(step.changes());
                        self.failed = Some((before, self.changes.len()));
                    }
                    if !go_on {
                        return;
                    }
                }
            }
        }
    }

    /// Whether a step did not go well.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// What there is if nothing was lost.
    pub(crate) fn all(&self) -> Model {
        let (from, to) = self.failed.unwrap_or((0, 0));
        self.model(|at| !(from..to).contains(&at))
    }

    /// What has been synced.
    pub(crate) fn synced(&self) -> Model {
        let (from, to) = self.failed.unwrap_or((0, 0));
        self.model(|at| at < self.synced && !(from..to).contains(&at))
    }

    fn model(&self, has: impl Fn(usize) -> bool) -> Model {
        let mut model = Model::default();
        let changes = self.changes.iter().enumerate().filter(|(at, _)| has(*at));
        changes.for_each(|(_, change)| model.change(change));
        model
    }

    /// Every relation that was ever put under a key.
    pub(crate) fn relations_ever(&self) -> BTreeMap<Handle, Vec<Relation>> {
        let mut ever: BTreeMap<Handle, Vec<Relation>> = BTreeMap::new();
        for change in &self.changes {
            if let Change::Relate(key, relation) = change {
                ever.entry(*key).or_default().push(Relation { durable: true, ..*relation });
            }
        }
        ever
    }

    /// Wherever labels ever stood.
    pub(crate) fn labels_ever(&self) -> Vec<(Label, Handle)> {
        let ever = self.changes.iter().filter_map(|change| match change {
            Change::Label(label, Some(handle)) => Some((label.clone(), *handle)),
            _ => None,
        });
        ever.collect()
    }

    // Everything that may be found: what was synced, and a beginning of the
    // rest; of the step that failed, a beginning or nothing.
    fn possible(&self) -> Vec<Self> {
        let (from, to) = self.failed.unwrap_or((0, 0));
        let beginning = |has: &dyn Fn(usize) -> bool| {
            let changes = self.changes.iter().enumerate().filter(|(at, _)| has(*at));
            let changes = changes.map(|(_, change)| change.clone()).collect();
            Self { changes, synced: 0, failed: None }
        };
        let mut possible = Vec::new();
        for end in self.synced..=self.changes.len() {
            possible.push(beginning(&|at| at < end && !(from..to).contains(&at)));
            if (from + 1..=to).contains(&end) {
                possible.push(beginning(&|at| at < end));
            }
        }
        possible
    }

    /// Checks what is found after the power went, and says what that is: the
    /// longest of the beginnings that it may be.
    pub(crate) fn check_after_crash(&self, store: &FileBackend, what: &str) -> Self {
        let state = self.state_of(store, what);
        let mut possible = self.possible();
        let fitting = possible.iter().rposition(|done| {
            let model = done.all();
            let there = |handle| matches!(store.contains(handle), Ok(true));
            model.state == state && model.content.keys().all(there)
        });
        let Some(fitting) = fitting else {
            let synced = self.synced();
            let lost: Vec<_> =
                synced.content.keys().filter(|name| !store.contains(name).unwrap()).collect();
            panic!("{what}: found {state:#?}\nsynced {:#?}\nlost {lost:?}", synced.state);
        };
        let ever = self.model(|_| true).content;
        let found = possible.swap_remove(fitting);
        self.check_content(store, &found.all().content, &ever, what);
        // Where a put failed, the label was set all the same.
        for handle in state.labels.values().filter(|_| self.failed.is_none()) {
            assert!(store.get(handle).unwrap().is_some(), "{what}: a label at what is not there");
        }
        found
    }

    /// Checks a store of which nothing was lost.
    pub(crate) fn check_whole(&self, store: &FileBackend, what: &str) {
        let model = self.all();
        assert_eq!(self.state_of(store, what), model.state, "{what}");
        let ever = self.model(|_| true).content;
        self.check_content(store, &model.content, &ever, what);
    }

    fn check_content(
        &self,
        store: &FileBackend,
        there: &BTreeMap<Handle, Content>,
        ever: &BTreeMap<Handle, Content>,
        what: &str,
    ) {
        for (handle, content) in ever {
            let found = store.get(handle);
            let found = found.unwrap_or_else(|error| panic!("{what}: #{handle}: {error}"));
            assert!(found.is_some() || !there.contains_key(handle), "{what}: #{handle} is lost");
            if let Some(found) = found {
                assert_eq!(found.handle(), content.handle(), "{what}");
            }
        }
    }

    fn state_of(&self, store: &FileBackend, what: &str) -> State {
        let said = |error: StoreError| -> ! { panic!("{what}: {error}") };
        let keys: BTreeSet<Handle> = self
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Relate(key, _) => Some(*key),
                _ => None,
            })
            .collect();
        let relations = keys.into_iter().filter_map(|key| {
            let found = store.relation(&key).unwrap_or_else(|error| said(error));
            Some((key, found?))
        });
        State {
            relations: relations.collect(),
            labels: store.labels().unwrap_or_else(|e| said(e)).into_iter().collect(),
            pins: {
                let pins = store.pins().unwrap_or_else(|e| said(e)).into_iter();
                pins.map(|pin| (pin.handle, pin.until_s)).collect()
            },
            runs: {
                let runs = store.runs().unwrap_or_else(|e| said(e)).into_iter();
                runs.map(|run| (run.request, run.at_ms)).collect()
            },
            finders: {
                let finders = store.finders().unwrap_or_else(|e| said(e)).into_iter();
                finders.map(|finder| (finder.text, finder.here)).collect()
            },
        }
    }
}

fn relation(number: usize, outcome: Handle) -> Relation {
    let cost = Cost { run_ns: number as u64, fuel: number.is_multiple_of(3).then_some(7) };
    let origin = Origin { found_at_s: 1_700_000_000 + number as u32, finder: 1 };
    let notes = (number % 4 == 1).then(|| Handle::of_u64(number as u64));
    Relation { notes, origin, ..Relation::new(Outcome::Value(outcome), cost) }
}

fn label(number: usize) -> Label {
    Label::new(&format!("label/l{number}")).unwrap()
}

/// One round of everything that a store does, different for each number.
pub(crate) fn round(round: usize) -> Vec<Step> {
    let base = 1000 * round;
    let small: Vec<_> = (0..5).map(|i| sized(base + i, 40 + 60 * i)).collect();
    let names: Vec<Handle> = small.iter().map(|(name, _)| *name).collect();
    let trees = [tree(&names[..2]), tree(&names[2..])];
    let key = tree(&[Handle::of_u64(base as u64), names[0]]);
    let large = sized(base + 10, 1500);
    let streamed = sized(base + 11, 2500);
    let bytes = streamed.1.blob().unwrap().bytes().to_vec();
    let finder = Finder { text: format!("weft {}", round / 2), here: round.is_multiple_of(2) };
    let run = Run {
        request: key.0,
        outcome: Outcome::Value(names[1]),
        label: Some(label(round % 3)),
        at_ms: base as u64,
        took_ns: 5,
        applied: 1,
    };
    vec![
        Step::Put(small[..3].to_vec()),
        Step::Label(label(round % 3), Some(names[0])),
        Step::Finder(finder),
        Step::Put(vec![small[3].clone(), small[4].clone(), trees[0].clone(), key.clone()]),
        Step::Relate(vec![
            (key.0, relation(base, names[1])),
            (key.0.application().unwrap(), relation(base + 1, names[2])),
        ]),
        Step::Sync,
        Step::Pin(Pin { handle: names[4], until_s: round.is_multiple_of(2).then_some(99) }),
        Step::Put(vec![large.clone(), trees[1].clone()]),
        Step::Label(label(3 + round % 2), Some(large.0)),
        Step::Stream(streamed.0, bytes),
        Step::Relate(vec![(key.0, relation(base + 2, streamed.0))]),
        Step::Run(run),
        Step::Sync,
        Step::Put(vec![sized(base + 20, 900), sized(base + 21, 300)]),
        Step::Label(label(3 + (round + 1) % 2), None),
        Step::Unpin(names[4]),
        Step::Pin(Pin { handle: trees[1].0, until_s: None }),
    ]
}
