//! What it costs a function that each of its stores marks a card, which is what lets
//! its instances be used again: the same module by an engine that marks in all of
//! them and by one that does in none, in one process, in turns.
//!
//! All of a run is in it, the making of an instance and the putting back too; each
//! run takes so long that neither counts. Of each the quickest run is taken: they all
//! do the same, so what others take longer is not theirs.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Instant;

use weft_engine::{Applied, Config, Engine, Interrupt, Objects, Outcome, Reuse, Run};
use weft_object::{Blob, Handle, Tree};

use crate::Result;
use crate::found::{Times, tell};
use crate::kernels;
use crate::promise::Amount;

const WORDCOUNT: &[u8] = include_bytes!("../../guests/bin/wordcount.wasm");
const BPTREE: &[u8] = include_bytes!("../../guests/bin/bptree.wasm");

const MEMORY_BYTES: u64 = 256 << 20;
const TEXT_BYTES: usize = 1 << 20;

/// Of the module that runs twice a round, fewer than those after which an engine
/// gives it up, if none of its instances come back.
const ROUNDS: usize = 30;

pub(crate) fn run() -> Result<bool> {
    let engine = |reuse| {
        // What is looked at to find a mistake is not what is measured.
        Engine::new(Config { reuse, compare_reused: false, ..Config::default() })
    };
    let (marking, plain) = (engine(Reuse::Always)?, engine(Reuse::Never)?);
    let cases = cases(&plain)?;
    for case in &cases {
        let (ours, theirs) = (case.apply(&marking), case.apply(&plain));
        case.same(&ours, &theirs)?;
    }
    // Each as it was, and once more with marks; where it cannot have them it would
    // run without and be no slower.
    let modules = cases.iter().map(|case| case.module).collect::<HashSet<_>>();
    let compiled = || (marking.stats().compiled, plain.stats().compiled);
    let expected = (2 * modules.len() as u64, modules.len() as u64);
    let expect = || match compiled() {
        found if found == expected => Ok(()),
        found => Err(format!("{found:?} modules were compiled, not {expected:?}")),
    };
    expect()?;
    let mut least = vec![[f64::INFINITY; 2]; cases.len()];
    for round in 0..ROUNDS {
        for (least, case) in least.iter_mut().zip(&cases) {
            // Whoever comes second finds the input in the processor's cache.
            let (first, second) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
            for which in [first, second] {
                let took = case.ms([&marking, &plain][which]);
                least[which] = least[which].min(took);
            }
        }
    }
    expect()?;
    let mut logarithms = 0.0;
    for ([marked, unmarked], case) in least.into_iter().zip(&cases) {
        let ratio = marked / unmarked;
        logarithms += ratio.ln();
        println!("barrier {:<16} {ratio:>9.2} ({marked:.1} by {unmarked:.1} ms)", case.name);
    }
    let mean = (logarithms / cases.len() as f64).exp();
    Ok(tell("barrier", "geometric mean", &mut Times::of(mean), Amount::Ratio))
}

/// A function and what it is applied to.
struct Case {
    name: &'static str,
    module: Handle,
    application: Tree,
    objects: Known,
}

struct Known(HashMap<Handle, Blob>);

impl Objects for Known {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        self.0.get(&handle).cloned()
    }

    fn tree(&self, _: Handle) -> Option<Tree> {
        None
    }
}

impl Case {
    fn new(name: &'static str, module: &[u8], arguments: &[&[u8]]) -> Self {
        let blobs = std::iter::once(&module).chain(arguments);
        let objects = blobs.map(|bytes| (Handle::of_blob(bytes), Blob::new(bytes.to_vec())));
        let arguments = arguments.iter().map(|bytes| Handle::of_blob(bytes));
        let module = Handle::of_blob(module);
        let entries = [Handle::of_u64(MEMORY_BYTES), module].into_iter().chain(arguments);
        let application = Tree::new(entries.collect::<Vec<_>>());
        Self { name, module, application, objects: Known(objects.collect()) }
    }

    fn apply(&self, engine: &Engine) -> Applied {
        engine.apply(Run {
            application: self.application.handle(),
            entries: &self.application,
            memory_limit_bytes: MEMORY_BYTES,
            fuel: None,
            objects: &self.objects,
            interrupt: &Interrupt::new(),
        })
    }

    fn ms(&self, engine: &Engine) -> f64 {
        let start = Instant::now();
        let applied = self.apply(engine);
        let took = start.elapsed().as_secs_f64() * 1e3;
        drop(applied);
        took
    }

    fn same(&self, ours: &Applied, theirs: &Applied) -> Result<()> {
        match (&ours.outcome, &theirs.outcome) {
            (Outcome::Value(one), Outcome::Value(other)) if one == other => Ok(()),
            other => Err(format!("{}: {other:?}", self.name).into()),
        }
    }
}

/// The Blob that a run has made.
fn made(case: &Case, engine: &Engine) -> Result<Blob> {
    let applied = case.apply(engine);
    let made = applied.made.first().and_then(|(_, content)| content.blob().cloned());
    made.ok_or_else(|| format!("{}: {:?}", case.name, applied.outcome).into())
}

fn cases(engine: &Engine) -> Result<Vec<Case>> {
    let text = text();
    let lines = lines();
    let number = |number: u64| number.to_le_bytes();
    let (begin, end) = (number(0), number(lines.len() as u64));
    let piece: [&[u8]; 6] = [b"piece", &number(64), &begin, &end, &number(1), lines.as_bytes()];
    let (sqlite, zstd, json) = (kernels::sqlite()?, kernels::zstd()?, kernels::json()?);
    let packing = Case::new("zstd", &zstd, &[&text]);
    let packed = made(&packing, engine)?;
    let length = number(text.len() as u64);
    let unpacking = Case::new("zstd, back", &zstd, &[packed.bytes(), &length]);
    if made(&unpacking, engine)?.bytes() != text {
        return Err("zstd does not give back what it was given".into());
    }
    let document = document();
    let json = Case::new("json", &json, &[document.as_bytes()]);
    if made(&json, engine)?.bytes() != document.as_bytes() {
        return Err("json does not write what it has read".into());
    }
    Ok(vec![
        Case::new("wordcount", WORDCOUNT, &[b"count", &text]),
        Case::new("bptree", BPTREE, &piece),
        Case::new("sqlite", &sqlite, &[]),
        packing,
        unpacking,
        json,
    ])
}

/// Numbers that look like chance and are the same each time.
fn numbers() -> impl Iterator<Item = u64> {
    let mut state = 7u64;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 33
    })
}

/// Words, those at the begin of the alphabet more often.
fn text() -> Vec<u8> {
    let mut text = Vec::with_capacity(TEXT_BYTES);
    let mut numbers = numbers();
    while text.len() < TEXT_BYTES {
        let mut word = numbers.by_ref().take(3).min().unwrap_or_default() % 20_000;
        while word > 0 {
            text.push(b'a' + (word % 26) as u8);
            word /= 26;
        }
        text.push(b' ');
    }
    text
}

/// Keys that are sorted, each with a value.
fn lines() -> String {
    let mut lines = String::new();
    for (key, value) in numbers().take(20_000).enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "key {key:08}\t{value}");
    }
    lines
}

/// As a parser would write it: without spaces, its keys in order.
fn document() -> String {
    let mut document = String::from("[");
    for (id, number) in numbers().take(3000).enumerate() {
        let separator = if id == 0 { "" } else { "," };
        let _ = write!(
            document,
            r#"{separator}{{"id":{id},"is":{},"list":[{},{},null],"name":"a \"name\" {number}","part":{}.5}}"#,
            number % 2 == 0,
            number % 7,
            number % 1000,
            number % 300,
        );
    }
    document.push(']');
    document
}
