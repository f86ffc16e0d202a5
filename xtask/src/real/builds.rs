//! How the fetched C sources are built: a `compile_commands.json` beside them,
//! as any build system would have written it for this machine.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::table::Package;
use crate::Result;

/// What `compile_commands.json` is made from.
struct Build {
    /// The package with the sources.
    package: &'static str,
    /// Where in it compilers run, and `compile_commands.json` stands.
    directory: &'static str,
    /// Folders below that: each C file in them is compiled.
    folders: &'static [&'static str],
    /// C files that are not.
    except: &'static [&'static str],
    /// Between `clang` and `-c`.
    flags: &'static [&'static str],
    /// A program to go with it, which becomes `main.c`: the crates leave theirs
    /// out.
    main: &'static str,
}

const BUILDS: &[Build] = &[
    Build {
        package: "lua",
        directory: "lua-5.4.9",
        folders: &["."],
        except: &[],
        flags: &[
            "-O2",
            "-Wno-return-type",
            "-D_WASI_EMULATED_SIGNAL",
            // Errors of Lua are long jumps, and those are exceptions of Wasm, as
            // the standard has them.
            "-mllvm",
            "-wasm-enable-sjlj",
            "-mllvm",
            "-wasm-use-legacy-eh=false",
        ],
        main: include_str!("c/lua_main.c"),
    },
    Build {
        package: "sqlite",
        directory: "sqlite3",
        folders: &["."],
        // A file system for machines without one.
        except: &["wasm32-wasi-vfs.c"],
        flags: &[
            "-O2",
            "-DSQLITE_THREADSAFE=0",
            "-DSQLITE_OMIT_LOAD_EXTENSION",
            "-DSQLITE_OMIT_WAL",
            "-DLONGDOUBLE_TYPE=double",
            "-D_WASI_EMULATED_MMAN",
            "-D_WASI_EMULATED_GETPID",
        ],
        main: include_str!("c/sqlite_main.c"),
    },
    Build {
        package: "zstd",
        directory: "zstd/lib",
        folders: &["common", "compress", "decompress"],
        except: &[],
        flags: &["-O2", "-DZSTD_DISABLE_ASM=1", "-I."],
        main: include_str!("c/zstd_main.c"),
    },
];

/// Writes what a package that is in `place` is built by, where it is built from
/// sources. Paths of this machine are in it, so it is no part of the archive.
pub(crate) fn write(package: &Package, place: &Path) -> Result<()> {
    let Some(build) = BUILDS.iter().find(|build| build.package == package.name) else {
        return Ok(());
    };
    let directory = place.join(build.directory);
    update(&directory.join("main.c"), build.main)?;
    let commands = compile_commands(build, &directory)?;
    update(&directory.join("compile_commands.json"), &commands)
}

/// Leaves a file alone that has this content: its time is what a build looks at.
fn update(path: &Path, content: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    Ok(fs::write(path, content)?)
}

fn compile_commands(build: &Build, directory: &Path) -> Result<String> {
    let mut text = String::from("[");
    for (number, source) in sources(build, directory)?.iter().enumerate() {
        let object = source.strip_suffix(".c").unwrap_or(source).to_owned() + ".o";
        let mut arguments = vec!["clang"];
        arguments.extend(build.flags);
        arguments.extend(["-c", source, "-o", &object]);
        let arguments: Vec<_> = arguments.into_iter().map(quote).collect();
        let separator = if number == 0 { "" } else { "," };
        write!(
            text,
            "{separator}\n  {{\n    \"directory\": {},\n    \"arguments\": [{}],\n    \"file\": {},\n    \
             \"output\": {}\n  }}",
            quote(&directory.display().to_string()),
            arguments.join(", "),
            quote(source),
            quote(&object)
        )?;
    }
    text.push_str("\n]\n");
    Ok(text)
}

/// The C files, relative to the directory, sorted.
fn sources(build: &Build, directory: &Path) -> Result<Vec<String>> {
    let mut sources = vec!["main.c".to_owned()];
    for folder in build.folders {
        for entry in fs::read_dir(directory.join(folder))? {
            let path = PathBuf::from(entry?.file_name());
            let name = path.display().to_string();
            let is_source = path.extension().is_some_and(|extension| extension == "c");
            if is_source && name != "main.c" && !build.except.contains(&name.as_str()) {
                sources.push(if *folder == "." { name } else { format!("{folder}/{name}") });
            }
        }
    }
    sources.sort();
    Ok(sources)
}

/// As a string of JSON.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;
    use crate::real::table::PACKAGES;

    #[test]
    fn every_build_is_of_a_package() {
        for build in BUILDS {
            assert!(PACKAGES.iter().any(|package| package.name == build.package));
        }
    }

    #[test]
    fn each_source_has_one_command() {
        let place = std::env::temp_dir().join(format!("weft-xtask-{}-\"b", std::process::id()));
        let sqlite = place.join("sqlite3");
        fs::create_dir_all(&sqlite).unwrap();
        for name in ["sqlite3.c", "sqlite3.h", "wasm32-wasi-vfs.c"] {
            fs::write(sqlite.join(name), "").unwrap();
        }
        let package = PACKAGES.iter().find(|package| package.name == "sqlite").unwrap();
        write(package, &place).unwrap();
        let before = fs::metadata(sqlite.join("compile_commands.json")).unwrap().modified();
        write(package, &place).unwrap();
        let after = fs::metadata(sqlite.join("compile_commands.json")).unwrap().modified();
        assert_eq!(before.unwrap(), after.unwrap());
        let text = fs::read_to_string(sqlite.join("compile_commands.json")).unwrap();
        fs::remove_dir_all(&place).unwrap();
        let commands = Json::parse(&format!("{{\"all\": {text}}}")).unwrap();
        let commands = commands.list("all").unwrap();
        let files: Vec<_> = commands.iter().map(|command| command.text("file").unwrap()).collect();
        assert_eq!(files, ["main.c", "sqlite3.c"]);
        assert_eq!(commands[1].text("output").unwrap(), "sqlite3.o");
        assert_eq!(commands[1].text("directory").unwrap(), sqlite.to_str().unwrap());
        let arguments = commands[1].list("arguments").unwrap();
        let ends = [&arguments[0], &arguments[1], &arguments[arguments.len() - 1]];
        assert_eq!(
            ends,
            ["clang", "-O2", "sqlite3.o"].map(|text| Json::Text(text.into())).each_ref()
        );
    }
}
