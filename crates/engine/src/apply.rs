use std::sync::Arc;

use wasmtime::{InstancePre, Module, ModuleExport};
use wasmtime::{PoolConcurrencyLimitError, Store, UpdateDeadline};
use weft_object::{Blob, Content, Handle, Kind, Tree};

use crate::abi::table::EXPORT;
use crate::check::{Shape, check};
use crate::modules::{Abi, Caches, Job, PoolFull, Prepared, Ready, Refusal, Source, Target};
use crate::outcome::{Applied, Failure, FailureKind, NoAnswerKind, Outcome, Steps};
use crate::state::{State, interrupted};
use crate::trap::{no_answer, outcome as outcome_of};
use crate::wasi::component::Command;
use crate::wasi::{self, Program, Sort};
use crate::way::{self, POOL_MEMORY_BYTES, Way};
use crate::{Engine, Interrupt};

/// The footprint of an application: everything that it reaches through
/// accessible Objects, the module included, is resident.
///
/// # Contract
/// The caller of [`Engine::apply`] holds the whole footprint for as long as the
/// call lasts. If a lookup finds nothing, the run ends without an answer
/// ([`NoAnswerKind::Missing`]); nothing else goes wrong.
pub trait Objects: Sync {
    /// The content of an accessible Blob that is no literal.
    fn blob(&self, handle: Handle) -> Option<Blob>;
    /// The entries of an accessible Tree or Tag.
    fn tree(&self, handle: Handle) -> Option<Tree>;

    /// What a program opens in a directory that it was given as a Ref, which is
    /// no part of the footprint: brought in now, if it is not resident.
    ///
    /// # Errors
    /// Why it cannot be had, for people.
    fn fetch(&self, object: Handle, interrupt: &Interrupt) -> Result<Content, String> {
        let _ = interrupt;
        let blob = || self.blob(object).map(Content::Blob);
        let found = blob().or_else(|| self.tree(object).map(Content::Tree));
        found.ok_or_else(|| format!("#{object} is not resident"))
    }
}

/// One application to perform.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The canonical Tree `[limits, procedure, argument...]`, which the
    /// function sees as handle 0.
    pub application: Handle,
    /// The entries of that Tree.
    pub entries: &'a Tree,
    /// What the sum of the function's memories may come to. Part of the
    /// meaning: the limits in canonical form say the same.
    pub memory_limit_bytes: u64,
    /// How much fuel it may use; counted, at a cost, only where given.
    pub fuel: Option<u64>,
    /// The footprint.
    pub objects: &'a dyn Objects,
    /// Ends the run from outside.
    pub interrupt: &'a Interrupt,
}

/// The modules of `docs/abi.md`.
pub(crate) struct Codelet;

/// One that is linked.
pub(crate) struct Linked {
    pre: InstancePre<Box<State>>,
    apply: ModuleExport,
    memory: Option<ModuleExport>,
}

impl Abi for Codelet {
    const SORT: &'static str = "function";

    type Entry = ();
    type Code = Module;
    type Linked = Linked;

    fn check(module: &[u8], (): &()) -> Result<Shape, Failure> {
        check(module)
    }

    fn link(code: &Module, (): &(), way: &Way) -> wasmtime::Result<Linked> {
        let pre = way.linker.instantiate_pre(code)?;
        let apply = export(code, EXPORT)?;
        Ok(Linked { pre, apply, memory: code.get_export_index("memory") })
    }

    fn caches(engine: &Engine) -> &Caches<Self> {
        &engine.codelets
    }

    fn perform(
        run: &Run<'_>,
        prepared: &Prepared<Self>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull> {
        perform(run, prepared, engine)
    }
}

/// Where an export stands that a module was checked for.
pub(crate) fn export(code: &Module, name: &str) -> wasmtime::Result<ModuleExport> {
    code.get_export_index(name).ok_or_else(|| wasmtime::Error::msg("the checked export is gone"))
}

const WASM_MAGIC: &[u8] = b"\0asm";

impl Engine {
    /// Applies a procedure to its arguments, in a fresh instance.
    ///
    /// Needs [`crate::THREAD_STACK_MIN_BYTES`] of stack.
    #[must_use]
    pub fn apply(&self, run: Run<'_>) -> Applied {
        match wasi::program(&run) {
            Some(Ok(Sort::Component(target))) => self.apply_as::<Command>(&run, Ok(target)),
            Some(Ok(Sort::Module(target))) => self.apply_as::<Program>(&run, Ok(target)),
            Some(Err(refusal)) => without_run(refusal.into()),
            None => self.apply_as::<Codelet>(&run, procedure(&run).map(codelet)),
        }
    }

    fn apply_as<A: Abi>(&self, run: &Run<'_>, target: Result<Target<A>, Refusal>) -> Applied {
        let caches = A::caches(self);
        let modules = match run.fuel {
            Some(_) => &caches.metered,
            None => &caches.standard,
        };
        let found = target.and_then(|target| {
            let ready = modules.get(target.name, run.interrupt, || match run.fuel {
                Some(_) => self.prepare(run, &target, self.metered_ways()?),
                None => self.prepare(run, &target, self.standard_ways()?),
            })?;
            Ok((target, ready))
        });
        let (target, ready) = match found {
            Ok(found) => found,
            Err(refusal) => return without_run(refusal.into()),
        };
        if ready.shape.memory_min_bytes > run.memory_limit_bytes {
            return without_run(Outcome::Failure(Failure {
                kind: FailureKind::MemoryLimit,
                detail: format!(
                    "the module begins with {} bytes of memory and the limit is {}",
                    ready.shape.memory_min_bytes, run.memory_limit_bytes
                ),
                note: None,
            }));
        }
        let pooled = matches!(ready.prepared.way.kind, way::Kind::Pooled { .. });
        if !pooled {
            return A::perform(run, &ready.prepared, self).unwrap_or_else(pool_is_full);
        }
        if !(ready.shape.has_memory64 && run.memory_limit_bytes > POOL_MEMORY_BYTES)
            && let Ok(applied) = A::perform(run, &ready.prepared, self)
        {
            return applied;
        }
        match self.outside_the_pool(run, &target) {
            Ok(ready) => A::perform(run, &ready.prepared, self).unwrap_or_else(pool_is_full),
            Err(refusal) => without_run(refusal.into()),
        }
    }

    #[cold]
    fn outside_the_pool<A: Abi>(
        &self,
        run: &Run<'_>,
        target: &Target<A>,
    ) -> Result<Arc<Ready<A>>, Refusal> {
        let modules = &A::caches(self).roomy;
        modules.get(target.name, run.interrupt, || self.prepare(run, target, self.roomy_ways()?))
    }

    #[cold]
    fn prepare<A: Abi>(
        &self,
        run: &Run<'_>,
        target: &Target<A>,
        ways: Vec<Arc<way::Way>>,
    ) -> Result<Job<A>, Refusal> {
        let name = target.module;
        let content = match name.literal_bytes() {
            Some(bytes) => Some(Blob::new(bytes.to_vec())),
            None => run.objects.blob(name),
        };
        let module = content.ok_or_else(|| {
            let detail = format!("#{name} is the module to apply and is not resident");
            Refusal::NoAnswer(NoAnswerKind::Missing, detail)
        })?;
        let bytes = module.bytes().len() as u64;
        if bytes > self.config.module_max_bytes {
            let most = self.config.module_max_bytes;
            let detail =
                format!("the module has {bytes} bytes and this engine compiles up to {most}");
            return Err(Refusal::NoAnswer(NoAnswerKind::ModuleTooLarge, detail));
        }
        let (target, artifacts) = (target.clone(), self.artifacts.clone());
        let compiling = Arc::clone(&self.compiling);
        let source = Source { target, binary: module, artifacts, compiling, ways };
        Ok(Box::new(|| source.prepare()))
    }
}

fn codelet(module: Handle) -> Target<Codelet> {
    Target { name: module, module, entry: () }
}

/// The module to apply, or why there is none.
fn procedure(run: &Run<'_>) -> Result<Handle, Refusal> {
    let Some(&name) = run.entries.entries().get(1) else {
        return Err(Refusal::bad_module("the application has no procedure"));
    };
    match name.literal_bytes() {
        Some(bytes) if is_built_in(bytes) => Err(Refusal::NoAnswer(
            NoAnswerKind::Unsupported,
            format!("the built-in `{}` is not known here", bytes.escape_ascii()),
        )),
        Some(bytes) if !bytes.starts_with(WASM_MAGIC) => Err(Refusal::bad_module(&format!(
            "`{}` is neither a module nor the name of a built-in, such as wasi/1; \
             is it a path that needs no quotes",
            bytes.escape_ascii()
        ))),
        None if name.kind() != Kind::Blob => {
            Err(Refusal::bad_module(&format!("the procedure is {}, not blob", name.kind())))
        }
        _ => Ok(name),
    }
}

/// Whether a procedure is the name of a built-in, of this version or another:
/// lower-case letters and digits, a slash, and a number.
fn is_built_in(literal: &[u8]) -> bool {
    let mut parts = literal.split(|&byte| byte == b'/');
    let (Some(word), Some(version), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !word.is_empty()
        && word.iter().all(is_word)
        && !version.is_empty()
        && version.iter().all(u8::is_ascii_digit)
}

fn pool_is_full(_: PoolFull) -> Applied {
    without_run(no_answer(NoAnswerKind::HostMemory, "no room for another instance"))
}

pub(crate) fn without_run(outcome: Outcome) -> Applied {
    Applied {
        outcome,
        made: Vec::new(),
        log: Vec::new(),
        log_truncated: false,
        fuel_used: None,
        memory_peak_bytes: 0,
        steps: Steps::default(),
    }
}

fn perform(
    run: &Run<'_>,
    prepared: &Prepared<Codelet>,
    engine: &Engine,
) -> Result<Applied, PoolFull> {
    // SAFETY: `run` borrows both for longer than this function, and the state
    // is cleared or dropped, with the store that holds it, before it returns.
    let mut state = unsafe {
        State::begin(
            run.objects,
            run.interrupt,
            (run.application, run.entries),
            run.memory_limit_bytes,
            engine.config.bounds,
        )
    };
    state.memory_export = prepared.linked.memory;
    let mut store = Store::new(&prepared.way.engine, state);
    // Closures without captures: neither of them is allocated.
    store.limiter(|state| &mut state.limits);
    store.epoch_deadline_callback(|context| match context.data().interrupted() {
        true => Err(interrupted().into()),
        false => Ok(UpdateDeadline::Continue(1)),
    });
    store.set_epoch_deadline(1);
    let result = match run.interrupt.set_after_deadline() {
        true => Err(interrupted().into()),
        false => call(run, prepared, &mut store),
    };
    let outcome = match result {
        Ok(index) => result_of(store.data(), index),
        Err(error) if error.is::<PoolConcurrencyLimitError>() => {
            store.into_data().end();
            return Err(PoolFull);
        }
        Err(error) => outcome_of(&error),
    };
    let fuel_used =
        run.fuel.and_then(|fuel| store.get_fuel().ok().map(|left| fuel.saturating_sub(left)));
    let mut state = store.into_data();
    let (outcome, made) = match outcome {
        Outcome::Value(result) => match state.reachable(result) {
            Ok(made) => (Outcome::Value(result), made),
            Err(stop) => (outcome_of(&stop.into()), Vec::new()),
        },
        other => (other, Vec::new()),
    };
    let applied = Applied {
        made,
        outcome,
        log: match state.log.is_empty() {
            true => Vec::new(),
            false => state.log.clone(),
        },
        log_truncated: state.log_truncated,
        fuel_used,
        memory_peak_bytes: state.limits.memory_peak_bytes(),
        steps: Steps::default(),
    };
    state.end();
    Ok(applied)
}

fn call(
    run: &Run<'_>,
    prepared: &Prepared<Codelet>,
    store: &mut Store<Box<State>>,
) -> wasmtime::Result<i32> {
    if let Some(fuel) = run.fuel {
        store.set_fuel(fuel)?;
    }
    let instance = prepared.linked.pre.instantiate(&mut *store)?;
    store.data_mut().instance = Some(instance);
    let apply = instance
        .get_module_export(&mut *store, &prepared.linked.apply)
        .and_then(wasmtime::Extern::into_func)
        .ok_or_else(|| wasmtime::Error::msg("the checked export is gone"))?
        .typed::<i32, i32>(&*store)?;
    store.data_mut().entered = true;
    apply.call(store, 0)
}

fn result_of(state: &State, index: i32) -> Outcome {
    match state.handle("weft_apply", index) {
        Ok(handle) => Outcome::Value(handle),
        Err(_) => Outcome::Failure(Failure {
            kind: FailureKind::BadHandle,
            detail: format!("weft_apply returned {index}, which is no handle of this run"),
            note: None,
        }),
    }
}
