//! Modules made ready to run, kept by handle; each is compiled once however
//! many threads want it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use wasmtime::{InstancePre, Module, ModuleExport};
use weft_object::Handle;

use crate::abi::table::EXPORT;
use crate::artifact::Artifacts;
use crate::check::{Shape, check};
use crate::digest::ByDigest;
use crate::outcome::{Failure, FailureKind, NoAnswerKind, Outcome};
use crate::state::State;
use crate::way::Way;

/// A module ready for one way to run.
pub(crate) struct Prepared {
    pub(crate) way: Arc<Way>,
    pub(crate) pre: InstancePre<Box<State>>,
    pub(crate) apply: ModuleExport,
    pub(crate) memory: Option<ModuleExport>,
}

/// A module that can be applied.
pub(crate) struct Ready {
    pub(crate) shape: Shape,
    pub(crate) prepared: Prepared,
}

/// Why a module cannot be applied.
#[derive(Clone)]
pub(crate) enum Refusal {
    Failure(Failure),
    NoAnswer(NoAnswerKind, String),
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Failure(failure) => Self::Failure(failure),
            Refusal::NoAnswer(kind, detail) => Self::NoAnswer { kind, detail },
        }
    }
}

impl Refusal {
    pub(crate) fn bad_module(detail: &str) -> Self {
        let detail = detail.to_owned();
        Self::Failure(Failure { kind: FailureKind::BadModule, detail, note: None })
    }
}

type Answer = Result<Arc<Ready>, Refusal>;

#[derive(Default)]
struct Place {
    answer: OnceLock<Answer>,
    bytes: AtomicU64,
    used: AtomicBool,
}

/// The modules that are ready for one way to run, within a budget of bytes.
pub(crate) struct Modules {
    places: RwLock<HashMap<Handle, Arc<Place>, ByDigest>>,
    bytes: AtomicU64,
    budget_bytes: u64,
    compiled: AtomicU64,
    loaded: AtomicU64,
}

// What a module takes beside its code, roughly.
const OVERHEAD_BYTES: u64 = 16 << 10;

impl Modules {
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

    /// The module, made ready by `prepare` if it is not. Whoever wants it
    /// meanwhile waits for the one who prepares it.
    pub(crate) fn get(&self, module: Handle, prepare: impl FnOnce() -> Made) -> Answer {
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
        let place = match found {
            Some(Ok(answer)) => return answer,
            Some(Err(place)) => place,
            None => {
                let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(places.entry(module).or_default())
            }
        };
        let mut first = false;
        let answer = place
            .answer
            .get_or_init(|| {
                first = true;
                let made = prepare();
                match made.origin {
                    Origin::Compiled => self.compiled.fetch_add(1, Ordering::Relaxed),
                    Origin::Loaded => self.loaded.fetch_add(1, Ordering::Relaxed),
                    Origin::Refused => 0,
                };
                place.bytes.store(made.bytes + OVERHEAD_BYTES, Ordering::Relaxed);
                made.answer
            })
            .clone();
        if first {
            let bytes = place.bytes.load(Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.shrink(module);
        }
        // An answer that another moment may change is not kept.
        if matches!(&answer, Err(Refusal::NoAnswer(..))) {
            self.forget(module);
        }
        answer
    }

    fn forget(&self, module: Handle) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.remove(&module) {
            self.bytes.fetch_sub(place.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
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
                let bytes = place.bytes.load(Ordering::Relaxed);
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

/// Where an answer came from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    Compiled,
    Loaded,
    Refused,
}

/// An answer with what keeping it takes.
pub(crate) struct Made {
    answer: Answer,
    bytes: u64,
    origin: Origin,
}

impl From<Refusal> for Made {
    fn from(refusal: Refusal) -> Self {
        Self { answer: Err(refusal), bytes: 0, origin: Origin::Refused }
    }
}

/// Makes a module ready: checked, then loaded from its artifact or compiled.
/// Where the first of `ways` cannot hold the module, the next one is tried.
pub(crate) fn prepare(
    name: &Handle,
    module: &[u8],
    artifacts: Option<&Artifacts>,
    ways: &[Arc<Way>],
) -> Made {
    let shape = match check(module) {
        Ok(shape) => shape,
        Err(failure) => return Refusal::Failure(failure).into(),
    };
    let mut last = String::from("no way to run it");
    for way in ways {
        let code = code(name, module, artifacts, way).and_then(|(code, origin)| {
            let prepared = link(&code, way)?;
            Ok((code, origin, prepared))
        });
        match code {
            Ok((code, origin, prepared)) => {
                let range = code.image_range();
                let bytes = (range.end as usize).saturating_sub(range.start as usize) as u64;
                let answer = Ok(Arc::new(Ready { shape, prepared }));
                return Made { answer, bytes, origin };
            }
            Err(error) => last = format!("{error:#}"),
        }
    }
    // Valid by the meaning, refused by the compiler.
    Refusal::NoAnswer(
        NoAnswerKind::ModuleTooLarge,
        format!("the compiler refuses this valid module: {last}"),
    )
    .into()
}

fn code(
    name: &Handle,
    module: &[u8],
    artifacts: Option<&Artifacts>,
    way: &Way,
) -> wasmtime::Result<(Module, Origin)> {
    if let Some(artifact) = artifacts.and_then(|artifacts| artifacts.load(name, &way.settings)) {
        // SAFETY: `Artifacts::load` returns only bytes that it found to be what
        // `Artifacts::store` wrote below for this module and these settings, in
        // a directory that nobody else may write to.
        // JUSTIFICATION: compiling a large module takes seconds; its artifact
        // loads in microseconds to milliseconds.
        if let Ok(code) = unsafe { Module::deserialize(&way.engine, artifact) } {
            return Ok((code, Origin::Loaded));
        }
    }
    let code = Module::from_binary(&way.engine, module)?;
    if let Some(artifacts) = artifacts
        && let Ok(artifact) = code.serialize()
    {
        artifacts.store(name, &way.settings, &artifact);
    }
    Ok((code, Origin::Compiled))
}

fn link(code: &Module, way: &Arc<Way>) -> wasmtime::Result<Prepared> {
    let pre = way.linker.instantiate_pre(code)?;
    let apply = code
        .get_export_index(EXPORT)
        .ok_or_else(|| wasmtime::Error::msg("the checked export is gone"))?;
    Ok(Prepared { way: Arc::clone(way), pre, apply, memory: code.get_export_index("memory") })
}
