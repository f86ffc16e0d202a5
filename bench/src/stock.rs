//! The baseline: a fresh instance of the same module on plain wasmtime.
//!
//! wasmtime's own defaults with its pooling allocator, the module compiled and
//! linked beforehand. The functions it imports keep what a handle stands for in
//! a vector and name nothing, so this is what a sandbox costs by itself.

use std::path::Path;

use wasmtime::{
    Caller, Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, Result, Store,
};

use crate::plain;

/// A module ready to be instantiated.
pub(crate) struct Stock {
    engine: Engine,
    pre: InstancePre<Table>,
}

type Table = Vec<Item>;

#[derive(Clone)]
enum Item {
    Number(u64),
    Tree(Vec<i32>),
    Other,
}

const MODULE: &str = "weft_1";

fn none() -> wasmtime::Error {
    wasmtime::Error::msg("no such handle")
}

fn get(table: &Table, at: i32) -> Result<&Item> {
    table.get(usize::try_from(at)?).ok_or_else(none)
}

fn push(table: &mut Table, item: Item) -> i32 {
    table.push(item);
    (table.len() - 1) as i32
}

/// Where modules become ready: an engine, and what they import.
pub(crate) struct Platform {
    engine: Engine,
    linker: Linker<Table>,
}

impl Platform {
    pub(crate) fn new() -> Result<Self> {
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::pooling());
        let engine = Engine::new(&config)?;
        let mut linker: Linker<Table> = Linker::new(&engine);
        linker.func_wrap(MODULE, "length", |caller: Caller<'_, Table>, h: i32| {
            match get(caller.data(), h)? {
                Item::Number(_) => Ok(8),
                Item::Tree(entries) => Ok(entries.len() as i64),
                Item::Other => Err(none()),
            }
        })?;
        linker.func_wrap(MODULE, "tree_get", |mut caller: Caller<'_, Table>, h: i32, i: i64| {
            let Item::Tree(entries) = get(caller.data(), h)? else { return Err(none()) };
            let at = *entries.get(usize::try_from(i)?).ok_or_else(none)?;
            let item = get(caller.data(), at)?.clone();
            Ok(push(caller.data_mut(), item))
        })?;
        linker.func_wrap(MODULE, "blob_u64", |caller: Caller<'_, Table>, h: i32| {
            match get(caller.data(), h)? {
                Item::Number(number) => Ok(*number),
                _ => Err(none()),
            }
        })?;
        linker.func_wrap(MODULE, "u64_blob", |mut caller: Caller<'_, Table>, number: u64| {
            push(caller.data_mut(), Item::Number(number))
        })?;
        linker.func_wrap(
            MODULE,
            "tree_new",
            |mut caller: Caller<'_, Table>, ptr: i32, n: i32| {
                let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
                let bytes = memory.ok_or_else(none)?.data(&caller);
                let from = usize::try_from(ptr)?;
                let bytes = bytes.get(from..from + 4 * usize::try_from(n)?).ok_or_else(none)?;
                let entries = bytes
                    .chunks_exact(4)
                    .map(|raw| i32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))
                    .collect();
                Ok(push(caller.data_mut(), Item::Tree(entries)))
            },
        )?;
        for name in ["application", "shallow"] {
            linker.func_wrap(MODULE, name, |mut caller: Caller<'_, Table>, h: i32| {
                let item = get(caller.data(), h)?.clone();
                Ok(push(caller.data_mut(), item))
            })?;
        }
        linker.func_wrap(
            MODULE,
            "selection",
            |mut caller: Caller<'_, Table>, _: i32, _: i64| push(caller.data_mut(), Item::Other),
        )?;
        Ok(Self { engine, linker })
    }

    /// Compiles a module.
    pub(crate) fn compile(&self, module: &[u8]) -> Result<Stock> {
        self.link(&Module::new(&self.engine, module)?)
    }

    /// A module compiled, as bytes to keep.
    pub(crate) fn serialize(&self, module: &[u8]) -> Result<Vec<u8>> {
        Module::new(&self.engine, module)?.serialize()
    }

    /// A module of a file with what [`Platform::serialize`] gave.
    pub(crate) fn load(&self, path: &Path) -> Result<Stock> {
        self.link(&plain::deserialize(&self.engine, path)?)
    }

    fn link(&self, module: &Module) -> Result<Stock> {
        let pre = self.linker.instantiate_pre(module)?;
        Ok(Stock { engine: self.engine.clone(), pre })
    }
}

impl Stock {
    pub(crate) fn new(module: &[u8]) -> Result<Self> {
        let mut platform = Platform::new()?;
        let module = Module::new(&platform.engine, module)?;
        platform.linker.define_unknown_imports_as_traps(&module)?;
        platform.link(&module)
    }

    /// Calls the function on two numbers in a fresh instance; the number that
    /// it returns, if it is one.
    pub(crate) fn of_two(&self, (a, b): (u64, u64)) -> Result<Option<u64>> {
        let tree = Item::Tree(vec![1, 1, 2, 3]);
        self.call(vec![tree, Item::Other, Item::Number(a), Item::Number(b)])
    }

    /// The same with a third argument that is no number.
    pub(crate) fn of_two_and_a_node(&self, (a, b): (u64, u64)) -> Result<Option<u64>> {
        let tree = Item::Tree(vec![1, 1, 2, 3, 4]);
        self.call(vec![tree, Item::Other, Item::Number(a), Item::Number(b), Item::Other])
    }

    fn call(&self, table: Table) -> Result<Option<u64>> {
        let mut store = Store::new(&self.engine, table);
        let instance = self.pre.instantiate(&mut store)?;
        let apply = instance.get_typed_func::<i32, i32>(&mut store, "weft_apply")?;
        let result = apply.call(&mut store, 0)?;
        match get(store.data(), result)? {
            Item::Number(number) => Ok(Some(*number)),
            _ => Ok(None),
        }
    }
}
