//! Functions that this process has not run before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};
use weft_node::{Config, Node, Session};
use weft_object::Handle;

use super::add::wrong_stock;
use super::{WORKERS, value};
use crate::expect::{Before, Expect};
use crate::measure::{Timing, take_turns};
use crate::random::Random;
use crate::report::{Baseline, Compared, Report};
use crate::scratch::{Scratch, file};
use crate::stock::Platform;
use crate::{BenchError, Options, child, guests, native};

const COMPILE: &str = "cold_compile";
const CACHED: &str = "cold_cached";

/// A module of a kilobyte that nobody has seen, put and applied: it is checked,
/// compiled, written to the directory of artifacts, and run.
pub(crate) fn compile(options: &Options) -> Result<Report, BenchError> {
    let scratch = Scratch::new(options)?;
    let many = Many::new(options, COMPILE, options.size.pick(3, 200));
    let (node, session) = node(&scratch.join(ARTIFACTS))?;
    let platform = Platform::new()?;
    let before = Before::of(&node);
    let mut answers = Vec::new();
    let [ours, theirs] = take_turns(
        many.modules.len(),
        1,
        [
            &mut |run| {
                let module = session.put_blob(many.modules[run].clone());
                answers.push(many.apply(COMPILE, &session, module, run)?);
                Ok(())
            },
            &mut |run| match platform.compile(&many.modules[run])?.of_two(many.pairs[run])? {
                Some(number) if number == many.expected(run) => Ok(()),
                _ => Err(wrong_stock(COMPILE)),
            },
        ],
    )?;
    let checked = many.check(COMPILE, (&node, &session), &before, &answers)?;
    let baseline = ("stock, compiled and a fresh instance", theirs);
    Ok(Report { checked, ..Report::timed((COMPILE, "module"), ours, baseline) })
}

/// The same of modules that another process has compiled: all that is left of it
/// are their artifacts.
pub(crate) fn cached(options: &Options) -> Result<Report, BenchError> {
    let count = options.size.pick(3, 300);
    let scratch = Scratch::new(options)?;
    let many = Many::new(options, CACHED, count);
    let (node, session) = node(&scratch.join(ARTIFACTS))?;
    let platform = Platform::new()?;
    for (run, module) in many.modules.iter().enumerate() {
        let path = scratch.join(&stock_file(run));
        fs::write(&path, platform.serialize(module)?).map_err(file(&path))?;
        let module = session.put_blob(module.clone());
        many.apply(CACHED, &session, module, run)?;
    }
    drop((session, node));
    let options = Options { scratch: scratch.path().to_owned(), ..options.clone() };
    let found = child::ask(&options, "cold", count as u64)?;
    let number = |name: &str| found.get(name).and_then(Value::as_f64);
    Ok(Report {
        name: CACHED,
        per: "module",
        p50_ns: number("p50_ns"),
        p99_ns: number("p99_ns"),
        per_second: number("p50_ns").map(|ns| 1e9 / ns),
        baseline: number("stock_ns").map(|ns| Baseline {
            name: "stock, mapped and a fresh instance",
            value: Compared::P50Ns(ns),
        }),
        checked: found.get("checked").and_then(Value::as_u64).unwrap_or(0) as usize,
        ..Report::default()
    })
}

/// The child's part of [`cached`], in the directory that the parent has filled.
/// What is measured begins where the bytes of the module are resident.
pub(crate) fn part(options: &Options, count: u64) -> Result<Value, BenchError> {
    let artifacts = options.scratch.join(ARTIFACTS);
    let many = Many::new(options, CACHED, count as usize);
    let (node, session) = node(&artifacts)?;
    let platform = Platform::new()?;
    let modules: Vec<_> =
        many.modules.iter().map(|module| session.put_blob(module.clone())).collect();
    let before = Before::of(&node);
    let written = written(&artifacts)?;
    let mut answers = Vec::new();
    let [ours, theirs]: [Timing; 2] = take_turns(
        many.modules.len(),
        1,
        [
            &mut |run| {
                answers.push(many.apply(CACHED, &session, modules[run], run)?);
                Ok(())
            },
            &mut |run| {
                let stock = platform.load(&options.scratch.join(stock_file(run)))?;
                match stock.of_two(many.pairs[run])? {
                    Some(number) if number == many.expected(run) => Ok(()),
                    _ => Err(wrong_stock(CACHED)),
                }
            },
        ],
    )?;
    // Whoever compiles writes what comes of it.
    if written.is_empty() || self::written(&artifacts)? != written {
        let detail = "modules were compiled, and not loaded".to_owned();
        return Err(BenchError::Wrong { bench: CACHED, detail });
    }
    let checked = many.check(CACHED, (&node, &session), &before, &answers)?;
    Ok(json!({
        "p50_ns": ours.p50_ns,
        "p99_ns": ours.p99_ns,
        "stock_ns": theirs.p50_ns,
        "checked": checked,
    }))
}

const ARTIFACTS: &str = "artifacts";

fn stock_file(run: usize) -> String {
    format!("stock-{run}")
}

/// When each file was written.
fn written(directory: &Path) -> Result<BTreeMap<PathBuf, SystemTime>, BenchError> {
    let look = || {
        let mut times = BTreeMap::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            times.insert(entry.path(), entry.metadata()?.modified()?);
        }
        Ok(times)
    };
    look().map_err(file(directory))
}

/// Two workers, and a directory for what is compiled.
fn node(artifacts: &Path) -> Result<(Node, Session), BenchError> {
    let artifacts = Some(artifacts.to_owned());
    let node = Node::start(Config { workers: WORKERS, artifacts, ..Config::default() })?;
    let session = node.session();
    Ok((node, session))
}

/// Modules that differ in a number, and what each is applied to.
struct Many {
    numbers: Vec<u64>,
    modules: Vec<Vec<u8>>,
    pairs: Vec<(u64, u64)>,
}

impl Many {
    fn new(options: &Options, name: &str, count: usize) -> Self {
        let mut random = Random::new(options.seed, name);
        let numbers: Vec<u64> = (0..count).map(|_| random.next()).collect();
        let modules = numbers.iter().map(|number| guests::cold(*number)).collect();
        Self { numbers, modules, pairs: (0..count).map(|_| random.pair()).collect() }
    }

    fn apply(
        &self,
        bench: &'static str,
        session: &Session,
        module: Handle,
        run: usize,
    ) -> Result<Handle, BenchError> {
        let mut put = |entries: &[_]| session.put_tree(entries);
        value(bench, session, guests::of_two(&mut put, module, self.pairs[run]))
    }

    fn expected(&self, run: usize) -> u64 {
        let (a, b) = self.pairs[run];
        native::cold(self.numbers[run], a, b)
    }

    fn check(
        &self,
        bench: &'static str,
        node: (&Node, &Session),
        before: &Before,
        answers: &[Handle],
    ) -> Result<usize, BenchError> {
        let mut expect = Expect::default();
        let mut requests = Vec::new();
        for (number, pair) in self.numbers.iter().zip(&self.pairs) {
            let module = expect.cold(*number);
            requests.push(guests::of_two(&mut |entries| expect.put(entries), module, *pair));
        }
        expect.check(bench, node, before, &requests, answers)
    }
}
