//! Which modules are programs.

use wasmparser::{FuncType, ValType};
use weft_wasi::{CALLS, MODULE};

use super::entry::{Entry, INITIALIZE, START};
use super::link;
use crate::abi;
use crate::check::{Shape, Wanted, check_for, signature_of};
use crate::meaning::program_features;
use crate::outcome::Failure;

/// Of the function that is called: the second returns the exit code.
const TYPES: &[&str] = &["() -> ()", "() -> i32"];

/// Checks a program.
pub(super) fn check(module: &[u8], entry: &Entry) -> Result<Shape, Failure> {
    let is_command = entry.function.is_none();
    let types = if is_command { &TYPES[..1] } else { TYPES };
    check_with(module, entry, Some((entry.function.as_deref().unwrap_or(START), types)))
}

/// The same of one whose functions are found when they are called.
pub(crate) fn check_imports(module: &[u8], entry: &Entry) -> Result<Shape, Failure> {
    check_with(module, entry, None)
}

fn check_with(
    module: &[u8],
    entry: &Entry,
    export: Option<(&str, &[&str])>,
) -> Result<Shape, Failure> {
    let names: Vec<_> = CALLS.iter().map(|call| call.name).collect();
    let is_command = entry.function.is_none();
    let wanted = Wanted {
        features: program_features(),
        import: &|module, name, ty| import(entry, module, name, ty),
        known: (MODULE, &names),
        hint: &hint,
        export,
        others: TYPES,
        otherwise: &|functions| match is_command {
            true => (", so it is no command for WASI preview 1", reactor(functions)),
            false => ("", callable(functions)),
        },
    };
    check_for(module, &wanted)
}

fn import(entry: &Entry, module: &str, name: &str, ty: Option<&FuncType>) -> Option<String> {
    if entry.stub(module, name).is_some() {
        let integers = |ty: &&FuncType| {
            ty.results().iter().all(|result| matches!(result, ValType::I32 | ValType::I64))
        };
        let fits = ty.filter(integers).map(signature_of);
        return fits.or_else(|| Some("stubbed as a function that returns integers".to_owned()));
    }
    let call = CALLS.iter().find(|call| module == MODULE && call.name == name);
    call.map(link::signature)
}

fn hint(module: &str) -> Option<&'static str> {
    match module {
        abi::table::MODULE => Some("this is a function for `weft eval`, not a program"),
        "wasi_unstable" => {
            Some("wasi_unstable came before preview 1; compile the program for wasm32-wasip1")
        }
        MODULE => None,
        _ => Some("what the program can do without can be given as --stub MODULE.NAME=VALUE"),
    }
}

/// What to do with a module that is no command but may be a reactor.
fn reactor(functions: &[&str]) -> Option<String> {
    let is_reactor = functions.contains(&INITIALIZE);
    is_reactor.then(|| {
        let callable = callable(functions);
        let callable = callable.map(|callable| format!("; {callable}")).unwrap_or_default();
        format!("it is a reactor: --invoke NAME calls a function of it{callable}")
    })
}

fn callable(functions: &[&str]) -> Option<String> {
    const TOLD_MAX: usize = 16;
    const NAME_MAX: usize = 80;
    let fit = |name: &&&str| **name != INITIALIZE && name.len() <= NAME_MAX;
    let names: Vec<_> = functions.iter().filter(fit).take(TOLD_MAX).copied().collect();
    (!names.is_empty()).then(|| format!("there is {}", names.join(", ")))
}
