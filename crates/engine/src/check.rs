//! Decides whether a module can be applied at all: by the meaning version's
//! features and ABI, whatever a compiler accepts or refuses.

use std::fmt::Write;

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

// At most so many imports, and characters of a name, are told: the text is part
// of the failure's identity and travels with it.
const TOLD_MAX: usize = 16;
const NAME_MAX: usize = 80;

/// What a module has to import and export to be applied in some way.
pub(crate) struct Wanted<'a> {
    /// The type of an import that there is, by module and name.
    pub(crate) import: &'a dyn Fn(&str, &str) -> Option<String>,
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
    check_for(module, &Wanted { import: &import, export: (EXPORT, "(i32) -> i32", "") })
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
    imports(types, wanted)?;
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

fn told(name: &str) -> String {
    match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => format!("{}...", &name[..end]),
        None => name.to_owned(),
    }
}

/// Refuses imports that the ABI does not have, naming them.
fn imports(types: TypesRef<'_>, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let mut unknown = Vec::new();
    for (module, name, entity) in types.core_imports().into_iter().flatten() {
        let found = signature(types, entity);
        match (wanted.import)(module, name) {
            Some(known) if found == known => {}
            Some(known) => unknown.push(format!("{module}.{name} as {found}, which is {known}")),
            None => unknown.push(format!("{}.{}", told(module), told(name))),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    let mut detail = String::from("unknown imports: ");
    detail += &unknown[..unknown.len().min(TOLD_MAX)].join(", ");
    if unknown.len() > TOLD_MAX {
        let _ = write!(detail, " and {} more", unknown.len() - TOLD_MAX);
    }
    Err(bad(detail))
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
        let shown: Vec<_> = types.iter().take(NAME_MAX).map(ToString::to_string).collect();
        shown.join(", ")
    };
    match func.results() {
        [one] => format!("({}) -> {one}", list(func.params())),
        results => format!("({}) -> ({})", list(func.params()), list(results)),
    }
}
