use wasmtime::{Extern, Instance, Ref, Store, Val};

use crate::apply::Codelet;
use crate::modules::Prepared;
use crate::rewrite::{LEDGER_AT, side_name};
use crate::state::State;

/// All that a run may change of an instance, as it began: its memories, with the
/// one beside, its globals and its tables. Not the page where handles are taken, in
/// which each run begins anew.
pub(super) struct Pristine(Vec<(String, Extern, usize, Bits)>);

/// What one of them holds.
#[derive(PartialEq)]
enum Bits {
    Bytes(Vec<u8>),
    Words(Vec<u128>),
}

impl Pristine {
    /// Of a module that was rewritten to be compared: all that it may change is
    /// exported under names that end in its own.
    pub(super) fn of(
        prepared: &Prepared<Codelet>,
        instance: &Instance,
        store: &mut Store<Box<State>>,
    ) -> wasmtime::Result<Self> {
        let mut all = Vec::new();
        let ours = prepared.module.to_string();
        let side = side_name(&prepared.module);
        for export in prepared.linked.pre.module().exports() {
            let name = export.name();
            if export.ty().func().is_some() || !name.ends_with(&ours) {
                continue;
            }
            let export = instance.get_export(&mut *store, name);
            let export = export.ok_or_else(|| wasmtime::Error::msg("an export is gone"))?;
            let end = if name == side { LEDGER_AT as usize } else { usize::MAX };
            let bits = Bits::of(&export, store, end);
            all.push((name.to_owned(), export, end, bits));
        }
        Ok(Self(all))
    }

    /// # Panics
    /// If anything is not as it was.
    pub(super) fn compare(&self, store: &mut Store<Box<State>>) {
        for (name, export, end, began) in &self.0 {
            // Most of it is memory, which is not copied to be looked at.
            if let (Extern::Memory(memory), Bits::Bytes(bytes)) = (export, began)
                && until(memory.data(&*store), *end) == bytes.as_slice()
            {
                continue;
            }
            let is = Bits::of(export, store, *end);
            if *began != is {
                let place = began.first_difference(&is);
                panic!("an instance was not put back: {name} differs at {place:?}");
            }
        }
    }
}

impl Bits {
    /// Of a memory, up to `end`.
    fn of(export: &Extern, store: &mut Store<Box<State>>, end: usize) -> Self {
        match export {
            Extern::Memory(memory) => Self::Bytes(until(memory.data(&*store), end).to_vec()),
            Extern::Global(global) => {
                let value = global.get(&mut *store);
                Self::Words(vec![word(&value, store)])
            }
            Extern::Table(table) => {
                let mut words = Vec::new();
                for index in 0..table.size(&*store) {
                    let entry = table.get(&mut *store, index);
                    words.push(entry.map_or(0, |entry| reference(&entry, store)));
                }
                Self::Words(words)
            }
            // Functions and tags do not change.
            _ => Self::Words(Vec::new()),
        }
    }

    fn first_difference(&self, other: &Self) -> Option<usize> {
        match (self, other) {
            (Self::Bytes(a), Self::Bytes(b)) => a.iter().zip(b).position(|(a, b)| a != b),
            (Self::Words(a), Self::Words(b)) => a.iter().zip(b).position(|(a, b)| a != b),
            _ => None,
        }
    }
}

fn until(bytes: &[u8], end: usize) -> &[u8] {
    &bytes[..bytes.len().min(end)]
}

fn word(value: &Val, store: &mut Store<Box<State>>) -> u128 {
    match value {
        Val::I32(value) => u128::from(value.cast_unsigned()),
        Val::I64(value) => u128::from(value.cast_unsigned()),
        Val::F32(bits) => u128::from(*bits),
        Val::F64(bits) => u128::from(*bits),
        Val::V128(value) => value.as_u128(),
        other => other.ref_().map_or(0, |entry| reference(&entry, store)),
    }
}

/// Tells functions apart. There are no other references that are not null.
fn reference(entry: &Ref, store: &mut Store<Box<State>>) -> u128 {
    match entry {
        Ref::Func(Some(function)) => function.to_raw(store) as usize as u128,
        _ => 0,
    }
}
