//! What the compiler is told, with the paths as it sees them.

use std::path::Path;

use super::database::Entry;
use super::map::Maps;
use super::response;
use crate::exit::Exit;

/// Where a step leaves its files: a directory of its own, so that they are told
/// from all else and no directory has to be there for them.
pub(super) const OUT: &str = "/out";

/// The arguments of one step.
#[derive(Debug)]
pub(super) struct Told {
    /// The first is the tool's own name.
    pub(super) arguments: Vec<String>,
    /// What it is to write, as the entry says it.
    pub(super) output: String,
}

/// Options with a path behind them, as a word of its own or joined on.
const PATHS: &[&str] = &[
    "-I",
    "-L",
    "-F",
    "-B",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-include-pch",
    "-include",
    "-imacros",
    "-isysroot",
    "-cxx-isystem",
    "-iframework",
    "--sysroot=",
    "--sysroot",
    "-fmodule-map-file=",
    "-fprofile-use=",
    "-fsanitize-ignorelist=",
    "-resource-dir=",
    "--config=",
];

/// Options that say where to write what the source includes. Nobody needs that
/// here: what a step looked at is known.
const DEPENDENCIES: &[&str] = &["-MD", "-MMD", "-MP", "-MG", "-MV"];
/// The same, with a word behind them or joined on.
const DEPENDENCY_PATHS: &[&str] = &["-MF", "-MT", "-MQ", "-MJ"];

/// Programs that run the compiler that is named behind them.
const LAUNCHERS: &[&str] = &["ccache", "sccache", "distcc", "icecc"];

/// The arguments of an entry. `seen` are the paths under which the compiler
/// finds what is no map: a path there is meant as it stands.
///
/// # Errors
/// A path leads out of every map, or a response file cannot be read.
pub(super) fn told(entry: &Entry, maps: &Maps, seen: &[String]) -> Result<Told, Exit> {
    let mut rewriting = Rewriting { entry, maps, seen, out: Vec::new(), output: None };
    let words = response::words(entry)?;
    let mut words = words.iter().map(String::as_str);
    let compiler = words.find(|word| !LAUNCHERS.contains(&base(word))).unwrap_or_default();
    rewriting.all(words)?;
    let Rewriting { out, output, .. } = rewriting;
    let mut arguments = vec![tool(compiler).to_owned()];
    if output.is_none() {
        let name = entry.output.as_deref().map_or_else(|| object_of(&entry.file), str::to_owned);
        arguments.extend(["-o".to_owned(), place_of(&name)]);
        arguments.extend(out);
        return Ok(Told { arguments, output: name });
    }
    arguments.extend(out);
    Ok(Told { arguments, output: output.unwrap_or_default() })
}

/// What a compiler is called inside of a module that is several: `clang` also
/// for `cc`, `gcc-12` and `/opt/bin/clang-18`, and `clang++` for their like.
fn tool(compiler: &str) -> &str {
    let name = base(compiler);
    let unversioned = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let name = unversioned.strip_suffix('-').unwrap_or(name);
    let last = name.rsplit('-').next().unwrap_or(name);
    match last {
        "cc" | "gcc" | "clang" | "c99" | "c11" => "clang",
        "c++" | "g++" | "clang++" => "clang++",
        _ => base(compiler),
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What a compiler writes if nobody says.
fn object_of(file: &str) -> String {
    let name = base(file);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem}.o")
}

/// Where a step is to write what is called so.
pub(super) fn place_of(output: &str) -> String {
    format!("{OUT}/{}", base(output))
}

struct Rewriting<'a> {
    entry: &'a Entry,
    maps: &'a Maps,
    seen: &'a [String],
    out: Vec<String>,
    output: Option<String>,
}

impl<'a> Rewriting<'a> {
    fn all(&mut self, mut words: impl Iterator<Item = &'a str>) -> Result<(), Exit> {
        while let Some(word) = words.next() {
            if DEPENDENCIES.contains(&word) {
                continue;
            }
            if let Some(option) = DEPENDENCY_PATHS.iter().find(|option| word.starts_with(**option))
            {
                if word == *option {
                    words.next();
                }
                continue;
            }
            if word == "-o" {
                let name = words.next().unwrap_or_default();
                self.write_to(name);
            } else if let Some(name) = word.strip_prefix("-o").filter(|_| !word.starts_with("-obj"))
            {
                self.write_to(name);
            } else if PATHS.contains(&word) {
                self.out.push(word.to_owned());
                if let Some(path) = words.next() {
                    let path = self.path(word, path)?;
                    self.out.push(path);
                }
            } else if let Some(option) = joined(word) {
                let path = self.path(option, &word[option.len()..])?;
                self.out.push(format!("{option}{path}"));
            } else {
                let word = self.other(word)?;
                self.out.push(word);
            }
        }
        Ok(())
    }

    fn write_to(&mut self, name: &str) {
        self.output = Some(name.to_owned());
        self.out.extend(["-o".to_owned(), place_of(name)]);
    }

    /// The source, or what is no path as far as one can tell.
    fn other(&self, word: &str) -> Result<String, Exit> {
        let is_source =
            !word.starts_with('-') && self.entry.path(word) == self.entry.path(&self.entry.file);
        if is_source || word.starts_with('/') {
            return self.path("", word);
        }
        Ok(word.to_owned())
    }

    /// A path as the compiler sees it. One that stays within the directory where
    /// the compiler runs is left as it is if that is a map's: then messages
    /// read as they would anywhere.
    fn path(&self, option: &str, path: &str) -> Result<String, Exit> {
        let absolute = self.entry.path(path);
        let Some(found) = self.maps.find(&absolute) else {
            let seen = self.seen.iter().any(|seen| Path::new(path).starts_with(seen));
            // What is not here either nobody will miss.
            if seen || path.starts_with('=') || !absolute.exists() {
                return Ok(path.to_owned());
            }
            return Err(outside(self.entry, &format!("{option}{path}"), &absolute));
        };
        let top = self.maps.find(&self.entry.directory);
        let at_top = top.is_some_and(|top| {
            top.below.as_os_str().is_empty() && top.map.guest == found.map.guest
        });
        if at_top && !path.starts_with('/') {
            return Ok(path.to_owned());
        }
        found.guest().ok_or_else(|| {
            Exit::other(format!("{} has a path that is not UTF-8", self.entry.name()))
        })
    }
}

/// The option that a path is joined on to.
fn joined(word: &str) -> Option<&'static str> {
    let fits = |option: &&&str| word.starts_with(**option) && word.len() > option.len();
    let longest = PATHS.iter().filter(fits).max_by_key(|option| option.len())?;
    // `-include` would take `-includes`, which nobody writes, but `--sysroot`
    // takes only `=`.
    (*longest != "--sysroot").then_some(longest)
}

/// That a path is not seen by the compiler.
pub(super) fn outside(entry: &Entry, said: &str, path: &Path) -> Exit {
    let directory = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let directory = directory.display();
    Exit::usage(format!(
        "{} has {said}, which is outside of every --map; add --map {directory}={directory}",
        entry.name()
    ))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use weft_object::Handle;

    use super::super::map::Map;
    use super::*;

    fn entry(directory: &str, words: &[&str]) -> Entry {
        let text = serde_json::json!([{
            "directory": directory, "file": words.last().unwrap(), "arguments": words,
        }]);
        super::super::database::parsed_for_tests(&text.to_string()).remove(0)
    }

    fn told_in(directory: &str, words: &[&str]) -> Vec<String> {
        let maps = Maps::new(vec![Map::new(Path::new("/p"), "/src", Handle::EMPTY)]);
        let told = told(&entry(directory, words), &maps, &["/usr".into()]).unwrap();
        told.arguments
    }

    #[test]
    fn at_the_top_of_a_map_relative_paths_stay() {
        let told = told_in("/p", &["cc", "-Iinclude", "-I", "/p/gen", "-o", "o/a.o", "-c", "a.c"]);
        assert_eq!(told, ["clang", "-Iinclude", "-I", "/src/gen", "-o", "/out/a.o", "-c", "a.c"]);
    }

    #[test]
    fn below_it_they_become_absolute() {
        let told = told_in(
            "/p/build",
            &[
                "/usr/bin/c++",
                "-I.",
                "-I../inc",
                "-isystem",
                "x",
                "-include",
                "c.h",
                "-c",
                "../a.cc",
            ],
        );
        assert_eq!(
            told,
            [
                "clang++",
                "-o",
                "/out/a.o",
                "-I/src/build",
                "-I/src/inc",
                "-isystem",
                "/src/build/x",
                "-include",
                "/src/build/c.h",
                "-c",
                "/src/a.cc"
            ]
        );
    }

    #[test]
    fn what_is_no_path_stays_as_it_is() {
        let words = [
            "gcc",
            "-x",
            "c",
            "-DROOT=/p",
            "-mllvm",
            "-wasm",
            "-std=c11",
            "-I/usr/include",
            "-I=x",
            "-Inowhere",
            "-I/not/there",
            "--sysroot=/p/s",
            "-oa.o",
            "-objc",
            "-c",
            "a.c",
        ];
        let told = told_in("/p", &words);
        let mut wanted: Vec<&str> = words.to_vec();
        (wanted[0], wanted[11]) = ("clang", "--sysroot=/src/s");
        wanted.splice(12..13, ["-o", "/out/a.o"]);
        assert_eq!(told, wanted);
    }

    #[test]
    fn what_it_includes_is_not_written_down() {
        let told = told_in(
            "/p",
            &["ccache", "cc", "-MD", "-MT", "a.o", "-MFd/a.d", "-MP", "-MF", "x", "-c", "a.c"],
        );
        assert_eq!(told, ["clang", "-o", "/out/a.o", "-c", "a.c"]);
    }

    #[test]
    fn tools_have_their_names() {
        for (compiler, name) in [
            ("cc", "clang"),
            ("/usr/bin/gcc-12", "clang"),
            ("clang-18.1", "clang"),
            ("x86_64-linux-gnu-gcc", "clang"),
            ("arm-none-eabi-g++-9", "clang++"),
            ("clang++", "clang++"),
            ("tcc", "tcc"),
            ("/opt/my-cxx", "my-cxx"),
        ] {
            assert_eq!(tool(compiler), name, "{compiler}");
        }
    }

    #[test]
    fn what_is_outside_is_named_if_it_is_there() {
        let entry = entry("/p", &["cc", "-I/dev", "-c", "a.c"]);
        let maps = Maps::new(vec![Map::new(Path::new("/p"), "/src", Handle::EMPTY)]);
        let error = told(&entry, &maps, &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "entry 1 (a.c) has -I/dev, which is outside of every --map; add --map /dev=/dev"
        );
        assert!(told(&entry, &maps, &["/dev".into()]).is_ok());
        assert_eq!(entry.path("x/../b.c"), PathBuf::from("/p/b.c"));
    }
}
