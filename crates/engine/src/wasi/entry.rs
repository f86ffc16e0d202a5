//! Which function of a program is called, and what stands in for imports that
//! nobody has.

use wasmtime::{ExternType, Linker, Module, Result, Val, ValType};
use weft_object::{Handle, Kind, Tree};

use super::{Running, form, ill_formed};
use crate::Run;
use crate::modules::Refusal;
use crate::outcome::{FailureKind, Stop};

/// What a command exports.
pub(super) const START: &str = "_start";

/// What a reactor exports, to be called before anything else.
pub(crate) const INITIALIZE: &str = "_initialize";

/// What beside its bytes says how a program is run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    /// The function that is called; `None` is [`START`] of a command.
    pub(crate) function: Option<String>,
    pub(crate) stubs: Vec<Stub>,
}

/// A function that stands in for an import.
#[derive(Clone, Debug)]
pub(crate) struct Stub {
    pub(super) module: String,
    pub(super) name: String,
    /// What it returns; `None` traps.
    value: Option<u64>,
}

impl Entry {
    /// `[module, function, (module, name, value)...]`, and the program's module.
    pub(crate) fn read(run: &Run<'_>, tree: &Tree) -> Result<(Handle, Self), Refusal> {
        let (Some(module), rest) = (tree.entries().first(), tree.entries().get(1..)) else {
            return Err(ill_formed("the program is an empty tree".to_owned()));
        };
        if module.kind() != Kind::Blob {
            let kind = module.kind();
            return Err(ill_formed(format!("the program's module is {kind}, not blob")));
        }
        let rest = rest.unwrap_or_default();
        let function = match rest.first() {
            Some(name) => text(run, name, "the name of the function")?,
            None => String::new(),
        };
        let stubs = rest.get(1..).unwrap_or_default().chunks(3);
        let stubs = stubs.map(|stub| Stub::read(run, stub)).collect::<Result<_, _>>()?;
        let function = (!function.is_empty()).then_some(function);
        Ok((*module, Self { function, stubs }))
    }

    /// Whether there is nothing but the module.
    pub(crate) fn is_plain(&self) -> bool {
        self.function.is_none() && self.stubs.is_empty()
    }

    /// The stub for an import, if there is one.
    pub(super) fn stub(&self, module: &str, name: &str) -> Option<&Stub> {
        self.stubs.iter().find(|stub| stub.module == module && stub.name == name)
    }

    /// Puts the stubs that a module imports in front of what is linked.
    pub(super) fn link(&self, code: &Module, linker: &mut Linker<Running>) -> wasmtime::Result<()> {
        linker.allow_shadowing(true);
        for import in code.imports() {
            let Some(stub) = self.stub(import.module(), import.name()) else { continue };
            let ExternType::Func(ty) = import.ty() else { continue };
            let (values, called) = (stub.values(ty.results()), stub.called());
            linker.func_new(&stub.module, &stub.name, ty, move |_, _, results| {
                let Some(values) = &values else {
                    return Err(Stop::Failure(FailureKind::Trap, called.clone()).into());
                };
                results.clone_from_slice(values);
                Ok(())
            })?;
        }
        Ok(())
    }
}

impl Stub {
    fn read(run: &Run<'_>, parts: &[Handle]) -> Result<Self, Refusal> {
        let [module, name, value] = parts else {
            return Err(ill_formed("a stub is a module, a name and a value".to_owned()));
        };
        let value = form::bytes(run, value, "the value of a stub")?;
        Ok(Self {
            module: text(run, module, "the module of a stub")?,
            name: text(run, name, "the name of a stub")?,
            value: form::number(&value, "the value of a stub")?,
        })
    }

    /// What it returns, for each result.
    fn values(&self, results: impl Iterator<Item = ValType>) -> Option<Vec<Val>> {
        let value = self.value?;
        let of = |ty| match ty {
            ValType::I64 => Val::I64(value.cast_signed()),
            // The check lets only integers through.
            _ => Val::I32(value as i32),
        };
        Some(results.map(of).collect())
    }

    fn called(&self) -> String {
        format!("{}.{} was called, and its stub has no value", self.module, self.name)
    }
}

fn text(run: &Run<'_>, handle: &Handle, name: &str) -> Result<String, Refusal> {
    let bytes = form::bytes(run, handle, name)?;
    let text = String::from_utf8(bytes.bytes().to_vec());
    text.map_err(|_| ill_formed(format!("{name} is not UTF-8")))
}
