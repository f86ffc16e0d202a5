//! Images: programs that were begun once, as data.
//!
//! `snapshot/1` calls some functions of a program and gives what its memory and
//! globals then are, as a Tree of pages; `image/1` goes on from there. Both are
//! applications like any other: an image has a recipe, and equal ones have equal
//! names. The form is in `docs/image.md`.
//!
//! The module is compiled once for all of its images: rewritten so that nothing is
//! put into memory when an instance begins ([`For::Image`]). What an image's memory
//! is stands in a file, which is mapped copy-on-write over that of each instance.

mod arriving;
mod call;
mod codelet;
mod form;
mod host;
mod kept;
mod make;
mod pages;
mod program;
mod restore;
mod source;

use std::marker::PhantomData;
use std::sync::Arc;

use wasmtime::{ExternType, InstancePre, Module, ModuleExport};
use weft_object::{Blob, Handle, Kind};

use form::Reader;
use host::Host;
pub(crate) use pages::{Images, Loaded, Place};

use crate::apply::{Beside, Codelet};
use crate::check::{Shape, bad};
use crate::engine::Reuse;
use crate::modules::{Abi, Caches, PoolFull, Prepared, Ready, Refusal, Target};
use crate::outcome::{Applied, Failure, FailureKind, NoAnswerKind};
use crate::rewrite::{For, image::unfit};
use crate::wasi::{Entry, Program, ill_formed_as};
use crate::way::Way;
use crate::{Engine, Run};

/// The procedure that makes an image.
pub(crate) const MAKE: &[u8] = b"snapshot/1";

/// The procedure that goes on from one.
pub(crate) const RESTORE: &[u8] = b"image/1";

/// Where an invocation stands in an application of either: behind limits, procedure,
/// and two more.
const FIRST: usize = 4;

/// What images are made of, or goes on from one.
pub(crate) struct Imaged<H>(PhantomData<H>);

/// One that is linked.
pub(crate) struct Linked<H: Host> {
    pre: InstancePre<H::Data>,
    beside: Beside,
    exports: H::Exports,
    memories: Vec<ModuleExport>,
    globals: Vec<ModuleExport>,
}

/// What is to be run, by what it is an image of.
pub(crate) enum Of {
    Program(Target<Imaged<Program>>),
    Codelet(Target<Imaged<Codelet>>),
}

impl Of {
    fn new((name, module, entry): (Handle, Handle, Entry), is_codelet: bool) -> Self {
        match is_codelet {
            true => Self::Codelet(Target { name, module, entry }),
            false => Self::Program(Target { name, module, entry }),
        }
    }
}

/// Whether pages may arrive as they are touched.
pub(crate) fn pages_arrive() -> bool {
    arriving::Faults::new().is_some()
}

/// What is to be run, if an application is of one of the two; or why it cannot be.
pub(crate) fn target(run: &Run<'_>, engine: &Engine) -> Option<Result<Of, Refusal>> {
    match run.entries.entries().get(1)?.literal_bytes()? {
        MAKE => Some(make::target(run)),
        RESTORE => Some(restore::target(run, engine)),
        _ => None,
    }
}

/// What is to be compiled of a program, whatever function is called: its name, that
/// of its module, and how it is entered.
fn entry_of(run: &Run<'_>, program: Handle) -> Result<(Handle, Handle, Entry), Refusal> {
    let (module, entry) = match program.kind() {
        Kind::Blob => (program, Entry::default()),
        // Of an image it is no part of the footprint.
        _ => Entry::read(run, &Reader { run, image: program }.tree(program, "its program")?)?,
    };
    Ok((program, module, entry))
}

/// A program's module, which of an image is no part of the footprint if that is given
/// as a Ref.
fn fetched(run: &Run<'_>, name: &Handle) -> Option<Result<Blob, Refusal>> {
    if name.is_literal() {
        return None;
    }
    let fetched = run.objects.fetch(name.content(), run.interrupt);
    let blob = fetched.map_err(|why| Refusal::NoAnswer(NoAnswerKind::Missing, why));
    Some(blob.and_then(|content| {
        let blob = content.blob().cloned();
        blob.ok_or_else(|| Refusal::bad_module("the program is no blob"))
    }))
}

fn ill_formed(procedure: &[u8], detail: impl std::fmt::Display) -> Refusal {
    ill_formed_as(&format!("{}: {detail}", procedure.escape_ascii()))
}

/// What is wrong with an invocation, in the name of the procedure that is given it
/// here.
fn named(procedure: &[u8], refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::Failure(Failure { kind, detail, note }) => match detail.strip_prefix("wasi/1: ") {
            Some(detail) => ill_formed(procedure, detail),
            None => Refusal::Failure(Failure { kind, detail, note }),
        },
        other => other,
    }
}

fn failed(detail: String) -> wasmtime::Error {
    crate::outcome::Stop::Failure(FailureKind::BadHandle, detail).into()
}

impl<H: Host> Abi for Imaged<H> {
    const SORT: &'static str = H::SORT;
    const WHAT: Option<For> = Some(For::Image);

    type Entry = Entry;
    type Code = Module;
    type Linked = Linked<H>;

    fn check(module: &[u8], entry: &Entry) -> Result<Shape, Failure> {
        let shape = H::check(module, entry)?;
        match unfit(module) {
            Ok(None) => Ok(shape),
            Ok(Some(why)) => Err(bad(format!("no image can be made of this program: {why}"))),
            Err(_) => Err(bad("malformed".to_owned())),
        }
    }

    fn link(code: &Module, target: &Target<Self>, way: &Way) -> wasmtime::Result<Linked<H>> {
        Ok(Linked {
            pre: H::pre(code, &target.entry, way)?,
            beside: Beside::of(code, &target.module),
            exports: H::exports(code)?,
            memories: added(code, &target.module, |ty| matches!(ty, ExternType::Memory(_))),
            globals: added(code, &target.module, |ty| matches!(ty, ExternType::Global(_))),
        })
    }

    fn caches(engine: &Engine) -> &Caches<Self> {
        H::caches(engine)
    }

    fn perform(
        run: &Run<'_>,
        prepared: &Prepared<Self>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull> {
        match is_made(run) {
            true => make::perform(run, prepared, engine),
            false => restore::fresh(run, prepared, engine),
        }
    }

    fn perform_measured(
        run: &Run<'_>,
        ready: &Arc<Ready<Self>>,
        engine: &Engine,
    ) -> Result<Applied, PoolFull> {
        match engine.config.reuse {
            Reuse::Never => Self::perform(run, &ready.prepared, engine),
            _ if is_made(run) => make::perform(run, &ready.prepared, engine),
            _ => restore::kept(run, ready, engine),
        }
    }

    fn module(run: &Run<'_>, name: &Handle) -> Option<Result<Blob, Refusal>> {
        fetched(run, name)
    }
}

fn is_made(run: &Run<'_>) -> bool {
    run.entries.entries().get(1).and_then(Handle::literal_bytes) == Some(MAKE)
}

/// What was exported when the module was rewritten, by its index.
fn added(code: &Module, name: &Handle, wanted: fn(&ExternType) -> bool) -> Vec<ModuleExport> {
    let suffix = name.to_string();
    let index = |export: &str| -> Option<u32> {
        let mut parts = export.strip_prefix("weft ")?.strip_suffix(&suffix)?.split(' ');
        parts.nth(1)?.parse().ok()
    };
    let exports = code.exports().filter(|export| wanted(&export.ty()));
    let mut found: Vec<_> = exports.filter_map(|at| Some((index(at.name())?, at.name()))).collect();
    found.sort_unstable();
    found.into_iter().filter_map(|(_, name)| code.get_export_index(name)).collect()
}
