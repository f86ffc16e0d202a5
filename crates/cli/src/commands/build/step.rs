//! Steps of a build as computations.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use weft_object::Handle;
use weft_store::files;

use super::arguments::{OUT, outside, place_of, told};
use super::database::Entry;
use super::map::Maps;
use super::shell;
use super::tree::Files;
use crate::exit::Exit;
use crate::place::Place;
use crate::program::{Given, Made, Procedure};

/// One run of a tool.
#[derive(Debug)]
pub(super) struct Step {
    /// What it is about: a source, or what is linked.
    pub(super) name: String,
    pub(super) given: Given,
    /// The application of `wasi/1`.
    pub(super) application: Handle,
    /// What it is to write, below `--out`.
    pub(super) output: PathBuf,
}

/// What all steps have in common.
pub(super) struct Common<'a> {
    pub(super) place: &'a Place,
    /// The module that is run.
    pub(super) program: Handle,
    pub(super) memory_bytes: u64,
    pub(super) maps: &'a Maps,
    /// What is found under a path besides: a sysroot, say.
    pub(super) trees: &'a [(String, Handle)],
    /// A directory without entries.
    pub(super) empty: Handle,
    /// Where results go, which no step sees.
    pub(super) out: &'a Path,
}

impl Common<'_> {
    fn step(
        &self,
        name: String,
        output: PathBuf,
        arguments: Vec<String>,
        mut directories: Vec<(String, Handle)>,
        made: &mut Made,
    ) -> Result<Step, Exit> {
        directories.extend_from_slice(self.trees);
        directories.push((OUT.to_owned(), self.empty));
        let given = Given {
            memory_bytes: self.memory_bytes,
            procedure: Procedure::Run(self.program),
            arguments: arguments.into_iter().map(String::into_bytes).collect(),
            environment: Vec::new(),
            stdin: Handle::EMPTY,
            seed: Some(0),
            clock_ns: None,
            directories: directories.into_iter().map(|(path, root)| (path.into(), root)).collect(),
        };
        let application = given.application(made)?;
        Ok(Step { name, given, application, output })
    }
}

/// A step for each entry. Where one stands twice there is one step.
pub(super) fn compile(
    common: &Common<'_>,
    entries: &[Entry],
    made: &mut Made,
) -> Result<Vec<Step>, Exit> {
    let seen: Vec<String> = common.trees.iter().map(|(guest, _)| guest.clone()).collect();
    let mut directories = HashMap::new();
    let mut steps: Vec<Step> = Vec::with_capacity(entries.len());
    let mut written: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for entry in entries {
        is_there(common, entry)?;
        let told = told(entry, common.maps, &seen)?;
        let output = below_out(common.maps, &entry.path(&told.output));
        let working = match directories.get(&entry.directory) {
            Some(known) => *known,
            None => {
                let found = working_directory(common, &entry.directory)?;
                directories.insert(entry.directory.clone(), found);
                found
            }
        };
        let mut seen = vec![(".".to_owned(), working)];
        seen.extend(common.maps.all().iter().map(|map| (map.guest.clone(), map.root)));
        let name = entry.file.clone();
        let step = common.step(name, output.clone(), told.arguments, seen, made)?;
        match written.get(&output).map(|at| &steps[*at]) {
            None => {
                written.insert(output, steps.len());
                steps.push(step);
            }
            Some(other) if other.application == step.application => {}
            Some(other) => {
                return Err(Exit::other(format!(
                    "{} writes {}, as {} does; give one of them another -o",
                    entry.name(),
                    step.output.display(),
                    other.name
                )));
            }
        }
    }
    Ok(steps)
}

/// That the compiler will find the source.
fn is_there(common: &Common<'_>, entry: &Entry) -> Result<(), Exit> {
    let path = entry.path(&entry.file);
    let (name, shown) = (entry.name(), path.display());
    if !path.is_file() {
        let text = format!(
            "{name} names {shown}, which is no file; run what makes it, or make \
             compile_commands.json again"
        );
        return Err(Exit::other(text));
    }
    if path.starts_with(common.out) {
        let text = format!("{name} is in --out, which no step sees; write --out elsewhere");
        return Err(Exit::usage(text));
    }
    match common.maps.find(&path) {
        Some(_) => Ok(()),
        None => Err(outside(entry, &format!("its file {shown}"), &path)),
    }
}

/// Where a result is written below `--out`: as it stands in the first
/// directory, else under the path at which the compiler sees it.
fn below_out(maps: &Maps, path: &Path) -> PathBuf {
    let relative = |path: &Path| path.strip_prefix("/").unwrap_or(path).to_owned();
    match maps.find(path) {
        Some(found) if found.map.guest == maps.all()[0].guest => found.below.to_owned(),
        Some(found) => relative(Path::new(&found.map.guest)).join(found.below),
        None => relative(path),
    }
}

/// What the compiler finds in the directory that it runs in. One that is not
/// there, as a build's own that is left out, is empty.
fn working_directory(common: &Common<'_>, directory: &Path) -> Result<Handle, Exit> {
    let Some(found) = common.maps.find(directory) else { return Ok(common.empty) };
    let below = found.below.as_os_str().as_encoded_bytes();
    if below.is_empty() {
        return Ok(found.map.root);
    }
    let backend = &common.place.backend;
    let inside = files::find(&|wanted| backend.get(wanted), &found.map.root, below)?;
    Ok(inside.unwrap_or(common.empty))
}

/// Stands for all objects in a `--link`.
const OBJECTS: &str = "{objects}";

/// What `--link` says, before there is anything to link.
#[derive(Debug)]
pub(super) struct Link {
    words: Vec<String>,
    /// Which of them is behind `-o`.
    output: Option<usize>,
}

impl Link {
    pub(super) fn parse(text: &str) -> Result<Self, Exit> {
        let wrong = |what: &str| Exit::usage(format!("--link {} {what}", shell::quote(text)));
        let words = shell::split(text).ok_or_else(|| wrong("ends within quotes; close them"))?;
        if words.is_empty() {
            return Err(wrong("names no linker; write --link 'wasm-ld {objects} -o app.wasm'"));
        }
        let output = words.iter().position(|word| word == "-o").map(|at| at + 1);
        let link = Self { words, output };
        let target = Path::new(link.target());
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        if target.as_os_str().is_empty() || !target.components().all(plain) {
            return Err(wrong("needs a relative path without .. behind -o; it is below --out"));
        }
        Ok(link)
    }

    fn target(&self) -> &str {
        match self.output {
            Some(at) => self.words.get(at).map_or("", String::as_str),
            None => "a.out",
        }
    }

    /// The step that links these objects. They are in the directory where the
    /// linker runs, under the paths that they have below `--out`.
    pub(super) fn step(
        &self,
        common: &Common<'_>,
        objects: &Files,
        made: &mut Made,
    ) -> Result<Step, Exit> {
        let root = objects.root(made)?;
        let names = || objects.paths().map(|path| path.display().to_string());
        let named = self.words.iter().any(|word| names().any(|name| name == *word));
        let mut arguments = Vec::new();
        for (at, word) in self.words.iter().enumerate() {
            match word.as_str() {
                OBJECTS => arguments.extend(names()),
                word if self.output == Some(at) => arguments.push(place_of(word)),
                word => arguments.push(word.to_owned()),
            }
        }
        if !named && !self.words.iter().any(|word| word == OBJECTS) {
            arguments.extend(names());
        }
        if self.output.is_none() {
            arguments.extend(["-o".to_owned(), place_of(self.target())]);
        }
        let output = PathBuf::from(self.target());
        let name = output.display().to_string();
        common.step(name, output, arguments, vec![(".".to_owned(), root)], made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_writes_below_out() {
        let target = |text: &str| Link::parse(text).map(|link| link.target().to_owned());
        assert_eq!(target("wasm-ld {objects} -o bin/app.wasm -lc").unwrap(), "bin/app.wasm");
        assert_eq!(target("ld").unwrap(), "a.out");
        for (text, message) in [
            ("", "--link '' names no linker; write --link 'wasm-ld {objects} -o app.wasm'"),
            ("ld 'a", "ends within quotes; close them"),
            ("ld -o /app", "needs a relative path without .. behind -o"),
            ("ld -o ../app", "needs a relative path without .. behind -o"),
            ("ld -o", "needs a relative path without .. behind -o"),
        ] {
            let error = target(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
