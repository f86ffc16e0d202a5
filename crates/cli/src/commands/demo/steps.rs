//! The steps, each with what it took.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use weft_node::{Node, Stat};
use weft_object::{Blob, Handle};
use weft_store::{Content, Expect, FileBackend, Label, Mode, StoreError};

use super::change;
use crate::evaluate::{Answer, Options, ask, node};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::names::{built, parsed};
use crate::out::out;
use crate::place::{Place, cache};
use crate::progress::rate;
use crate::report;
use crate::terminal::Terminal;
use crate::units::{count, size, time};

static WORDCOUNT: &[u8] = include_bytes!("../../../../../guests/bin/wordcount.wasm");

const WALK: &str = "apply(@wordcount, \"walk\", ref(@tree))";
const TOP: &str =
    "apply(@wordcount, \"top\", strict(apply(@wordcount, \"walk\", ref(@tree))), 10u64)";
const LINE: &[u8] = b"\na line that weft demo added\n";

const PREFIX: &str = "demo-";

pub(super) fn run(directory: &Path, terminal: Terminal) -> Result<(), Exit> {
    let interrupt = Interrupt::listen(terminal)
        .map_err(|error| Exit::other(format!("cannot listen for Ctrl-C: {error}")))?;
    let home = Home::new()?;
    let demo = Demo { home: home.directory.path(), terminal, interrupt };
    let result = demo.steps(directory);
    let removed = home.close();
    result.and(removed)
}

/// A new directory for this demo. It is locked while the demo lives, however
/// that ends, so that another knows what is in use and what was left behind.
struct Home {
    directory: tempfile::TempDir,
    parent: PathBuf,
    // The lock is on the directory itself.
    _lock: Option<File>,
}

impl Home {
    /// What demos left that were killed is removed.
    fn new() -> Result<Self, Exit> {
        let parent = cache().unwrap_or_else(|| std::env::temp_dir().join("weft"));
        let failed = |error| {
            Exit::other(format!("cannot make a directory in {}: {error}", parent.display()))
        };
        std::fs::create_dir_all(&parent).map_err(failed)?;
        let parent_lock = exclusive(&parent);
        // Where nothing can be locked, nothing is known to be left behind.
        if parent_lock.is_some() {
            remove_abandoned(&parent).map_err(failed)?;
        }
        let directory =
            tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent).map_err(failed)?;
        // Before anybody else can look: they need the lock on the parent.
        let lock = File::open(directory.path()).ok().filter(|file| file.try_lock().is_ok());
        Ok(Self { directory, parent, _lock: lock })
    }

    fn close(self) -> Result<(), Exit> {
        let _parent_lock = exclusive(&self.parent);
        // Dropping it would say nothing if it could not be removed.
        let path = self.directory.path().to_owned();
        let removed = self.directory.close();
        removed.map_err(|error| Exit::other(format!("cannot remove {}: {error}", path.display())))
    }
}

/// Waits until no other demo begins or ends. The lock goes with the file.
fn exclusive(parent: &Path) -> Option<File> {
    File::open(parent).ok().filter(|file| file.lock().is_ok())
}

fn remove_abandoned(parent: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)?.flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let lock = File::open(entry.path()).ok().filter(|_| named);
        if lock.is_some_and(|file| file.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

struct Demo<'a> {
    home: &'a Path,
    terminal: Terminal,
    interrupt: Interrupt,
}

impl Demo<'_> {
    fn steps(&self, directory: &Path) -> Result<(), Exit> {
        if !directory.is_dir() {
            let text = format!("{} is no directory; name one", directory.display());
            return Err(Exit::other(text));
        }
        drop(FileBackend::create(self.home)?);
        let place = self.place()?;
        let (tree, bytes) = self.add(&place, directory)?;
        self.go_on()?;
        let node = self.node(&place)?;
        let first = self.count(&place, &node, bytes)?;
        self.keep(&node)?;
        drop((node, place));

        out(|out| writeln!(out, "3. again, by a new node that has nothing but the store"))?;
        let place = self.place()?;
        let node = self.node(&place)?;
        let second = self.evaluate(&place, &node, TOP)?;
        if second.text != first.top.text {
            return Err(Exit::other("the second answer is not the first; please report this"));
        }
        out(|out| writeln!(out, "   the same answer: {}\n", second.ran()))?;
        self.change(&place, &node, tree, &first)
    }

    fn add(&self, place: &Place, directory: &Path) -> Result<(Handle, u64), Exit> {
        out(|out| writeln!(out, "1. add {}", directory.display()))?;
        let start = Instant::now();
        let (tree, added) = place.add(directory)?;
        let took = time(start.elapsed());
        out(|out| {
            writeln!(out, "   {} files, {} in {took}", count(added.files), size(added.bytes))?;
            writeln!(out, "   #{tree}\n")
        })?;
        let module = Blob::new(WORDCOUNT);
        let wordcount = module.handle();
        place.backend.put(&[(wordcount, Content::Blob(module))])?;
        label(place, "wordcount", wordcount)?;
        label(place, "tree", tree)?;
        Ok((tree, added.bytes))
    }

    fn count(&self, place: &Place, node: &Node, bytes: u64) -> Result<Counted, Exit> {
        out(|out| writeln!(out, "2. count its words\n   {TOP}"))?;
        let counted = self.ask(place, node)?;
        let Counted { top, totals } = &counted;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        out(|out| {
            for line in String::from_utf8_lossy(&top.text).lines() {
                let (number, word) = line.split_once(' ').unwrap_or(("", line));
                writeln!(out, "   {:>12} {word}", count(number.parse().unwrap_or(0)))?;
            }
            let Totals { words, distinct } = totals;
            writeln!(out, "   {} words, {} distinct", count(*words), count(*distinct))?;
            let rate = rate(bytes, top.wall);
            writeln!(out, "   {}", top.ran())?;
            writeln!(out, "   {}; {rate} of files, on {cores} cores", top.run_time())
        })?;
        Ok(counted)
    }

    fn change(
        &self,
        place: &Place,
        node: &Node,
        tree: Handle,
        first: &Counted,
    ) -> Result<(), Exit> {
        out(|out| writeln!(out, "4. after one file has changed"))?;
        let Some(changed) = change::one_file(&*place.backend, tree, LINE)? else {
            return out(|out| writeln!(out, "   there is no file to change"));
        };
        label(place, "tree", changed.directory)?;
        let third = self.ask(place, node)?;
        let more = third.totals.words.saturating_sub(first.totals.words);
        out(|out| {
            writeln!(out, "   {}, in the Tree and not on disk", changed.path)?;
            writeln!(out, "   {} new objects, all others are shared", changed.objects)?;
            writeln!(out, "   {} words, {more} more", count(third.totals.words))?;
            let [ran, of] = [&third, first].map(|counted| count(counted.top.stat.applied));
            writeln!(out, "   {}: {ran} of the {of} above", third.top.ran())?;
            writeln!(out, "   {}", third.top.run_time())
        })
    }

    fn place(&self) -> Result<Place, Exit> {
        Place::open_at(self.home, Mode::Write, self.terminal)
    }

    fn node(&self, place: &Place) -> Result<Node, Exit> {
        let artifacts = Some(self.home.join("artifacts"));
        node(place.backend.clone(), &Options::default(), artifacts)
    }

    fn go_on(&self) -> Result<(), Exit> {
        match self.interrupt.signal() {
            Some(signal) => Err(Exit::signal(signal, "interrupted")),
            None => Ok(()),
        }
    }

    fn evaluate(&self, place: &Place, node: &Node, source: &str) -> Result<Done, Exit> {
        let request = built(place, source, &parsed(source)?)?;
        let answer = ask(node, request, None, &self.interrupt, self.terminal);
        self.go_on()?;
        let value = report::value(&answer)?;
        let content = answer.session.content(value)?;
        let missing = || StoreError::Missing(value.content());
        let blob = content.as_ref().and_then(|content| content.blob()).ok_or_else(missing)?;
        let text = blob.bytes().to_vec();
        let Answer { stat, wall, .. } = answer;
        Ok(Done { stat, wall, text })
    }

    /// The most frequent words, and how many there are: the table is known when
    /// they are.
    fn ask(&self, place: &Place, node: &Node) -> Result<Counted, Exit> {
        let top = self.evaluate(place, node, TOP)?;
        let table = self.evaluate(place, node, WALK)?.text;
        let totals = totals(&table);
        let totals = totals.ok_or_else(|| Exit::other("the table of words cannot be read"))?;
        Ok(Counted { top, totals })
    }

    fn keep(&self, node: &Node) -> Result<(), Exit> {
        let start = Instant::now();
        let kept = node.keep(&[])?;
        out(|out| {
            writeln!(
                out,
                "   {} relations and {} objects ({}) kept in {}\n",
                count(kept.relations),
                count(kept.objects),
                size(kept.bytes),
                time(start.elapsed())
            )
        })
    }
}

struct Done {
    stat: Stat,
    wall: Duration,
    text: Vec<u8>,
}

impl Done {
    /// What was done for it, and how long that took.
    fn ran(&self) -> String {
        let stat = &self.stat;
        let ran = match stat.applied {
            0 => "nothing ran".into(),
            applied => format!("{} applications ran", count(applied)),
        };
        format!("{ran}, {} loaded, {} in all", size(stat.loaded_bytes), time(self.wall))
    }

    /// How long that would have taken on one thread.
    fn run_time(&self) -> String {
        let run = Duration::from_nanos(self.stat.run_ns);
        format!("run time {} added up over threads", time(run))
    }
}

fn label(place: &Place, name: &str, handle: Handle) -> Result<(), Exit> {
    let label = Label::new(name).map_err(|error| Exit::other(error.to_string()))?;
    Ok(place.backend.set_label(&label, Expect::Any, Some(handle))?)
}

/// What the job came to.
struct Counted {
    top: Done,
    totals: Totals,
}

struct Totals {
    words: u64,
    distinct: u64,
}

/// Reads a table of words: of each its length and its count in LEB128, then its
/// bytes. See `guests/rust/wordcount/core.rs`.
fn totals(mut table: &[u8]) -> Option<Totals> {
    fn number(table: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = table.split_first()?;
            *table = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
    let mut totals = Totals { words: 0, distinct: 0 };
    while !table.is_empty() {
        let length = usize::try_from(number(&mut table)?).ok()?;
        totals.words += number(&mut table)?;
        totals.distinct += 1;
        table = table.get(length..)?;
    }
    Some(totals)
}
