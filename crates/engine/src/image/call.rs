//! What is called of a program: a function that takes nothing, or bytes.

use wasmtime::{Func, Instance, Store, ValType};
use weft_object::{Blob, Handle, Kind};

use super::{failed, ill_formed};
use crate::Run;
use crate::modules::Refusal;
use crate::wasi::{INITIALIZE, form};

/// A call of a function that is named: a Blob, or a Tree `[function, allocator,
/// bytes]`.
pub(super) struct Call {
    pub(super) name: String,
    given: Option<Given>,
}

struct Given {
    /// What the bytes' place in memory comes from, as from `malloc`.
    allocator: String,
    bytes: Blob,
}

/// What a function takes and returns.
#[derive(Clone, Copy)]
enum Shape {
    Plain,
    Code,
    OfBytes,
    CodeOfBytes,
}

impl Call {
    /// What a procedure is told to call.
    pub(super) fn read(run: &Run<'_>, call: Handle, procedure: &[u8]) -> Result<Self, Refusal> {
        let text = |handle: &Handle| {
            let bytes = form::bytes(run, handle, "the name of a function")?;
            let name = String::from_utf8(bytes.bytes().to_vec());
            name.map_err(|_| ill_formed(procedure, "the name of a function is not UTF-8"))
        };
        if call.kind() != Kind::Tree {
            return Ok(Self { name: text(&call)?, given: None });
        }
        let tree = form::tree(run, call, "a call")?;
        let [name, allocator, bytes] = tree.entries() else {
            let detail = "a call with bytes is a function, an allocator and bytes";
            return Err(ill_formed(procedure, detail));
        };
        let bytes = form::bytes(run, bytes, "the bytes of a call")?;
        let given = Some(Given { allocator: text(allocator)?, bytes });
        Ok(Self { name: text(name)?, given })
    }

    /// Calls it; what it returns, or 0.
    pub(super) fn perform<T: 'static>(
        &self,
        instance: &Instance,
        store: &mut Store<T>,
    ) -> wasmtime::Result<u32> {
        let found = instance.get_func(&mut *store, &self.name);
        let shape = found.and_then(|function| self.shape(&function, store));
        let (Some(function), Some(shape)) = (found, shape) else {
            return Err(self.wrong(instance, store, found));
        };
        let place = match &self.given {
            Some(given) => given.put(instance, store)?,
            None => (0, 0),
        };
        let code = match shape {
            Shape::Plain => {
                function.typed::<(), ()>(&*store)?.call(store, ())?;
                0
            }
            Shape::Code => function.typed::<(), i32>(&*store)?.call(store, ())?,
            Shape::OfBytes => {
                function.typed::<(i32, i32), ()>(&*store)?.call(store, place)?;
                0
            }
            Shape::CodeOfBytes => function.typed::<(i32, i32), i32>(&*store)?.call(store, place)?,
        };
        Ok(code.cast_unsigned())
    }

    /// Of which of the types that fit a function is. To try them one after the other
    /// would make an error for each that it is not.
    fn shape<T: 'static>(&self, function: &Func, store: &Store<T>) -> Option<Shape> {
        let ty = function.ty(store);
        let (params, results) = (ty.params().len(), ty.results().len());
        let is_plain = ty.params().chain(ty.results()).all(|ty| matches!(ty, ValType::I32));
        match (self.given.is_some(), params, results) {
            _ if !is_plain => None,
            (false, 0, 0) => Some(Shape::Plain),
            (false, 0, 1) => Some(Shape::Code),
            (true, 2, 0) => Some(Shape::OfBytes),
            (true, 2, 1) => Some(Shape::CodeOfBytes),
            _ => None,
        }
    }

    /// What is wrong, with the functions that could be called so.
    fn wrong<T: 'static>(
        &self,
        instance: &Instance,
        store: &mut Store<T>,
        found: Option<Func>,
    ) -> wasmtime::Error {
        const TOLD_MAX: usize = 16;
        let functions: Vec<_> = instance
            .exports(&mut *store)
            .filter_map(|export| Some((export.name().to_owned(), export.into_func()?)))
            .collect();
        let fit = functions.into_iter().filter(|(name, function)| {
            let is_ours = name.starts_with("weft ") || name == INITIALIZE;
            !is_ours && self.shape(function, store).is_some()
        });
        let fit: Vec<_> = fit.map(|(name, _)| name).take(TOLD_MAX).collect();
        let name = &self.name;
        let takes = if self.given.is_some() { "an address and a length" } else { "nothing" };
        let wrong = match found {
            Some(_) => format!("{name} is no function that takes {takes}"),
            None => format!("the program exports no {name}"),
        };
        failed(match fit.is_empty() {
            true => format!("{wrong}, nor one that could be called"),
            false => format!("{wrong}; there is {}", fit.join(", ")),
        })
    }
}

impl Given {
    /// Puts the bytes where the allocator says.
    fn put<T: 'static>(
        &self,
        instance: &Instance,
        store: &mut Store<T>,
    ) -> wasmtime::Result<(i32, i32)> {
        let (allocator, bytes) = (&self.allocator, self.bytes.bytes());
        let room = || failed(format!("{allocator} gave no room for {} bytes", bytes.len()));
        let length = i32::try_from(bytes.len()).map_err(|_| room())?;
        let function = instance.get_func(&mut *store, allocator);
        let function = function.and_then(|function| function.typed::<i32, i32>(&*store).ok());
        let function = function.ok_or_else(|| {
            failed(format!("the program exports no {allocator} that takes a length; name another"))
        })?;
        let at = function.call(&mut *store, length)?.cast_unsigned();
        let memory = instance.get_memory(&mut *store, "memory").ok_or_else(room)?;
        let there = memory.data_mut(&mut *store).get_mut(at as usize..);
        let there = there.and_then(|there| there.get_mut(..bytes.len()));
        there.filter(|_| at != 0 || bytes.is_empty()).ok_or_else(room)?.copy_from_slice(bytes);
        Ok((at.cast_signed(), length))
    }
}
