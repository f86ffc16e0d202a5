//! Which function of a program is called, and what stands in for imports that
//! there are not.

use clap::{Arg, ArgAction, ArgMatches};
use weft_object::Handle;

use crate::exit::Exit;
use crate::program::Made;

pub(crate) fn invoke_argument() -> Arg {
    Arg::new("invoke")
        .long("invoke")
        .value_name("NAME")
        .help("The function to call, of a reactor or an image; _start if left out")
}

pub(crate) fn alloc_argument() -> Arg {
    Arg::new("alloc")
        .long("alloc")
        .value_name("NAME")
        .default_value("malloc")
        .help("Of an image: the function that gives memory for a TEXT behind NAME=")
}

/// The call of an image's function, as docs/image.md has it, of `NAME[=TEXT]`.
pub(crate) fn call(given: &str, matches: &ArgMatches, made: &mut Made) -> Handle {
    let Some((name, text)) = given.split_once('=') else { return made.blob(given.as_bytes()) };
    let allocator = matches.get_one::<String>("alloc").map_or("", String::as_str);
    let parts = [name, allocator, text].map(|part| made.blob(part.as_bytes()));
    made.tree(parts.to_vec())
}

pub(super) fn stub_argument() -> Arg {
    Arg::new("stub")
        .long("stub")
        .value_name("MODULE.NAME[=VALUE]")
        .action(ArgAction::Append)
        .help("A function for an import: it returns VALUE, or traps")
}

/// The program as docs/wasi.md has it: the module, with more only if it is
/// asked for.
pub(crate) fn program(
    module: Handle,
    function: &str,
    matches: &ArgMatches,
    made: &mut Made,
) -> Result<Handle, Exit> {
    let stubs: Vec<&String> = matches.get_many("stub").into_iter().flatten().collect();
    // The same as none, and the same key.
    let function = if function == "_start" { "" } else { function };
    if function.is_empty() && stubs.is_empty() {
        return Ok(module);
    }
    let mut entries = vec![module, made.blob(function.as_bytes())];
    let mut stubs = stubs.into_iter().map(|given| parse(given)).collect::<Result<Vec<_>, _>>()?;
    stubs.sort_unstable();
    for (module, name, value) in stubs {
        entries.extend([made.blob(module.as_bytes()), made.blob(name.as_bytes())]);
        entries.push(value.map_or(Handle::EMPTY, Handle::of_u64));
    }
    Ok(made.tree(entries))
}

/// Module, name and value of `MODULE.NAME[=VALUE]`. A module's name may have
/// dots, a function's mostly has none.
fn parse(given: &str) -> Result<(&str, &str, Option<u64>), Exit> {
    let wrong = |what: &str| {
        Exit::usage(format!("--stub {given} has {what}; write MODULE.NAME or MODULE.NAME=NUMBER"))
    };
    let (import, value) = match given.split_once('=') {
        Some((import, value)) => {
            let signed = value.parse::<i64>().map(i64::cast_unsigned);
            let value = signed.or_else(|_| value.parse::<u64>());
            (import, Some(value.map_err(|_| wrong("a value that is no number"))?))
        }
        None => (given, None),
    };
    let (module, name) = import.rsplit_once('.').ok_or_else(|| wrong("no module"))?;
    Ok((module, name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_is_an_import_and_a_number() {
        let parsed = |given| parse(given).ok();
        assert_eq!(parsed("host.call=-1"), Some(("host", "call", Some(u64::MAX))));
        assert_eq!(parsed("env.f"), Some(("env", "f", None)));
        let large = Some(("./a.b", "f", Some(u64::MAX)));
        assert_eq!(parsed("./a.b.f=18446744073709551615"), large);
        assert!(parsed("f=1").is_none() && parsed("a.f=x").is_none() && parsed("a.f=").is_none());
    }
}
