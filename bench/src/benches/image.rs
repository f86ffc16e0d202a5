//! Programs that go on from an image.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use weft_engine::{Applied, Config, Engine, Interrupt, NoAnswerKind, Objects, Outcome, Run};
use weft_object::{Blob, Content, Handle, Tree};

use crate::guests::{self, IMAGE, IMAGE_BYTES};
use crate::measure::{Calls, Timing, compare, ns};
use crate::report::{Baseline, Compared, Report};
use crate::{BenchError, Options, child, memory};

const RESTORE: &str = "image_32m";
const MANY: &str = "image_1000";
const FIRST: &str = "image_first";

/// Going on from an image of 32 MiB with a function that writes to three pages of
/// it; beside it stock wasmtime, for which the same bytes are data of the module.
pub(crate) fn restore(options: &Options) -> Result<Report, BenchError> {
    let place = Place::new(Config::default(), None)?;
    let image = place.image()?;
    let stock = Stock::new()?;
    let calls = Calls::of(options.size);
    let calls = Calls { batches: calls.batches / 3 + 1, ..calls };
    let (ours, theirs) = compare(
        calls,
        |call| match place.apply(&image.run("touch", call as u64)) {
            Outcome::Value(_) => Ok(()),
            other => Err(wrong(RESTORE, format!("{other:?}"))),
        },
        |_| match stock.touch()? {
            found if found == guests::image_word(0x10_0008) => Ok(()),
            found => Err(wrong(RESTORE, format!("stock found {found}"))),
        },
    )?;
    let checked = place.check(&image)?;
    let baseline = ("stock, a fresh instance with the same data", theirs);
    Ok(Report { checked, ..Report::timed((RESTORE, "restore"), ours, baseline) })
}

/// The first run from an image of 32 MiB, which touches three pages of it; beside it
/// the second, which waits until all of them are there.
pub(crate) fn first(options: &Options) -> Result<Report, BenchError> {
    let place = Place::new(Config::default(), None)?;
    let image = place.image()?;
    let (mut firsts, mut seconds) = (Vec::new(), Vec::new());
    // Of images that differ in a page: of each there is one first run.
    for number in 0..options.size.pick(3, 25) {
        let image = place.other(&image, number)?;
        for times in [&mut firsts, &mut seconds] {
            let start = Instant::now();
            let outcome = place.apply(&image.run("touch", number));
            times.push(ns(start.elapsed()));
            if !matches!(outcome, Outcome::Value(_)) {
                return Err(wrong(FIRST, format!("{outcome:?}")));
            }
        }
        place.check(&image)?;
    }
    let checked = firsts.len();
    let baseline = ("the second, which brings in all pages", Timing::of(seconds));
    Ok(Report { checked, ..Report::timed((FIRST, "run"), Timing::of(firsts), baseline) })
}

/// A thousand programs that go on from one image at the same time and wait, each
/// after it has written to three pages: what they take together, and how fast
/// they come to be. Beside them one that has all of its memory for itself.
pub(crate) fn many(options: &Options) -> Result<Report, BenchError> {
    let count = options.size.pick(8, 1000);
    let found = child::ask(options, "images", count)?;
    let number = |name: &str| found.get(name).and_then(Value::as_f64);
    Ok(Report {
        name: MANY,
        per: "restore",
        p50_ns: number("ns").map(|ns| ns / count as f64),
        per_second: number("ns").map(|ns| 1e9 * count as f64 / ns),
        memory_bytes: number("bytes").map(|bytes| bytes as u64),
        baseline: Some(Baseline {
            name: "memory of as many without sharing",
            value: Compared::MemoryBytes(IMAGE_BYTES * count),
        }),
        checked: number("checked").unwrap_or(0.0) as usize,
        ..Report::default()
    })
}

/// The child's part of that.
pub(crate) fn part(options: &Options, count: u64) -> Result<Value, BenchError> {
    let _ = options;
    let instances = u32::try_from(count).unwrap_or(u32::MAX).saturating_add(8);
    let room = Arc::new(Room::default());
    let place = Place::new(Config { instances, ..Config::default() }, Some(room.clone()))?;
    let image = place.image()?;
    // What all have in common is there before: the first run waits for no more than
    // it touches.
    for number in 0..2 {
        if !matches!(place.apply(&image.run("touch", number)), Outcome::Value(_)) {
            return Err(wrong(MANY, "it does not touch".to_owned()));
        }
    }
    let before = memory::resident_bytes().unwrap_or(0);
    let start = Instant::now();
    let stack = weft_engine::THREAD_STACK_MIN_BYTES;
    let (took, bytes, checked) = std::thread::scope(|scope| {
        for at in 0..count {
            let (place, image) = (&place, &image);
            let held = move || {
                matches!(
                    place.apply(&image.run("hold", at)),
                    Outcome::NoAnswer { kind: NoAnswerKind::Missing, .. }
                )
            };
            let thread = std::thread::Builder::new().stack_size(stack).spawn_scoped(scope, held);
            thread.map_err(BenchError::Program)?;
        }
        let waiting = room.wait_for(count);
        let (took, bytes) = (start.elapsed(), memory::resident_bytes().unwrap_or(0));
        room.leave();
        Ok::<_, BenchError>((took, bytes, waiting))
    })?;
    if checked != count {
        return Err(wrong(MANY, format!("{checked} of {count} came so far")));
    }
    Ok(json!({ "ns": ns(took), "bytes": bytes.saturating_sub(before), "checked": checked }))
}

fn wrong(bench: &'static str, detail: String) -> BenchError {
    BenchError::Wrong { bench, detail }
}

/// Where programs wait that open a file.
#[derive(Default)]
struct Room {
    state: Mutex<(u64, bool)>,
    changed: Condvar,
}

impl Room {
    fn enter(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        self.changed.notify_all();
        while !state.1 {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// How many came, once it is so many or nobody came for long.
    fn wait_for(&self, count: u64) -> u64 {
        const LONG: Duration = Duration::from_secs(60);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, LONG, |state| state.0 < count);
        waited.unwrap_or_else(PoisonError::into_inner).0.0
    }

    fn leave(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        self.changed.notify_all();
    }
}

/// An engine with content.
struct Place {
    engine: Engine,
    content: Mutex<HashMap<Handle, Content>>,
    room: Option<Arc<Room>>,
    interrupt: Interrupt,
}

impl Objects for Place {
    fn blob(&self, handle: Handle) -> Option<Blob> {
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        content.get(&handle)?.blob().cloned()
    }

    fn tree(&self, handle: Handle) -> Option<Tree> {
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        content.get(&handle)?.tree().cloned()
    }

    fn fetch(&self, object: Handle, _: &Interrupt) -> Result<Content, String> {
        let found = {
            let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
            content.get(&object).cloned()
        };
        if found.is_none()
            && let Some(room) = &self.room
        {
            room.enter();
        }
        found.ok_or_else(|| format!("#{object} is not resident"))
    }
}

impl Place {
    fn new(config: Config, room: Option<Arc<Room>>) -> Result<Self, BenchError> {
        let engine = Engine::new(config).map_err(|error| wrong(RESTORE, error.to_string()))?;
        let (content, interrupt) = (Mutex::default(), Interrupt::new());
        Ok(Self { engine, content, room, interrupt })
    }

    fn put(&self, content: Content) -> Handle {
        let handle = match &content {
            Content::Blob(blob) => blob.handle(),
            Content::Tree(tree) | Content::Tag(tree) => tree.handle(),
        };
        let mut all = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(handle, content);
        handle
    }

    fn applied(&self, entries: &Tree) -> Applied {
        self.engine.apply(Run {
            application: entries.handle(),
            entries,
            memory_limit_bytes: 2 * IMAGE_BYTES,
            fuel: None,
            objects: self,
            interrupt: &self.interrupt,
        })
    }

    fn apply(&self, entries: &Tree) -> Outcome {
        self.applied(entries).outcome
    }

    fn image(&self) -> Result<Image, BenchError> {
        let program = self.put(Content::Blob(Blob::new(IMAGE.to_vec())));
        let calls = self.put(Content::Tree(Tree::new(vec![Handle::of_blob(b"init")])));
        let limits = Handle::of_u64(2 * IMAGE_BYTES);
        let entries = vec![limits, Handle::of_blob(b"snapshot/1"), calls, program];
        let applied = self.applied(&Tree::new(entries));
        for (_, content) in applied.made {
            self.put(content);
        }
        match applied.outcome {
            Outcome::Value(image) => Ok(Image(image)),
            other => Err(wrong(RESTORE, format!("{other:?}"))),
        }
    }

    /// An image that differs from another in one page.
    fn other(&self, image: &Image, number: u64) -> Result<Image, BenchError> {
        let mut page = vec![0; 4096];
        page[..8].copy_from_slice(&number.to_le_bytes());
        let page = self.put(Content::Blob(Blob::new(page)));
        self.with(image.0, &[9, 0, 1, 0], page).map(Image)
    }

    /// A Tree with something else at the end of a path of places.
    fn with(&self, tree: Handle, path: &[usize], other: Handle) -> Result<Handle, BenchError> {
        let Some((place, rest)) = path.split_first() else { return Ok(other) };
        let gone = || wrong(FIRST, format!("#{tree} has no entry {place}"));
        let mut entries = self.tree(tree).ok_or_else(gone)?.entries().to_vec();
        let entry = entries.get_mut(*place).ok_or_else(gone)?;
        *entry = self.with(*entry, rest, other)?;
        Ok(self.put(Content::Tree(Tree::new(entries))))
    }

    /// That one that goes on finds what was there, and what another wrote is gone.
    fn check(&self, image: &Image) -> Result<usize, BenchError> {
        for call in 0..2 {
            let applied = self.applied(&image.run("touch", call));
            let value = applied.made.iter().find_map(|(_, content)| content.tree());
            let code = value.and_then(|tree| tree.entries().first()?.literal_u64());
            if code != Some(u64::from(guests::image_word(0x10_0008))) {
                return Err(wrong(RESTORE, format!("touch returned {code:?}")));
            }
        }
        Ok(2)
    }
}

struct Image(Handle);

impl Image {
    /// An application that nobody has seen: of a function, with a directory that
    /// is nowhere.
    fn run(&self, function: &str, number: u64) -> Tree {
        let nothing = Handle::EMPTY;
        let nowhere = Handle::of_tree(&[Handle::of_u64(number)]);
        Tree::new(vec![
            Handle::of_u64(2 * IMAGE_BYTES),
            Handle::of_blob(b"image/1"),
            self.0.lower().unwrap_or(self.0),
            Handle::of_blob(function.as_bytes()),
            nothing,
            nothing,
            nothing,
            nothing,
            nothing,
            Handle::of_blob(b"/"),
            nowhere.lower().unwrap_or(nowhere),
        ])
    }
}

/// The same program on plain wasmtime, with what `init` writes as its data.
struct Stock {
    engine: wasmtime::Engine,
    pre: wasmtime::InstancePre<()>,
}

impl Stock {
    fn new() -> Result<Self, BenchError> {
        let mut config = wasmtime::Config::new();
        config.allocation_strategy(wasmtime::InstanceAllocationStrategy::pooling());
        let engine = wasmtime::Engine::new(&config)?;
        let module = wasmtime::Module::new(&engine, guests::image_with_data())?;
        let mut linker = wasmtime::Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&module)?;
        let pre = linker.instantiate_pre(&module)?;
        Ok(Self { engine, pre })
    }

    fn touch(&self) -> Result<u32, BenchError> {
        let mut store = wasmtime::Store::new(&self.engine, ());
        let instance = self.pre.instantiate(&mut store)?;
        let touch = instance.get_typed_func::<(), i32>(&mut store, "touch")?;
        Ok(touch.call(&mut store, ())?.cast_unsigned())
    }
}
