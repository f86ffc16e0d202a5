//! A job of seconds on data in memory: how much the sandbox, the naming of
//! results and the splitting cost beside the same code compiled natively.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{WORKERS, node, value};
use crate::expect::{Before, Expect};
use crate::guests::{self, WORDCOUNT, WORDS};
use crate::measure::{Timing, compare_runs};
use crate::random::Random;
use crate::report::{Report, Unit};
use crate::{BenchError, Options, native};

/// The most frequent words of resident texts; the time is of a mebibyte.
pub(crate) fn wordcount(options: &Options) -> Result<Report, BenchError> {
    const TEXT_BYTES: usize = 1 << 20;
    let (count, bytes) = options.size.pick((8, TEXT_BYTES / 32), (128, TEXT_BYTES));
    let runs = options.size.pick(2, 7);
    Texts::new(options, "wordcount", count * bytes, count).count(runs)
}

/// The same of a gibibyte in a hundred texts, and what adding these to a node
/// takes by what naming them takes.
pub(crate) fn wordcount_1gib(options: &Options) -> Result<Report, BenchError> {
    let (bytes, runs) = options.size.pick((1 << 18, 2), (1 << 30, 3));
    let texts = Texts::new(options, "wordcount_1gib", bytes, 100);
    let (added, hashed) = texts.add(runs)?;
    Ok(texts
        .count(runs)?
        .and("added by hashed", Unit::Ratio, added.p50_ns / hashed.p50_ns)
        .and("to add a MiB", Unit::Ns, added.p50_ns)
        .and("to hash a MiB", Unit::Ns, hashed.p50_ns))
}

/// Texts to count the words of.
struct Texts {
    name: &'static str,
    texts: Vec<Arc<[u8]>>,
    mebibytes: usize,
}

impl Texts {
    /// So many, of that many bytes together.
    fn new(options: &Options, name: &'static str, bytes: usize, count: usize) -> Self {
        let mut random = Random::new(options.seed, name);
        let vocabulary = Vocabulary::new(&mut random, options.size.pick(1 << 10, 1 << 16));
        // The first ones have a byte more if it does not come out even.
        let length = |at: usize| bytes / count + usize::from(at < bytes % count);
        let texts = (0..count).map(|at| vocabulary.text(&mut random, length(at)).into()).collect();
        Self { name, texts, mebibytes: bytes.div_ceil(1 << 20) }
    }

    /// Adds them to a node that has none of them, by as many threads as name
    /// them beside that.
    fn add(&self, runs: usize) -> Result<(Timing, Timing), BenchError> {
        let mut nodes = (0..runs).map(|_| node()).collect::<Result<Vec<_>, _>>()?;
        compare_runs(
            runs,
            self.mebibytes,
            |_| {
                let Some((_node, session)) = nodes.pop() else { return Ok(()) };
                let wrong = AtomicUsize::new(0);
                native::share(self.texts.len(), WORKERS, |at| {
                    let text = &self.texts[at];
                    if session.put_blob(text.clone()).length() != Some(text.len() as u64) {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                });
                match wrong.into_inner() {
                    0 => Ok(()),
                    _ => Err(BenchError::Wrong { bench: self.name, detail: "lengths".into() }),
                }
            },
            |_| {
                native::share(self.texts.len(), WORKERS, |at| {
                    black_box(blake3::hash(&self.texts[at]));
                });
                Ok(())
            },
        )
    }

    fn count(&self, runs: usize) -> Result<Report, BenchError> {
        const MEMORY_LIMIT_BYTES: u64 = 256 << 20;
        const PAGE_BYTES: u64 = 64 << 10;
        let (name, texts) = (self.name, &self.texts);
        let (node, session) = node()?;
        let module = session.put_blob(WORDCOUNT);
        let named: Vec<_> = texts.iter().map(|text| session.put_blob(text.clone())).collect();
        let before = Before::of(&node);
        // Compiling the module is not what is compared.
        let mut put = |entries: &[_]| session.put_tree(entries);
        let limit = |run: usize| MEMORY_LIMIT_BYTES - PAGE_BYTES * (run as u64 + 1);
        let mut answers =
            vec![value(name, &session, guests::wordcount(&mut put, module, &named, limit(0)))?];
        let (ours, theirs) = compare_runs(
            runs,
            self.mebibytes,
            |run| {
                let request = guests::wordcount(&mut put, module, &named, limit(run + 1));
                answers.push(value(name, &session, request)?);
                Ok(())
            },
            |_| match native::wordcount(texts, WORKERS, WORDS) {
                Some(_) => Ok(()),
                None => Err(BenchError::Wrong { bench: name, detail: "no table of words".into() }),
            },
        )?;
        let mut expect = Expect::default();
        for text in texts {
            expect.text(text.clone());
        }
        let requests: Vec<_> = (0..=runs)
            .map(|run| guests::wordcount(&mut |tree| expect.put(tree), module, &named, limit(run)))
            .collect();
        let checked = expect.check(name, (&node, &session), &before, &requests, &answers)?;
        let baseline = ("same source, native, two threads", theirs);
        Ok(Report { checked, ..Report::timed((name, "MiB"), ours, baseline) })
    }
}

/// Made-up words, the earlier the more frequent, roughly as in a language.
struct Vocabulary(Vec<Vec<u8>>);

impl Vocabulary {
    fn new(random: &mut Random, words: usize) -> Self {
        let mut word = |at: usize| {
            // Frequent words are short.
            let syllables = 1 + u64::from((at + 2).ilog2()) / 6 + random.below(2);
            let mut word = Vec::new();
            for _ in 0..syllables {
                word.push(b"bcdfghklmnprstvw"[random.below(16) as usize]);
                word.push(b"aeiou"[random.below(5) as usize]);
                if random.below(3) == 0 {
                    word.push(b"lnrst"[random.below(5) as usize]);
                }
            }
            word
        };
        Self((0..words).map(&mut word).collect())
    }

    fn text(&self, random: &mut Random, bytes: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(bytes + 64);
        while text.len() < bytes {
            // Each power of two of ranks is as frequent as the next, as by
            // Zipf's law.
            let power = random.below(u64::from(self.0.len().ilog2()));
            let rank = (1 << power) + random.below(1 << power);
            let word = &self.0[(rank - 1) as usize];
            let start = text.len();
            text.extend_from_slice(word);
            match random.below(64) {
                0..4 => text.extend_from_slice(b", "),
                4..8 => {
                    text[start].make_ascii_uppercase();
                    text.extend_from_slice(b".\n");
                }
                8 => text.extend_from_slice(b" 1984 "),
                _ => text.push(b' '),
            }
        }
        text.truncate(bytes);
        text
    }
}
