//! Fifty files of C compiled: by `weft build`, and by plain wasmtime in two
//! processes that take one after the other.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use crate::Result;
use crate::found::{Pairs, Times, tell};
use crate::promise::Amount;
use crate::real::{Scratch, compiled, ended, path};

const RUNS: usize = 3;
const AGAIN: usize = 15;

/// How many processes of plain wasmtime, and steps of ours, at once.
const AT_ONCE: usize = 2;

/// Of the sources of zstd so many, so that there are fifty with Lua's. They
/// come first: among them are those that take longest.
const OF_ZSTD: usize = 17;

const LUA_FLAGS: &str = "-Wno-return-type -D_WASI_EMULATED_SIGNAL -mllvm -wasm-enable-sjlj \
                         -mllvm -wasm-use-legacy-eh=false";
const ZSTD_FLAGS: &str = "-DZSTD_DISABLE_ASM=1 -Izstd";

pub(crate) fn run(weft: &Path) -> Result<bool> {
    let (clang, usr) = (path("clang")?, path("llvm")?.join("usr"));
    let scratch = Scratch::new()?;
    let bench = Bench {
        weft,
        artifact: compiled("clang", &clang)?,
        project: scratch.path().join("project"),
        files: project(&scratch.path().join("project"))?,
        scratch,
        clang,
        usr,
    };
    ended(bench.scratch.command(weft).arg("init"))?;
    // Compiles clang, and adds it and its headers to the store.
    let first = bench.ours(0)?;
    println!("build  the first in a store, with what it has to add: {first:.0} ms");
    let mut pairs = Pairs::new();
    let mut again = Times::new();
    for round in 1..=RUNS {
        pairs.push(bench.ours(round)?, bench.theirs(round)?);
        bench.same(round)?;
        for _ in 0..AGAIN {
            again.push(ended(&mut bench.weft_build(round))?);
        }
    }
    let fast = pairs.tell("build", Amount::Ms);
    Ok(tell("build", "nothing changed", &mut again, Amount::Ms) && fast)
}

struct Bench<'a> {
    weft: &'a Path,
    artifact: PathBuf,
    project: PathBuf,
    /// Each with its flags, and the object that it becomes.
    files: Vec<(String, &'static str, String)>,
    scratch: Scratch,
    clang: PathBuf,
    usr: PathBuf,
}

impl Bench<'_> {
    /// What the compiler is told. No round is told what another was.
    fn arguments(&self, at: usize, round: usize, output: &str) -> String {
        let (file, flags, _) = &self.files[at];
        format!("clang -O2 -DWEFT_ROUND={round} {flags} -c {file} -o {output}")
    }

    fn out(&self, whose: &str, round: usize) -> PathBuf {
        self.scratch.path().join(format!("{whose}-{round}"))
    }

    fn weft_build(&self, round: usize) -> Command {
        let mut command = self.scratch.command(self.weft);
        command.args(["build", "-q", "-j", &AT_ONCE.to_string(), "--map", "project=/src"]);
        command.arg("--compiler").arg(&self.clang);
        command.arg("--sysroot").arg(&self.usr);
        command.arg("--out").arg(self.out("ours", round)).arg("project");
        command
    }

    fn ours(&self, round: usize) -> Result<f64> {
        let entries = (0..self.files.len()).map(|at| {
            let (file, _, object) = &self.files[at];
            let command = self.arguments(at, round, object);
            let directory = self.project.display();
            format!(r#"{{"directory":"{directory}","file":"{file}","command":"{command}"}}"#)
        });
        let entries = entries.collect::<Vec<_>>().join(",\n");
        fs::write(self.project.join("compile_commands.json"), format!("[{entries}]"))?;
        ended(&mut self.weft_build(round))
    }

    fn theirs(&self, round: usize) -> Result<f64> {
        let out = self.out("theirs", round);
        fs::create_dir(&out)?;
        let lines = (0..self.files.len()).map(|at| {
            let name = base(&self.files[at].2);
            self.arguments(at, round, &format!("/out/{name}"))
        });
        let lines: Mutex<VecDeque<String>> = Mutex::new(lines.collect());
        let start = Instant::now();
        thread::scope(|scope| {
            let one =
                || scope.spawn(|| self.serve(&out, &lines).map_err(|error| error.to_string()));
            let all: Vec<_> = (0..AT_ONCE).map(|_| one()).collect();
            all.into_iter().try_for_each(|one| one.join().unwrap_or(Err("it panicked".into())))
        })?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }

    /// A process that does what is left, one after the other.
    fn serve(&self, out: &Path, lines: &Mutex<VecDeque<String>>) -> Result<()> {
        let mut command = self.scratch.command(&std::env::current_exe()?);
        command.arg("serve").arg(&self.artifact);
        for (host, guest) in
            [(&*self.project, "."), (&*self.project, "/src"), (&*self.usr, "/usr"), (out, "/out")]
        {
            command.arg(host).arg(guest);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (mut to, from) = (child.stdin.take(), child.stdout.take());
        let mut from = BufReader::new(from.ok_or("no output")?);
        let next = || lines.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        while let Some(line) = next() {
            writeln!(to.as_mut().ok_or("no input")?, "{line}")?;
            let mut answer = String::new();
            if from.read_line(&mut answer)? == 0 {
                return Err(format!("plain wasmtime did not run {line}").into());
            }
        }
        drop(to);
        child.wait()?;
        Ok(())
    }

    /// What was measured was right: both have made the same objects.
    fn same(&self, round: usize) -> Result<()> {
        for (_, _, object) in &self.files {
            let ours = fs::read(self.out("ours", round).join(object))?;
            if ours.is_empty() || ours != fs::read(self.out("theirs", round).join(base(object)))? {
                return Err(format!("{object} is not what plain wasmtime has made").into());
            }
        }
        Ok(())
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Puts sources of both into one directory; which there are.
fn project(to: &Path) -> Result<Vec<(String, &'static str, String)>> {
    let mut files = Vec::new();
    let zstd = path("zstd")?.join("zstd/lib");
    copy(&zstd, &to.join("zstd"))?;
    for part in ["compress", "common", "decompress"] {
        let sources = sources(&zstd.join(part))?;
        files.extend(sources.iter().map(|name| (format!("zstd/{part}/{name}"), ZSTD_FLAGS)));
    }
    files.truncate(OF_ZSTD);
    let lua = path("lua")?.join("lua-5.4.9");
    copy(&lua, &to.join("lua"))?;
    files.extend(sources(&lua)?.iter().map(|name| (format!("lua/{name}"), LUA_FLAGS)));
    match files.len() {
        50 => Ok(files
            .into_iter()
            .map(|(file, flags)| {
                let object = format!("{}.o", file.trim_end_matches(".c"));
                (file, flags, object)
            })
            .collect()),
        other => Err(format!("there are {other} files, not 50").into()),
    }
}

fn sources(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.ends_with(".c").then_some(name));
    }
    names.sort();
    Ok(names)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => _ = fs::copy(entry.path(), target)?,
        }
    }
    Ok(())
}
