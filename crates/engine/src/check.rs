//! Decides whether a module can be applied at all: by the meaning version's
//! features and ABI, whatever a compiler accepts or refuses.

mod imports;

use wasmparser::ValType;
use wasmparser::types::{EntityType, TypesRef};

use crate::abi::table::{CALLS, EXPORT, MODULE};
use crate::effort::validate;
use crate::meaning::TABLE_ELEMENTS_MAX;
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

// So many types of a list are told, for the same reason as with names.
const TYPES_MAX: usize = 80;

/// What a module has to import and export to be applied in some way.
pub(crate) struct Wanted<'a> {
    /// The type of an import that there is, by module and name.
    pub(crate) import: &'a dyn Fn(&str, &str) -> Option<String>,
    /// The module and the names of all that there are, to look for what
    /// somebody may have meant.
    pub(crate) known: (&'a str, &'a [&'a str]),
    /// What else to say of an import from a module, if anything.
    pub(crate) hint: &'a dyn Fn(&str) -> Option<&'static str>,
    /// The function that is called, its type, and what a module without it may
    /// be instead.
    pub(crate) export: (&'a str, &'a str, &'a str),
}

/// Checks a codelet.
pub(crate) fn check(module: &[u8]) -> Result<Shape, Failure> {
    let import = |module: &str, name: &str| {
        let call = CALLS.iter().find(|call| module == MODULE && call.name == name);
        call.map(|call| call.signature())
    };
    let hint = |module: &str| {
        let wasi = module == weft_wasi::MODULE || module.starts_with("wasi:");
        wasi.then_some("this is a program for WASI, which `weft run` runs")
    };
    let names: Vec<_> = CALLS.iter().map(|call| call.name).collect();
    let export = (EXPORT, "(i32) -> i32", "");
    check_for(module, &Wanted { import: &import, known: (MODULE, &names), hint: &hint, export })
}

/// Checks a module.
pub(crate) fn check_for(module: &[u8], wanted: &Wanted<'_>) -> Result<Shape, Failure> {
    let malformed = |note: Option<String>| {
        let detail = match module.starts_with(b"\0asm") {
            true => "malformed, or in need of a WebAssembly proposal that is not enabled",
            false => "not a WebAssembly module",
        };
        Failure { note, ..bad(detail.to_owned()) }
    };
    let valid = validate(module).map_err(|error| malformed(Some(error.to_string())))?;
    let (types, too_much) = valid.ok_or_else(|| malformed(None))?;
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
    wasmparser::Parser::new(0).parse_all(module).map_while(Result::ok).any(|part| {
        matches!(part, wasmparser::Payload::CustomSection(section) if section.name() == ".debug_info")
    })
}

fn bad(detail: String) -> Failure {
    Failure { kind: FailureKind::BadModule, detail, note: None }
}

/// Refuses a module without the function that is applied.
fn export(types: TypesRef<'_>, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let (export, ty, otherwise) = wanted.export;
    let mut exports = types.core_exports().into_iter().flatten();
    let Some((_, entity)) = exports.find(|(name, _)| *name == export) else {
        return Err(bad(format!("no export {export}{otherwise}")));
    };
    let found = signature(types, entity);
    match found == ty {
        true => Ok(()),
        false => Err(bad(format!("{export} is {found}, not {ty}"))),
    }
}

/// The type of an import or export, in the table's notation.
fn signature(types: TypesRef<'_>, entity: EntityType) -> String {
    let func = match entity {
        EntityType::Func(id) | EntityType::FuncExact(id) => types.get(id),
        EntityType::Table(_) => return "a table".to_owned(),
        EntityType::Memory(_) => return "a memory".to_owned(),
        EntityType::Global(_) => return "a global".to_owned(),
        EntityType::Tag(_) => return "a tag".to_owned(),
    };
    let Some(func) = func.map(|ty| ty.unwrap_func()) else { return "a function".to_owned() };
    let list = |types: &[ValType]| {
        let shown: Vec<_> = types.iter().take(TYPES_MAX).map(ToString::to_string).collect();
        shown.join(", ")
    };
    match func.results() {
        [one] => format!("({}) -> {one}", list(func.params())),
        results => format!("({}) -> ({})", list(func.params()), list(results)),
    }
}
