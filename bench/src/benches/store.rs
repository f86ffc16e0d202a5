//! A store of ten million objects, on disk.

use std::path::Path;

use weft_object::{Content, Handle, Tree};
use weft_store::{Backend, Cost, FileBackend, Mode, Outcome, Relation};

use crate::measure::{compare_runs, ns};
use crate::random::Random;
use crate::report::{Report, Unit};
use crate::scratch::{Scratch, bytes_below};
use crate::{BenchError, Options};

const NAME: &str = "store_open_10m";

/// Opening a store, to write, in which a relation and its Tree stand for each of
/// so many additions; beside it the
/// same store with a thousandth of that. Its files are in the page cache as far
/// as that goes.
pub(crate) fn open(options: &Options) -> Result<Report, BenchError> {
    let count = options.size.pick_long(3_000, 1_000_000, 10_000_000);
    let scratch = Scratch::new(options)?;
    let (many, few) = (scratch.join("many"), scratch.join("few"));
    let time = std::time::Instant::now();
    Additions { seed: options.seed, count }.write(&many)?;
    let write_ns = ns(time.elapsed()) / count as f64;
    Additions { seed: options.seed, count: count / 1000 }.write(&few)?;
    let bytes = bytes_below(&many)? as f64 / count as f64;
    let open = |path: &Path| -> Result<(), BenchError> {
        drop(FileBackend::open(path, Mode::Write)?);
        Ok(())
    };
    let times = compare_runs(options.size.pick(2, 9), 1, |_| open(&many), |_| open(&few))?;
    let store = FileBackend::open(&many, Mode::Read)?;
    let checked = Additions { seed: options.seed, count }.check_in(NAME, &store)?;
    let baseline = ("a store of a thousandth", times.1);
    let report = Report::timed((NAME, "open"), times.0, baseline);
    Ok(Report { checked, ..report }.and("a relation with its tree", Unit::Bytes, bytes).and(
        "to write a relation with its tree",
        Unit::Ns,
        write_ns,
    ))
}

/// What adding numbers leaves behind: for each pair a canonical Tree and the
/// relation under it.
pub(super) struct Additions {
    pub(super) seed: u64,
    pub(super) count: u64,
}

impl Additions {
    pub(super) fn each(&self) -> impl Iterator<Item = (Handle, Tree, Relation)> {
        let mut random = Random::new(self.seed, NAME);
        let module = Handle::of_blob(crate::guests::ADD);
        (0..self.count).map(move |_| {
            let (a, b) = random.pair();
            let [a_blob, b_blob] = [a, b].map(Handle::of_u64);
            let tree = Tree::new([Handle::EMPTY, module, a_blob, b_blob]);
            let outcome = Outcome::Value(Handle::of_u64(a.wrapping_add(b)));
            let cost = Cost { run_ns: 1000, ..Cost::default() };
            (tree.handle(), tree, Relation::new(outcome, cost))
        })
    }

    fn write(&self, path: &Path) -> Result<(), BenchError> {
        const BATCH: usize = 10_000;
        let store = FileBackend::create(path)?;
        let (mut trees, mut relations) = (Vec::new(), Vec::new());
        let mut left = self.count;
        for (handle, tree, relation) in self.each() {
            trees.push((handle, Content::Tree(tree)));
            relations.push((handle, relation));
            left -= 1;
            if trees.len() == BATCH || left == 0 {
                store.put(&trees)?;
                store.put_relations(&relations)?;
                trees.clear();
                relations.clear();
            }
        }
        store.sync()?;
        Ok(())
    }

    /// Whether a part of them, of which none was looked at before, is there; how
    /// many that were.
    pub(super) fn check_in(
        &self,
        bench: &'static str,
        store: &dyn Backend,
    ) -> Result<usize, BenchError> {
        let mut checked = 0;
        for (handle, tree, relation) in
            self.each().step_by(if self.count > 10_000 { 997 } else { 1 })
        {
            let content = store.get(&handle)?;
            let outcome = store.relation(&handle)?.map(|found| found.outcome);
            if content.and_then(|content| content.tree().cloned()) != Some(tree)
                || outcome != Some(relation.outcome)
            {
                let detail = format!("#{handle} is another in the store, or is not there");
                return Err(BenchError::Wrong { bench, detail });
            }
            checked += 1;
        }
        Ok(checked)
    }
}
