//! Decides whether a module can be applied at all: by the meaning version's
//! features and ABI, whatever a compiler accepts or refuses.

mod imports;

pub(crate) use imports::unknown as unknown_imports;

use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{
    BinaryReaderError, ExternalKind, FuncType, Parser, Payload, ValType, WasmFeatures,
};
use weft_object::Handle;

use crate::abi::table::{CALLS, EXPORT, MODULE};
use crate::effort::validate;
use crate::meaning::{TABLE_ELEMENTS_MAX, features};
use crate::outcome::{Failure, FailureKind};

/// What is known of a valid module before it runs.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// What its memories come to before anything grows, in bytes.
    pub(crate) memory_min_bytes: u64,
    /// Whether a memory can be larger than 4 GiB.
    pub(crate) has_memory64: bool,
    /// Why it is not compiled here although it is valid.
    pub(crate) too_much: Option<String>,
}

/// Whether what was found sound before would be found so by this program: to be
/// raised when a check becomes stricter.
const CHECKS: &str = concat!("weft ", env!("CARGO_PKG_VERSION"), ", checks 1");

impl Shape {
    /// Of a module that was checked for a target, to be kept with its code: the
    /// target (32 bytes), a handle for the checks (32), the least memory (8) and
    /// whether it can be larger than 4 GiB (1).
    pub(crate) fn encode(&self, target: &Handle) -> Vec<u8> {
        let checks = Handle::of_blob(CHECKS.as_bytes());
        let memory = self.memory_min_bytes.to_le_bytes();
        let large = [u8::from(self.has_memory64)];
        [&target.as_bytes()[..], checks.as_bytes(), &memory, &large].concat()
    }

    /// `None` if it is of another target or other checks.
    pub(crate) fn decode(about: &[u8], target: &Handle) -> Option<Self> {
        let shape = |memory_min_bytes, has_memory64| Self {
            memory_min_bytes,
            has_memory64,
            too_much: None,
        };
        let memory = about.get(64..72)?.try_into().ok()?;
        let shape = shape(u64::from_le_bytes(memory), about.get(72)? == &1);
        (shape.encode(target) == about).then_some(shape)
    }
}

// So many types of a list are told, for the same reason as with names.
const TYPES_MAX: usize = 80;

/// Of a module, a name and the type of a function there.
type Import<'a> = dyn Fn(&str, &str, Option<&FuncType>) -> Option<String> + 'a;

/// More of a failure's detail, and its note.
type Otherwise<'a> = dyn Fn(&[&str]) -> (&'static str, Option<String>) + 'a;

/// What a module has to import and export to be applied in some way.
pub(crate) struct Wanted<'a> {
    pub(crate) features: WasmFeatures,
    /// The type that an import must have, by module, name and the type that it
    /// has; `None` if there is none like it.
    pub(crate) import: &'a Import<'a>,
    /// The module and the names of all that there are, to look for what
    /// somebody may have meant.
    pub(crate) known: (&'a str, &'a [&'a str]),
    /// What else to say of an import from a module, if anything.
    pub(crate) hint: &'a dyn Fn(&str) -> Option<&'static str>,
    /// The function that is called, and the types that it may have; `None` where
    /// that is found when it is called.
    pub(crate) export: Option<(&'a str, &'a [&'a str])>,
    /// The types of functions that may have been meant instead.
    pub(crate) others: &'a [&'a str],
    /// What to say of a module without it: more of the detail, and the note,
    /// by the names of all functions of these types.
    pub(crate) otherwise: &'a Otherwise<'a>,
}

/// Checks a codelet.
pub(crate) fn check(module: &[u8]) -> Result<Shape, Failure> {
    let names: Vec<_> = CALLS.iter().map(|call| call.name).collect();
    let wanted = Wanted {
        features: features(),
        import: &|module, name, _| {
            let call = CALLS.iter().find(|call| module == MODULE && call.name == name);
            call.map(|call| call.signature())
        },
        known: (MODULE, &names),
        hint: &|module| {
            let wasi = module == weft_wasi::MODULE || module.starts_with("wasi:");
            wasi.then_some("this is a program for WASI, which `weft run` runs")
        },
        export: Some((EXPORT, &["(i32) -> i32"])),
        others: &[],
        otherwise: &|_| ("", None),
    };
    check_for(module, &wanted)
}

/// What a module says of itself before its code.
pub(crate) enum Part<'a> {
    ImportsFrom(&'a str),
    /// That it exports.
    Function(&'a str),
}

/// Reads as much of a module as says of which sort it is, and no code.
pub(crate) fn outline(
    module: &[u8],
    mut each: impl FnMut(Part<'_>),
) -> Result<(), BinaryReaderError> {
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    each(Part::ImportsFrom(import?.module));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        each(Part::Function(export.name));
                    }
                }
                // What comes after it says nothing more.
                return Ok(());
            }
            Payload::CodeSectionStart { .. } => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a module is to be looked at as one that `weft eval` applies, and not as a
/// program for WASI.
#[must_use]
pub fn is_codelet(module: &[u8]) -> bool {
    let mut found = false;
    let read = outline(module, |part| {
        found |= match part {
            Part::ImportsFrom(module) => module == MODULE,
            Part::Function(name) => name == EXPORT,
        }
    });
    read.is_ok() && found
}

/// Checks a module.
pub(crate) fn check_for(module: &[u8], wanted: &Wanted<'_>) -> Result<Shape, Failure> {
    let valid = validate(module, wanted.features);
    let valid = valid.map_err(|error| malformed(module, Some(error.to_string())))?;
    let (types, too_much) = valid.ok_or_else(|| malformed(module, None))?;
    let types = types.as_ref();
    imports::check(types, wanted)?;
    export(types, wanted)?;
    let tables = (0..types.table_count()).map(|i| types.table_at(i).initial);
    let elements = tables.fold(0u64, u64::saturating_add);
    if elements > TABLE_ELEMENTS_MAX {
        return Err(bad(format!("tables of {elements} elements, above {TABLE_ELEMENTS_MAX}")));
    }
    let memories = || (0..types.memory_count()).map(|i| types.memory_at(i));
    Ok(Shape {
        memory_min_bytes: memories()
            .fold(0u64, |sum, memory| sum.saturating_add(memory.initial.saturating_mul(1 << 16))),
        has_memory64: memories().any(|memory| memory.memory64),
        too_much,
    })
}

/// Whether a module brings along what a debugger needs to show its source.
#[must_use]
pub fn has_debug_info(module: &[u8]) -> bool {
    Parser::new(0).parse_all(module).map_while(Result::ok).any(
        |part| matches!(part, Payload::CustomSection(section) if section.name() == ".debug_info"),
    )
}

pub(crate) fn malformed(module: &[u8], note: Option<String>) -> Failure {
    let detail = match module.starts_with(b"\0asm") {
        true => "malformed, or in need of a WebAssembly proposal that is not enabled",
        false => "not a WebAssembly module",
    };
    Failure { note, ..bad(detail.to_owned()) }
}

pub(crate) fn bad(detail: String) -> Failure {
    Failure { kind: FailureKind::BadModule, detail, note: None }
}

/// Refuses a module without the function that is applied.
fn export(types: TypesRef<'_>, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let Some((export, allowed)) = wanted.export else { return Ok(()) };
    let exports = || types.core_exports().into_iter().flatten();
    let fits = |entity, types_of: &[&str]| types_of.contains(&&*signature(types, entity));
    match exports().find(|(name, _)| *name == export) {
        Some((_, entity)) if fits(entity, allowed) => Ok(()),
        Some((_, entity)) => {
            let (found, allowed) = (signature(types, entity), allowed.join(" or "));
            Err(bad(format!("{export} is {found}, not {allowed}")))
        }
        None => {
            let others = exports().filter(|(_, entity)| fits(*entity, wanted.others));
            let others: Vec<_> = others.map(|(name, _)| name).collect();
            let (more, note) = (wanted.otherwise)(&others);
            let detail = format!("no export {}{more}", imports::told(export));
            Err(Failure { note, ..bad(detail) })
        }
    }
}

/// The type of an import or export, if it is a function's.
fn func_type(types: TypesRef<'_>, entity: EntityType) -> Option<&FuncType> {
    match entity {
        EntityType::Func(id) | EntityType::FuncExact(id) => {
            types.get(id).map(|ty| ty.unwrap_func())
        }
        _ => None,
    }
}

/// The same in the table's notation.
fn signature(types: TypesRef<'_>, entity: EntityType) -> String {
    match entity {
        EntityType::Func(_) | EntityType::FuncExact(_) => match func_type(types, entity) {
            Some(func) => signature_of(func),
            None => "a function".to_owned(),
        },
        EntityType::Table(_) => "a table".to_owned(),
        EntityType::Memory(_) => "a memory".to_owned(),
        EntityType::Global(_) => "a global".to_owned(),
        EntityType::Tag(_) => "a tag".to_owned(),
    }
}

pub(crate) fn signature_of(func: &FuncType) -> String {
    let list = |types: &[ValType]| {
        let shown: Vec<_> = types.iter().take(TYPES_MAX).map(ToString::to_string).collect();
        shown.join(", ")
    };
    match func.results() {
        [one] => format!("({}) -> {one}", list(func.params())),
        results => format!("({}) -> ({})", list(func.params()), list(results)),
    }
}
