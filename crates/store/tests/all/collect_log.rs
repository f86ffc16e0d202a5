//! After any number of collections the log alone says what the store says: who
//! makes an index again from it finds nothing that had gone.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use weft_object::{Content, Handle};
use weft_store::disk::Disk;
use weft_store::disk::crash::CrashDisk;
use weft_store::{Backend, Budget, Collect, FileBackend, Mode, Options, StoreError, Usage, fsck};

use crate::collect::{PLACE, has, label, open_with, options, ran, sized, unlabel};

/// What somebody does with a store, one thing after the other.
#[derive(Clone, Debug)]
enum Act {
    /// Has a function run on what it is given by number, and labels it or not.
    Run {
        number: u64,
        bytes: usize,
        ns: u64,
        label: bool,
    },
    /// The same computation comes to the same again, at another cost.
    Again {
        number: u64,
        ns: u64,
    },
    Unlabel(u64),
    /// Asks for a result: computed again if it was dropped.
    Ask(u64),
    Collect(Option<u64>),
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    let number = 0..12_u64;
    let run = (number.clone(), 100..9000_usize, 1..1000_u64, any::<bool>())
        .prop_map(|(number, bytes, ns, label)| Act::Run { number, bytes, ns, label });
    prop_oneof![
        4 => run,
        2 => (number.clone(), 1..1000_u64).prop_map(|(number, ns)| Act::Again { number, ns }),
        2 => number.clone().prop_map(Act::Unlabel),
        3 => number.prop_map(Act::Ask),
        4 => prop::option::weighted(0.8, 0..60_000_u64).prop_map(Act::Collect),
        1 => Just(Act::Reopen),
    ]
}

/// A store with what has been computed in it: by number, key and result.
struct World {
    disk: CrashDisk,
    options: Options,
    store: FileBackend,
    made: BTreeMap<u64, (Handle, (Handle, Content))>,
}

impl World {
    fn new(short_bytes_max: u64) -> Self {
        let disk = CrashDisk::new();
        let options = Options { short_bytes_max, pack_bytes_max: 12_000, ..options() };
        let store = open_with(&disk, options).unwrap();
        Self { disk, options, store, made: BTreeMap::new() }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Run { number, bytes, ns, label: wanted } => {
                let result = sized(1000 + number, *bytes);
                if self.made.get(number).is_none_or(|(_, made)| made.0 == result.0) {
                    self.store.put(std::slice::from_ref(&result)).unwrap();
                    let key = ran(&self.store, *number, &[], result.0, *ns);
                    self.made.insert(*number, (key, result));
                }
                if *wanted && has(&self.store, &self.made[number].0) {
                    label(&self.store, &format!("n/{number}"), self.made[number].0);
                }
            }
            Act::Again { number, ns } => {
                if let Some((_, result)) = self.made.get(number) {
                    self.store.put(std::slice::from_ref(result)).unwrap();
                    ran(&self.store, *number, &[], result.0, *ns);
                }
            }
            Act::Unlabel(number) => unlabel(&self.store, &format!("n/{number}")),
            Act::Ask(number) => {
                if let Some((key, result)) = self.made.get(number)
                    && !has(&self.store, &result.0)
                    && self.store.recipe(&result.0).unwrap() == Some(*key)
                {
                    self.store.put(std::slice::from_ref(result)).unwrap();
                }
            }
            Act::Collect(budget) => {
                let budget = budget.map_or(Budget::Unlimited, Budget::Bytes);
                let collect = Collect { dry_run: false, budget };
                self.store.collect(&collect, &|_| {}).unwrap();
            }
            Act::Reopen => self.reopen(),
        }
    }

    fn reopen(&mut self) {
        // The old one gives the lock back first.
        self.store = open_with(&CrashDisk::new(), self.options).unwrap();
        self.store = open_with(&self.disk, self.options).unwrap();
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        self.store.sync().unwrap();
        let usage = self.store.usage().unwrap();
        self.store = open_with(&CrashDisk::new(), self.options).unwrap();
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let found = fsck(&disk, Path::new(PLACE), self.options, &|_, _| {}).unwrap();
        prop_assert!(found.is_sound(), "{:?} {:?}", found.problems, found.affected);
        let counted = (usage.objects, usage.relations, usage.dropped);
        prop_assert_eq!(counted, (found.objects, found.relations, found.dropped));
        // As one who has lost the index sees it.
        let without = self.disk.copy();
        for (path, _) in without.files() {
            if path.to_string_lossy().contains("/index/") {
                prop_assert!(without.lose(&path));
            }
        }
        let again = read(&without, self.options).unwrap();
        let whole = read(&self.disk, self.options).unwrap();
        for (key, (result, _)) in self.made.values() {
            for name in [key, result] {
                prop_assert_eq!(has(&again, name), has(&whole, name));
                prop_assert_eq!(again.recipe(name).unwrap(), whole.recipe(name).unwrap());
                prop_assert_eq!(again.relation(name).unwrap(), whole.relation(name).unwrap());
            }
        }
        self.store = open_with(&self.disk, self.options).unwrap();
        Ok(())
    }
}

fn read(disk: &CrashDisk, options: Options) -> Result<FileBackend, StoreError> {
    FileBackend::open_on(Arc::new(disk.clone()), Path::new(PLACE), Mode::Read, options)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        if std::env::var_os("WEFT_LONG").is_some() { 4000 } else { 120 }
    ))]

    #[test]
    fn the_log_alone_says_what_the_store_says(
        acts in prop::collection::vec(act(), 1..60),
        short_bytes_max in prop_oneof![Just(0_u64), Just(6_000), Just(1 << 20)],
    ) {
        let mut world = World::new(short_bytes_max);
        for act in &acts {
            world.act(act);
            if matches!(act, Act::Collect(_)) {
                world.check()?;
            }
        }
        world.check()?;
    }
}

fn taken(store: &FileBackend) -> Usage {
    store.usage().unwrap()
}

#[test]
fn a_collection_that_finds_nothing_leaves_the_files_as_they_are() {
    let disk = CrashDisk::new();
    let store = open_with(&disk, options()).unwrap();
    let result = sized(1, 3000);
    store.put(std::slice::from_ref(&result)).unwrap();
    let key = ran(&store, 1, &[], result.0, 5);
    label(&store, "kept", key);
    store.sync().unwrap();
    let collect = |store: &FileBackend| store.collect(&Collect::default(), &|_| {}).unwrap();
    collect(&store);
    let files = disk.files();
    for _ in 0..3 {
        collect(&store);
    }
    assert_eq!(disk.files(), files);
    drop(store);
    let mut before = None;
    for round in 0..4 {
        // As a command does it, which syncs what an earlier one may have left.
        let store = open_with(&disk, options()).unwrap();
        collect(&store);
        store.set_budget(Some(1 << 30)).unwrap();
        store.sync().unwrap();
        let now = (taken(&store).file_bytes, disk.files().len());
        if let Some((bytes, files)) = before.filter(|_| round > 1) {
            assert!(now.0 <= bytes + 48 && now.1 == files, "{now:?} after {before:?}");
        }
        before = Some(now);
    }
}
