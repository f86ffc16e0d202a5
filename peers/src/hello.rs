//! A program that greets, in one process: every call with a seed that nobody
//! has seen, so that nothing is known.

use std::time::Instant;

use wasmtime::{Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, Store};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_sync};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use weft_node::{Config, Node, Session};
use weft_object::Handle;

use crate::Result;
use crate::found::Pairs;
use crate::promise::Amount;

const HELLO: &[u8] = include_bytes!("../../guests/bin/wasi-hello.wasm");
const MEMORY_BYTES: u64 = 256 << 20;

const BATCHES: usize = 200;
const CALLS: usize = 50;

pub(crate) fn run() -> Result<bool> {
    let mut ours = Ours::new()?;
    let theirs = Theirs::new()?;
    for _ in 0..CALLS {
        ours.call()?;
        theirs.call()?;
    }
    let mut pairs = Pairs::new();
    for _ in 0..BATCHES {
        let start = Instant::now();
        for _ in 0..CALLS {
            ours.call()?;
        }
        let between = Instant::now();
        for _ in 0..CALLS {
            theirs.call()?;
        }
        let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / CALLS as f64;
        pairs.push(each(between - start), each(between.elapsed()));
    }
    let applied = ours.node.stat().applied;
    let calls = ((BATCHES + 1) * CALLS) as u64;
    if applied != calls {
        return Err(format!("{applied} programs ran for {calls} calls").into());
    }
    Ok(pairs.tell("hello", Amount::Us))
}

struct Ours {
    // Before the node, whose content it holds.
    session: Session,
    node: Node,
    program: Handle,
    said: Handle,
    seed: u64,
}

impl Ours {
    fn new() -> Result<Self> {
        let node = Node::start(Config { workers: 2, ..Config::default() })?;
        let session = node.session();
        let program = session.put_blob(HELLO);
        let mut ours = Self { session, node, program, said: Handle::EMPTY, seed: 0 };
        ours.said = Handle::of_blob(&Theirs::new()?.say()?);
        Ok(ours)
    }

    fn call(&mut self) -> Result<()> {
        self.seed += 1;
        let session = &self.session;
        let arguments = session.put_tree(&[Handle::of_blob(b"hello")]);
        let nothing = Handle::EMPTY;
        let application = session.put_tree(&[
            Handle::of_u64(MEMORY_BYTES),
            Handle::of_blob(b"wasi/1"),
            self.program,
            arguments,
            nothing,
            nothing,
            Handle::of_u64(self.seed),
        ]);
        let request = application.application().and_then(Handle::strict).ok_or("no request")?;
        let outcome = session.evaluate(request);
        let value = outcome.value().ok_or_else(|| format!("{outcome:?}"))?;
        let content = session.content(value)?.ok_or("no value")?;
        let entries = content.tree().ok_or("no tree")?.entries();
        match entries[..2] == [Handle::of_u64(0), self.said] {
            true => Ok(()),
            false => Err(format!("said something else: {entries:?}").into()),
        }
    }
}

struct Theirs {
    engine: Engine,
    pre: InstancePre<WasiP1Ctx>,
}

impl Theirs {
    fn new() -> Result<Self> {
        let mut config = wasmtime::Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::pooling());
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, HELLO)?;
        let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
        add_to_linker_sync(&mut linker, |context| context)?;
        let pre = linker.instantiate_pre(&module)?;
        Ok(Self { engine, pre })
    }

    fn say(&self) -> Result<Vec<u8>> {
        let stdout = MemoryOutputPipe::new(4096);
        let context = WasiCtxBuilder::new().args(&["hello"]).stdout(stdout.clone()).build_p1();
        let mut store = Store::new(&self.engine, context);
        let instance = self.pre.instantiate(&mut store)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        start.call(&mut store, ())?;
        drop(store);
        Ok(stdout.contents().to_vec())
    }

    fn call(&self) -> Result<()> {
        match self.say()?.is_empty() {
            true => Err("it said nothing".into()),
            false => Ok(()),
        }
    }
}
