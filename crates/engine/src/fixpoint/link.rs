//! The functions that a module imports, and no others: a name says which memory or
//! table it is about, so each module has its own.

use std::collections::HashMap;

use wasmtime::{Caller, Engine, I31, Linker, Module, ModuleExport, Result};
use weft_object::Handle;

use super::Hosted;
use super::calls::{self, At};
use super::names::{Call, Named};
use crate::rewrite::handles::{Told, told};

/// What a module was found to have when it was rewritten.
pub(super) struct Layout {
    /// The memory of tables.
    pub(super) tables: ModuleExport,
    /// The records of tables, by the name that each is exported under.
    records: HashMap<String, u32>,
    /// Memories that calls are about.
    pub(super) memories: Vec<ModuleExport>,
    /// By name, the place among these and the record.
    named: HashMap<String, (usize, Option<u32>)>,
    /// What no function observes.
    pub(super) beside_bytes: u64,
    /// How many it has, with what was put beside them.
    pub(super) memories_in_all: u32,
    pub(super) tables_in_all: u32,
    /// What the module changes, if the host can put it back.
    pub(super) kept: Option<Changing>,
}

/// What the runs of a module change.
#[derive(Default)]
pub(super) struct Changing {
    pub(super) memories: Vec<ModuleExport>,
    pub(super) globals: Vec<ModuleExport>,
}

impl Layout {
    pub(super) fn of(code: &Module, module: &Handle) -> Result<Self> {
        let gone = || wasmtime::Error::msg("an added export is gone");
        let index = |name: &str| code.get_export_index(name).ok_or_else(gone);
        let (mut tables, mut beside_bytes, mut plain) = (None, 0, false);
        let (mut records, mut changing) = (HashMap::new(), Changing::default());
        for export in code.exports() {
            match told(module, export.name()) {
                Some(Told::Tables) => tables = Some(index(export.name())?),
                Some(Told::Record { at, name }) => {
                    records.insert(name.to_owned(), at);
                }
                Some(Told::Beside { bytes }) => beside_bytes = bytes,
                Some(Told::Written) => changing.memories.push(index(export.name())?),
                Some(Told::Global) => changing.globals.push(index(export.name())?),
                Some(Told::Plain) => plain = true,
                None => {}
            }
        }
        let (mut memories, mut named) = (Vec::new(), HashMap::new());
        for export in code.exports() {
            let name = export.name();
            if export.ty().memory().is_some() && told(module, name).is_none() {
                named.insert(name.to_owned(), (memories.len(), records.get(name).copied()));
                memories.push(index(name)?);
            }
        }
        let kept = plain.then_some(changing);
        let has = code.resources_required();
        Ok(Self {
            tables: tables.ok_or_else(gone)?,
            records,
            memories,
            named,
            beside_bytes,
            memories_in_all: has.num_memories,
            tables_in_all: has.num_tables,
            kept,
        })
    }

    fn memory(&self, name: &str) -> Option<At> {
        let (place, record) = *self.named.get(name)?;
        Some(At { place, record: record.unwrap_or_default() })
    }

    /// A table has no place among memories.
    fn table(&self, name: &str) -> Option<At> {
        self.records.get(name).map(|record| At { place: 0, record: *record })
    }
}

type Guest<'a> = Caller<'a, Hosted>;
type H = Option<I31>;

/// Defines what a module imports, which was checked.
pub(super) fn link(engine: &Engine, code: &Module, layout: &Layout) -> Result<Linker<Hosted>> {
    let mut linker = Linker::new(engine);
    // An import may stand in a module twice.
    linker.allow_shadowing(true);
    for import in code.imports() {
        let (module, name) = (import.module(), import.name());
        let params = import.ty().func().map_or(0, |ty| ty.params().len());
        let Some(call) = Call::of(name, params) else { continue };
        define(&mut linker, (module, name), call, layout)?;
    }
    Ok(linker)
}

fn define(
    linker: &mut Linker<Hosted>,
    (module, name): (&str, &str),
    call: Call,
    layout: &Layout,
) -> Result<()> {
    // What failures call it.
    let own: std::sync::Arc<str> = name.into();
    let memory = |prefix: &str, number: u32| layout.memory(&format!("{prefix}{number}"));
    let table = |prefix: &str, number: u32| layout.table(&format!("{prefix}{number}"));
    let named = |named: Named| match named {
        Named::Memory => layout.memory("memory"),
        Named::ReadOnly(number) => memory("ro_mem_", number),
        Named::ReadWrite(number) => memory("rw_mem_", number),
    };
    match call {
        Call::AttachTree(number) => {
            let at = table("ro_table_", number);
            linker.func_wrap(module, name, move |guest: Guest<'_>, tree: H| {
                calls::attach_tree(guest, &own, at, tree)
            })
        }
        Call::AttachBlob(number) => {
            let at = memory("ro_mem_", number);
            linker.func_wrap(module, name, move |guest: Guest<'_>, blob: H| {
                calls::attach_blob(guest, &own, at, blob)
            })
        }
        Call::AttachedTree(number) => {
            let at = table("ro_table_", number);
            linker.func_wrap(module, name, move |guest: Guest<'_>| {
                calls::attached_tree(guest, &own, at)
            })
        }
        Call::AttachedBlob(number) => {
            let at = memory("ro_mem_", number);
            linker.func_wrap(module, name, move |guest: Guest<'_>| {
                calls::attached_blob(guest, &own, at)
            })
        }
        Call::Size(number) => {
            let at = memory("ro_mem_", number);
            linker.func_wrap(module, name, move |guest: Guest<'_>| calls::size(&guest, &own, at))
        }
        Call::DetachBlob(number) => {
            let at = memory("rw_mem_", number);
            linker.func_wrap(module, name, move |guest: Guest<'_>, bytes: u32| {
                calls::detach_blob(guest, &own, at, bytes)
            })
        }
        Call::DetachTree(number) => {
            let at = table("rw_table_", number);
            linker.func_wrap(module, name, move |guest: Guest<'_>, entries: u32| {
                calls::detach_tree(guest, &own, at, entries)
            })
        }
        Call::BlobOf(memory) => {
            let at = named(memory);
            let is_recorded = memory != Named::Memory;
            linker.func_wrap(module, name, move |guest: Guest<'_>, from: u32, bytes: u32| {
                calls::blob_of(guest, &own, at, is_recorded, (from, bytes))
            })
        }
        Call::Print(memory) => {
            let at = named(memory);
            let is_recorded = memory != Named::Memory;
            linker.func_wrap(module, name, move |guest: Guest<'_>, from: u32, bytes: u32| {
                calls::print(guest, &own, at, is_recorded, (from, bytes))
            })
        }
        Call::BlobI32 => linker.func_wrap(module, name, move |guest: Guest<'_>, value: u32| {
            calls::literal(guest, &own, &value.to_le_bytes())
        }),
        Call::BlobI64 => linker.func_wrap(module, name, move |guest: Guest<'_>, value: u64| {
            calls::literal(guest, &own, &value.to_le_bytes())
        }),
        Call::Nil => {
            linker.func_wrap(module, name, move |guest: Guest<'_>| calls::literal(guest, &own, &[]))
        }
        Call::Application => linker.func_wrap(module, name, move |guest: Guest<'_>, tree: H| {
            calls::application(guest, &own, tree)
        }),
        Call::Eager => linker.func_wrap(module, name, move |guest: Guest<'_>, tree: H| {
            calls::eager(guest, &own, tree)
        }),
        Call::Identification | Call::Defined | Call::Strict | Call::Shallow | Call::Lower => linker
            .func_wrap(module, name, move |guest: Guest<'_>, handle: H| {
                calls::turned(guest, &own, call, handle)
            }),
        Call::Selection => {
            linker.func_wrap(module, name, move |guest: Guest<'_>, target: H, entry: u32| {
                calls::selection(guest, &own, target, (entry, None))
            })
        }
        Call::Range => linker.func_wrap(
            module,
            name,
            move |guest: Guest<'_>, target: H, from: u32, to: u32| {
                calls::selection(guest, &own, target, (from, Some(to)))
            },
        ),
        Call::Tag => linker.func_wrap(module, name, move |guest: Guest<'_>, target: H, data: H| {
            calls::tag(guest, &own, target, data)
        }),
        Call::Length | Call::Is(_) | Call::ValueType | Call::Access => {
            linker.func_wrap(module, name, move |guest: Guest<'_>, handle: H| {
                calls::asked(guest, &own, call, handle)
            })
        }
        Call::Equal => linker.func_wrap(module, name, move |guest: Guest<'_>, a: H, b: H| {
            calls::equal(&guest, &own, a, b)
        }),
        Call::Pin => linker.func_wrap(module, name, move |guest: Guest<'_>, a: H, b: H| {
            calls::pin(&guest, &own, a, b)
        }),
    }?;
    Ok(())
}
