//! Modules made ready to run, kept by handle; each is compiled once however
//! many threads want it.
//!
//! The compiler cannot be interrupted, so it works on a thread that nobody has
//! to wait for: who waits leaves when interrupted, and the engine goes away
//! without it. What it made is kept all the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use weft_object::{Blob, Handle};

use crate::artifact::{Artifacts, Turn};
use crate::check::Shape;
use crate::code::{ALONE_BYTES, Code, compiled, kept};
use crate::compiling::Counts;
use crate::digest::ByDigest;
use crate::outcome::{Applied, Failure, FailureKind, NoAnswerKind, Outcome, Stop};
use crate::recycle::Tally;
use crate::rewrite::{For, Places, rewrite};
use crate::way::Way;
use crate::ways::Ways;
use crate::{Engine, Interrupt, Objects, Run};

/// What a module imports and exports, and what its runs have of the host.
pub(crate) trait Abi: Sized + 'static {
    /// Names these among all sorts of modules.
    const SORT: &'static str;

    /// What is put into its modules, where that is not what the way to run has.
    const WHAT: Option<For> = None;

    /// What beside its bytes says how a module is linked and entered.
    type Entry: Clone + Send + Sync + 'static;

    /// A module, compiled.
    type Code: Code;

    /// The same, linked for one way to run.
    type Linked: Send + Sync + 'static;

    /// Whether a module is one of these.
    fn check(module: &[u8], entry: &Self::Entry) -> Result<Shape, Failure>;

    /// What is to be done with a module that is not even looked at as one of these.
    fn of_another_sort(_module: &[u8]) -> Option<Refusal> {
        None
    }

    /// What a checked module is compiled as, and where its instructions were;
    /// `None` if that is as it is.
    fn lower(_module: &[u8], _name: &Handle) -> wasmtime::Result<Option<(Vec<u8>, Places)>> {
        Ok(None)
    }

    /// Links a module that was checked.
    fn link(code: &Self::Code, target: &Target<Self>, way: &Way) -> wasmtime::Result<Self::Linked>;

    /// How an engine runs them.
    fn ways(engine: &Engine) -> &Ways {
        &engine.module_ways
    }

    /// Where an engine keeps them.
    fn caches(engine: &Engine) -> &Caches<Self>;

    /// A module that is no part of the footprint.
    fn module(run: &Run<'_>, name: &Handle) -> Option<Result<Blob, Refusal>> {
        let _ = (run, name);
        None
    }

    /// Runs one in a fresh instance.
    fn perform(
        run: &Run<'_>,
        prepared: &Prepared<Self>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull>;

    /// Runs one as whoever has seen its runs so far finds best, if that is not in
    /// a fresh instance from the pool; or goes on watching its runs.
    fn perform_measured(
        run: &Run<'_>,
        ready: &Arc<Ready<Self>>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull> {
        Self::perform(run, &ready.prepared, engine)
    }
}

/// What is to be run.
pub(crate) struct Target<A: Abi> {
    /// Names the module and how it is entered.
    pub(crate) name: Handle,
    pub(crate) module: Handle,
    pub(crate) entry: A::Entry,
}

// A derived one would want an `A` that has one.
impl<A: Abi> Clone for Target<A> {
    fn clone(&self) -> Self {
        Self { name: self.name, module: self.module, entry: self.entry.clone() }
    }
}

/// The pool has no room.
pub(crate) struct PoolFull;

/// The modules of one sort that an engine has ready, by the way to run them.
pub(crate) struct Caches<A: Abi> {
    pub(crate) standard: Arc<Modules<A>>,
    /// Those whose instances are used again.
    pub(crate) again: Arc<Modules<A>>,
    pub(crate) roomy: Arc<Modules<A>>,
    pub(crate) metered: Arc<Modules<A>>,
}

impl<A: Abi> Caches<A> {
    pub(crate) fn new(budget_bytes: u64) -> Self {
        Self {
            standard: Arc::new(Modules::new(budget_bytes)),
            again: Arc::new(Modules::new(budget_bytes / 4)),
            roomy: Arc::new(Modules::new(budget_bytes / 4)),
            metered: Arc::new(Modules::new(budget_bytes / 4)),
        }
    }

    /// How many modules were compiled, and loaded from artifacts.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let all = [&self.standard, &self.again, &self.roomy, &self.metered];
        let counts = all.map(|modules| modules.counts());
        counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    }
}

/// A module ready for one way to run.
pub(crate) struct Prepared<A: Abi> {
    pub(crate) way: Arc<Way>,
    pub(crate) linked: A::Linked,
    pub(crate) module: Handle,
    places: OnceLock<Option<Places>>,
}

impl<A: Abi> Prepared<A> {
    /// Where its instructions were before it was rewritten, which is found out
    /// when something fails for the first time.
    pub(crate) fn places(&self, run: &Run<'_>) -> Option<&Places> {
        let places = self.places.get_or_init(|| {
            let module = match A::module(run, &self.module) {
                Some(module) => module.ok()?,
                None => module(&self.module, run.objects)?,
            };
            let lowered = A::lower(module.bytes(), &self.module).ok()?;
            let binary = lowered.as_ref().map_or(module.bytes(), |(binary, _)| binary);
            let rewritten =
                self.way.what.and_then(|what| rewrite(binary, &self.module, what).ok()?);
            match (rewritten, lowered) {
                (Some((_, places)), Some((_, before))) => Some(places.after(before)),
                (Some((_, places)), None) | (None, Some((_, places))) => Some(places),
                (None, None) => None,
            }
        });
        places.as_ref()
    }
}

/// The bytes of a module.
pub(crate) fn module(name: &Handle, objects: &dyn Objects) -> Option<Blob> {
    match name.literal_bytes() {
        Some(bytes) => Some(Blob::new(bytes.to_vec())),
        None => objects.blob(*name),
    }
}

/// A module that can be applied.
pub(crate) struct Ready<A: Abi> {
    pub(crate) shape: Shape,
    pub(crate) tally: Tally,
    pub(crate) prepared: Prepared<A>,
}

/// Why a module cannot be applied.
#[derive(Clone)]
pub(crate) enum Refusal {
    Failure(Failure),
    NoAnswer(NoAnswerKind, String),
    /// It is a module for Fixpoint's interface, and was not looked at as such.
    Fixpoint,
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Failure(failure) => Self::Failure(failure),
            Refusal::NoAnswer(kind, detail) => Self::NoAnswer { kind, detail },
            Refusal::Fixpoint => {
                Refusal::bad_module("a module for Fixpoint's interface is applied alone").into()
            }
        }
    }
}

impl Refusal {
    pub(crate) fn bad_module(detail: &str) -> Self {
        let detail = detail.to_owned();
        Self::Failure(Failure { kind: FailureKind::BadModule, detail, note: None })
    }
}

type Answer<A> = Result<Arc<Ready<A>>, Refusal>;

struct Place<A: Abi> {
    answer: OnceLock<Answer<A>>,
    // 0 until it counts among the bytes of all.
    bytes: AtomicU64,
    used: AtomicBool,
    waiting: Mutex<()>,
    answered: Condvar,
}

// A derived one would want an `A` that has one.
impl<A: Abi> Default for Place<A> {
    fn default() -> Self {
        Self {
            answer: OnceLock::new(),
            bytes: AtomicU64::new(0),
            used: AtomicBool::new(false),
            waiting: Mutex::default(),
            answered: Condvar::new(),
        }
    }
}

// An interruption sets a flag and knows nobody to wake.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl<A: Abi> Place<A> {
    fn publish(&self, answer: Answer<A>) {
        let _ = self.answer.set(answer);
        // Whoever found no answer under the lock waits by now.
        drop(self.waiting.lock());
        self.answered.notify_all();
    }

    fn wait(&self, interrupt: &Interrupt) -> Answer<A> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(answer) = self.answer.get() {
                return answer.clone();
            }
            if interrupt.is_set() {
                return Err(Refusal::NoAnswer(
                    NoAnswerKind::Interrupted,
                    "interrupted while the module was compiled".to_owned(),
                ));
            }
            let timeout = self.answered.wait_timeout(waiting, LOOK_EVERY);
            waiting = timeout.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// How a module is made ready.
pub(crate) enum Start<A: Abi> {
    /// It is.
    Made(Made<A>),
    /// On a thread of its own.
    Job(Box<dyn FnOnce() -> Made<A> + Send>),
}

/// The modules that are ready for one way to run, within a budget of bytes.
pub(crate) struct Modules<A: Abi> {
    places: RwLock<HashMap<Handle, Arc<Place<A>>, ByDigest>>,
    bytes: AtomicU64,
    budget_bytes: u64,
    compiled: AtomicU64,
    loaded: AtomicU64,
}

// What a module takes beside its code, roughly.
const OVERHEAD_BYTES: u64 = 16 << 10;

impl<A: Abi> Modules<A> {
    pub(crate) fn new(budget_bytes: u64) -> Self {
        Self {
            places: RwLock::default(),
            bytes: AtomicU64::new(0),
            budget_bytes,
            compiled: AtomicU64::new(0),
            loaded: AtomicU64::new(0),
        }
    }

    /// How many modules were compiled, and loaded from artifacts.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.compiled.load(Ordering::Relaxed), self.loaded.load(Ordering::Relaxed))
    }

    /// The module, made ready by what `begin` gives if it is not. Whoever wants
    /// it meanwhile waits for that, unless interrupted.
    pub(crate) fn get(
        self: &Arc<Self>,
        module: Handle,
        interrupt: &Interrupt,
        begin: impl FnOnce() -> Result<Start<A>, Refusal>,
    ) -> Answer<A> {
        let found = {
            let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
            places.get(&module).map(|place| match place.answer.get() {
                Some(answer) => {
                    // Written only when it changes, so that readers share the line.
                    if !place.used.load(Ordering::Relaxed) {
                        place.used.store(true, Ordering::Relaxed);
                    }
                    Ok(answer.clone())
                }
                None => Err(Arc::clone(place)),
            })
        };
        match found {
            Some(Ok(answer)) => answer,
            Some(Err(place)) => place.wait(interrupt),
            None => self.begin(module, begin).wait(interrupt),
        }
    }

    /// The module if it is ready; it is made ready by what `begin` gives if nobody
    /// does it yet, and not waited for.
    pub(crate) fn ask(
        self: &Arc<Self>,
        module: Handle,
        begin: impl FnOnce() -> Result<Start<A>, Refusal>,
    ) -> Option<Answer<A>> {
        let place = {
            let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
            places.get(&module).map(Arc::clone)
        };
        place.unwrap_or_else(|| self.begin(module, begin)).answer.get().cloned()
    }

    /// Forgets a module that nobody is to find again.
    pub(crate) fn drop_named(&self, module: &Handle) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.remove(module) {
            self.bytes.fetch_sub(place.bytes.load(Ordering::Acquire), Ordering::Relaxed);
        }
    }

    #[cold]
    fn begin(
        self: &Arc<Self>,
        module: Handle,
        begin: impl FnOnce() -> Result<Start<A>, Refusal>,
    ) -> Arc<Place<A>> {
        let place = {
            let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
            match places.entry(module) {
                Entry::Occupied(place) => return Arc::clone(place.get()),
                Entry::Vacant(vacant) => Arc::clone(vacant.insert(Arc::default())),
            }
        };
        let started = catch_unwind(AssertUnwindSafe(begin)).unwrap_or_else(|_| Err(broken()));
        let started = started.and_then(|start| match start {
            Start::Made(made) => {
                self.finish(module, &place, made);
                Ok(())
            }
            Start::Job(job) => {
                let (modules, place) = (Arc::clone(self), Arc::clone(&place));
                let work = move || {
                    let made = catch_unwind(AssertUnwindSafe(job));
                    modules.finish(module, &place, made.unwrap_or_else(|_| broken().into()));
                };
                let thread = std::thread::Builder::new().name("weft-compile".to_owned());
                let thread = thread.stack_size(crate::THREAD_STACK_MIN_BYTES).spawn(work);
                thread.map(drop).map_err(|error| {
                    let detail = format!("no thread to compile on: {error}");
                    Refusal::NoAnswer(NoAnswerKind::HostMemory, detail)
                })
            }
        });
        if let Err(refusal) = started {
            self.finish(module, &place, refusal.into());
        }
        place
    }

    fn finish(&self, module: Handle, place: &Arc<Place<A>>, made: Made<A>) {
        match made.origin {
            Origin::Compiled => self.compiled.fetch_add(1, Ordering::Relaxed),
            Origin::Loaded => self.loaded.fetch_add(1, Ordering::Relaxed),
            Origin::Refused => 0,
        };
        if matches!(&made.answer, Err(Refusal::NoAnswer(..))) {
            // An answer that another moment may change is not kept.
            self.forget(module, place);
        } else {
            // Counted before it can be dropped and taken off again.
            let bytes = made.bytes + OVERHEAD_BYTES;
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            place.bytes.store(bytes, Ordering::Release);
        }
        place.publish(made.answer);
        self.shrink(module);
    }

    /// Forgets a place that never counted, if it still is the module's.
    fn forget(&self, module: Handle, place: &Arc<Place<A>>) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if places.get(&module).is_some_and(|current| Arc::ptr_eq(current, place)) {
            places.remove(&module);
        }
    }

    /// Drops modules that were not used since the last time, until the budget
    /// holds; runs that use one keep it until they end.
    fn shrink(&self, keep: Handle) {
        if self.bytes.load(Ordering::Relaxed) <= self.budget_bytes {
            return;
        }
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        for spare_used in [true, false] {
            places.retain(|module, place| {
                let bytes = place.bytes.load(Ordering::Acquire);
                let over = self.bytes.load(Ordering::Relaxed) > self.budget_bytes;
                let spared = spare_used && place.used.swap(false, Ordering::Relaxed);
                if !over || spared || bytes == 0 || *module == keep {
                    return true;
                }
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                false
            });
        }
    }
}

/// The compiler, or what gives it its input, panicked.
fn broken() -> Refusal {
    Refusal::NoAnswer(
        NoAnswerKind::ModuleTooLarge,
        "the compiler gave up on this module".to_owned(),
    )
}

/// Where an answer came from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    Compiled,
    Loaded,
    Refused,
}

/// An answer with what keeping it takes.
pub(crate) struct Made<A: Abi> {
    answer: Answer<A>,
    bytes: u64,
    origin: Origin,
}

impl<A: Abi> From<Refusal> for Made<A> {
    fn from(refusal: Refusal) -> Self {
        Self { answer: Err(refusal), bytes: 0, origin: Origin::Refused }
    }
}

/// Up to here a module is loaded by who asks for it. What is compiled of one is some three
/// times as much (77 kB of `bptree.wasm`, which is 24), and so far less than is synced to be
/// known by its stamp.
const AT_ONCE_BYTES: usize = 16 << 10;

/// What a module is made ready from.
pub(crate) struct Source<A: Abi> {
    pub(crate) target: Target<A>,
    pub(crate) binary: Blob,
    pub(crate) artifacts: Option<Arc<Artifacts>>,
    pub(crate) compiling: Arc<Counts>,
    /// Where the first of these cannot hold the module, the next one is tried.
    pub(crate) ways: Vec<Arc<Way>>,
}

impl<A: Abi> Source<A> {
    /// Loads what was compiled before, or checks the module and compiles it. What is small
    /// is loaded at once, though nobody can interrupt that: a thread takes longer to begin.
    pub(crate) fn start(self) -> Start<A> {
        if self.binary.bytes().len() < AT_ONCE_BYTES {
            return match self.kept() {
                Some(made) => Start::Made(made),
                None => Start::Job(Box::new(|| self.prepare())),
            };
        }
        Start::Job(Box::new(|| self.kept().unwrap_or_else(|| self.prepare())))
    }

    /// Checks the module and compiles it.
    fn prepare(self) -> Made<A> {
        // They may be a mapped file that somebody writes to, and what is
        // compiled is kept: so it is compiled from bytes that stay.
        let binary = self.binary.bytes().to_vec();
        let module = self.target.module;
        if Handle::of_blob(&binary) != module.content() {
            let detail = format!("#{module} is the module to apply and is not what it was");
            return Refusal::NoAnswer(NoAnswerKind::Missing, detail).into();
        }
        let shape = match A::check(&binary, &self.target.entry) {
            Ok(shape) => shape,
            Err(failure) => return Refusal::Failure(failure).into(),
        };
        if let Some(detail) = &shape.too_much {
            return Refusal::NoAnswer(NoAnswerKind::ModuleTooLarge, detail.clone()).into();
        }
        if binary.len() < ALONE_BYTES {
            return self.compile(&binary, shape);
        }
        let _turn = self.turn();
        // By whoever had the turn before.
        self.kept().unwrap_or_else(|| self.compile(&binary, shape))
    }

    /// Waits while another process compiles the module.
    fn turn(&self) -> Option<Turn> {
        let settings = &self.ways.first()?.settings;
        self.artifacts.as_ref()?.turn(&self.target.module, settings, &self.compiling)
    }

    /// Names what a module was checked for. What is a sound program may be none
    /// of the functions, and the code of both has one name.
    fn checked_for(&self) -> Handle {
        Handle::of_blob(&[A::SORT.as_bytes(), self.target.name.as_bytes()].concat())
    }

    /// As it was compiled before, if it was checked then for the same entry.
    fn kept(&self) -> Option<Made<A>> {
        let artifacts = self.artifacts.as_deref()?;
        self.ways.iter().find_map(|way| {
            let (code, about) = kept::<A::Code>(&self.target.module, artifacts, way)?;
            let shape = Shape::decode(&about, &self.checked_for())?;
            self.made(code, shape, way, Origin::Loaded).ok()
        })
    }

    fn compile(&self, binary: &[u8], shape: Shape) -> Made<A> {
        let about = shape.encode(&self.checked_for());
        let mut last = String::from("no way to run it");
        let lowered = match A::lower(binary, &self.target.module) {
            Ok(lowered) => lowered,
            Err(error) => return too_much(&error.to_string()),
        };
        let binary = lowered.as_ref().map_or(binary, |(binary, _)| binary);
        for way in &self.ways {
            match self
                .code(binary, &about, way)
                .and_then(|(code, origin)| self.made(code, shape.clone(), way, origin))
            {
                Ok(made) => return made,
                // Linking has found what is no matter of the way.
                Err(error) => match error.downcast_ref() {
                    Some(Stop::Failure(kind, detail)) => {
                        let (kind, detail, note) = (*kind, detail.clone(), format!("{error:#}"));
                        return Refusal::Failure(Failure { kind, detail, note: Some(note) }).into();
                    }
                    _ => last = format!("{error:#}"),
                },
            }
        }
        too_much(&last)
    }

    fn code(&self, binary: &[u8], about: &[u8], way: &Way) -> wasmtime::Result<(A::Code, Origin)> {
        let (module, artifacts) = (&self.target.module, self.artifacts.as_deref());
        // Checked for another entry then.
        if let Some((code, _)) = artifacts.and_then(|artifacts| kept(module, artifacts, way)) {
            return Ok((code, Origin::Loaded));
        }
        let code = compiled((module, binary), about, artifacts, way, &self.compiling)?;
        Ok((code, Origin::Compiled))
    }

    fn made(
        &self,
        code: A::Code,
        shape: Shape,
        way: &Arc<Way>,
        origin: Origin,
    ) -> wasmtime::Result<Made<A>> {
        let linked = A::link(&code, &self.target, way)?;
        let (way, module) = (Arc::clone(way), self.target.module);
        let prepared = Prepared { way, linked, module, places: OnceLock::new() };
        let answer = Ok(Arc::new(Ready { shape, tally: Tally::default(), prepared }));
        Ok(Made { answer, bytes: code.bytes(), origin })
    }
}

/// Valid by the meaning, and not compiled here.
fn too_much<A: Abi>(why: &str) -> Made<A> {
    let detail = format!("the compiler refuses this valid module: {why}");
    Refusal::NoAnswer(NoAnswerKind::ModuleTooLarge, detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Codelet;

    fn refused() -> Refusal {
        Refusal::NoAnswer(NoAnswerKind::HostMemory, "no room".to_owned())
    }

    #[test]
    fn who_gives_up_leaves_the_place_of_another_alone() {
        let modules = Arc::new(Modules::<Codelet>::new(1 << 30));
        let name = Handle::of_u64(7);
        let started = std::sync::mpsc::channel::<()>();
        let finished = std::sync::mpsc::channel::<()>();
        let interrupt = Interrupt::new();
        interrupt.interrupt();
        // Under way until told to go on; who began it does not stay.
        let answer = modules.get(name, &interrupt, || {
            Ok(Start::Job(Box::new(move || {
                started.1.recv().unwrap();
                finished.0.send(()).unwrap();
                Refusal::bad_module("kept").into()
            })))
        });
        assert!(matches!(answer, Err(Refusal::NoAnswer(NoAnswerKind::Interrupted, _))));
        // Somebody who had an older place for the module gives it up now.
        modules.finish(name, &Arc::default(), refused().into());
        started.0.send(()).unwrap();
        finished.1.recv().unwrap();
        let answer = modules.get(name, &Interrupt::new(), || panic!("prepared twice"));
        assert!(matches!(answer, Err(Refusal::Failure(failure)) if failure.detail == "kept"));
        assert_eq!(modules.bytes.load(Ordering::Relaxed), OVERHEAD_BYTES);
    }

    #[test]
    fn no_answer_is_neither_kept_nor_counted() {
        let modules = Arc::new(Modules::<Codelet>::new(1 << 30));
        let name = Handle::of_u64(7);
        let kinds: Vec<_> = (0..4)
            .map(|round| {
                let answer = modules.get(name, &Interrupt::new(), || match round {
                    0 => Err(refused()),
                    1 => Ok(Start::Job(Box::new(|| refused().into()))),
                    2 => Ok(Start::Made(refused().into())),
                    _ => Ok(Start::Job(Box::new(|| panic!("on purpose")))),
                });
                match answer {
                    Err(Refusal::NoAnswer(kind, _)) => kind,
                    _ => panic!("an answer"),
                }
            })
            .collect();
        let room = NoAnswerKind::HostMemory;
        assert_eq!(kinds, [room, room, room, NoAnswerKind::ModuleTooLarge]);
        assert!(modules.places.read().unwrap().is_empty());
        assert_eq!(modules.bytes.load(Ordering::Relaxed), 0);
    }
}
