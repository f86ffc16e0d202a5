//! What images are made of, as far as it is not one and the same: codelets, and
//! programs for WASI.

use std::thread::LocalKey;

use wasmtime::{Instance, InstancePre, Module, ModuleExport, Store};
use weft_wasi::Suspended;

use super::kept::Kepts;
use super::pages::Loaded;
use super::{Imaged, Linked};
use crate::check::Shape;
use crate::limits::Limits;
use crate::modules::{Caches, PoolFull, Prepared, Refusal};
use crate::outcome::{Applied, Failure};
use crate::state::State;
use crate::wasi::Entry;
use crate::way::Way;
use crate::{Engine, Run};

/// A sort of modules.
pub(crate) trait Host: Sized + 'static {
    /// Names what is compiled of it.
    const SORT: &'static str;

    /// What a store holds.
    type Data: AsMut<State> + 'static;

    /// What a module exports for its host alone.
    type Exports: Send + Sync + 'static;

    /// What a run of an image is given.
    type Given;

    /// What one is given that makes an image.
    type Beginning;

    /// Whether a module is one of these.
    fn check(module: &[u8], entry: &Entry) -> Result<Shape, Failure>;

    /// With what it imports.
    fn pre(code: &Module, entry: &Entry, way: &Way) -> wasmtime::Result<InstancePre<Self::Data>>;

    /// Finds that.
    fn exports(code: &Module) -> wasmtime::Result<Self::Exports>;

    /// What of it wants to be called first.
    fn initialize(exports: &Self::Exports) -> Option<&ModuleExport>;

    /// Where an engine keeps them.
    fn caches(engine: &Engine) -> &Caches<Imaged<Self>>;

    /// Where a thread keeps instances.
    fn shelf() -> &'static LocalKey<Kepts<Self>>;

    /// Reads what a program begins with.
    fn beginning(run: &Run<'_>) -> Result<Self::Beginning, Refusal>;

    /// The state of a run that makes an image.
    ///
    /// # Safety
    /// As of [`State::begin`], with what `run` borrows.
    unsafe fn begin(
        run: &Run<'_>,
        engine: &Engine,
        beginning: &mut Self::Beginning,
        limits: Limits,
    ) -> Self::Data;

    /// Whether what was begun can be gone on with, as far as its host knows at once.
    fn fit(data: &Self::Data, beginning: &Self::Beginning) -> wasmtime::Result<()>;

    /// What its host has to know to go on; ends the state.
    fn suspend(
        data: Self::Data,
        beginning: &Self::Beginning,
    ) -> wasmtime::Result<Option<Suspended>>;

    /// Reads what an image goes on with.
    fn given(run: &Run<'_>, image: &Loaded) -> Result<Self::Given, Refusal>;

    /// The state of a run that goes on.
    ///
    /// # Safety
    /// As of [`State::begin`], with what `run` and `given` borrow.
    unsafe fn go_on(
        run: &Run<'_>,
        engine: &Engine,
        given: &mut Self::Given,
        limits: Limits,
    ) -> Self::Data;

    /// What a store holds between two runs.
    fn hollow() -> Self::Data;

    /// Calls what is to be called.
    fn call(
        given: &Self::Given,
        linked: &Linked<Self>,
        instance: &Instance,
        store: &mut Store<Self::Data>,
    ) -> wasmtime::Result<u32>;

    /// What a run has come to.
    fn end(
        run: &Run<'_>,
        prepared: &Prepared<Imaged<Self>>,
        data: Self::Data,
        result: wasmtime::Result<u32>,
        fuel_left: Option<u64>,
    ) -> Result<Applied, PoolFull>;
}
