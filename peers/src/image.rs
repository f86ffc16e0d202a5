//! How much sooner a program says its first line that was begun once and kept as
//! an image: CPython with libraries imported, in one process, fresh runs and those
//! from the image in turns.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use weft_node::{Config, Node, Session};
use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};
use weft_object::{Content, Handle};

use crate::Result;
use crate::found::{Times, tell};
use crate::promise::Amount;
use crate::real::path;

const MEMORY_BYTES: u64 = 1 << 30;
const RUNS: usize = 15;

pub(crate) fn run() -> Result<bool> {
    let module = path("python-science")?;
    let Some(artifacts) = module.parent() else { return Err("no directory".into()) };
    let library = fs::read(artifacts.join("python-stdlib.zip"))?;
    // What is compiled stays there for the next time.
    let kept = std::env::current_exe()?.with_file_name("artifacts");
    let python = Python::new(&fs::read(&module)?, &library, kept)?;
    let mut kept = python.compare("image", "json re decimal", "import json, re, decimal")?;
    kept &= python.compare("image", "numpy pandas", "import numpy, pandas")?;
    Ok(kept)
}

struct Python {
    // Before the node, whose content it holds.
    session: Session,
    _node: Node,
    program: Handle,
    directories: [Handle; 2],
}

const NOTHING: &[u8] = b"";

/// A seed and a clock: numpy and pandas ask for both as they are imported.
const SAID: [u64; 2] = [1, 1_767_225_600_000_000_000];

impl Python {
    fn new(module: &[u8], library: &[u8], artifacts: PathBuf) -> Result<Self> {
        let artifacts = Some(artifacts);
        let node = Node::start(Config { workers: 2, artifacts, ..Config::default() })?;
        let session = node.session();
        let module = session.put_blob(module.to_vec());
        let stub = [&b"host"[..], b"call", &u64::MAX.to_le_bytes()].map(Handle::of_blob);
        let run = Handle::of_blob(b"run");
        let program = session.put_tree(&[module, run, stub[0], stub[1], stub[2]]);
        let child = session.put_blob(library.to_vec());
        let (kind, mode) = (FileKind::File, 0o644);
        let name = Name::new(b"python315.zip").map_err(|error| format!("{error:?}"))?;
        let root = build(vec![Entry { name, kind, mode, child }], |_, part| {
            match part {
                Part::Index(blob) => session.put_blob(blob.bytes().to_vec()),
                Part::Node(tree) => session.put_tree(tree.entries()),
            };
            Ok::<_, DirectoryError>(())
        })?;
        let root = root.lower().unwrap_or(root);
        let directories = [session.put_blob(&b"/usr/local/lib"[..]), root];
        Ok(Self { session, _node: node, program, directories })
    }

    /// The value of an application, which has to be one.
    fn value(&self, entries: &[Handle]) -> Result<Handle> {
        let application = self.session.put_tree(entries);
        let request = application.application().and_then(Handle::strict).ok_or("no request")?;
        let outcome = self.session.evaluate(request);
        Ok(outcome.value().ok_or_else(|| format!("{outcome:?}"))?)
    }

    fn said(&self, value: Handle) -> Result<Vec<u8>> {
        let content = self.session.content(value)?.ok_or("no value")?;
        let entries = content.tree().ok_or("no tree")?.entries();
        match entries[1].literal_bytes() {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Ok(self
                .session
                .content(entries[1])?
                .and_then(|content| match content {
                    Content::Blob(blob) => Some(blob.bytes().to_vec()),
                    _ => None,
                })
                .ok_or("no output")?),
        }
    }

    /// What a program says that it was told to, and what it does before.
    fn fresh(&self, imports: &str, line: &str) -> Result<Vec<u8>> {
        let script = format!("{imports}\n{}", said(line));
        let arguments = ["python", "-c", &script];
        let arguments = arguments.map(|text| self.session.put_blob(text.as_bytes().to_vec()));
        let nothing = Handle::of_blob(NOTHING);
        let arguments = self.session.put_tree(&arguments);
        let head = [Handle::of_u64(MEMORY_BYTES), Handle::of_blob(b"wasi/1"), self.program];
        let [seed, clock] = SAID.map(Handle::of_u64);
        let rest = [arguments, nothing, nothing, seed, clock];
        self.said(self.value(&[&head[..], &rest, &self.directories].concat())?)
    }

    fn call(&self, code: &str) -> Handle {
        let code = self.session.put_blob(code.as_bytes().to_vec());
        self.session.put_tree(&[Handle::of_blob(b"turn"), Handle::of_blob(b"host_alloc"), code])
    }

    fn image(&self, imports: &str) -> Result<Handle> {
        let nothing = Handle::of_blob(NOTHING);
        let calls = [Handle::of_blob(b"wizer.initialize"), self.call(imports)];
        let calls = self.session.put_tree(&calls);
        let head = [Handle::of_u64(MEMORY_BYTES), Handle::of_blob(b"snapshot/1"), calls];
        let [seed, clock] = SAID.map(Handle::of_u64);
        let rest = [self.program, nothing, nothing, nothing, seed, clock];
        self.value(&[&head[..], &rest, &self.directories].concat())
    }

    fn restored(&self, image: Handle, line: &str) -> Result<Vec<u8>> {
        let image = image.lower().unwrap_or(image);
        let head = [Handle::of_u64(MEMORY_BYTES), Handle::of_blob(b"image/1"), image];
        self.said(self.value(&[&head[..], &[self.call(&said(line))]].concat())?)
    }

    fn compare(&self, bench: &str, what: &'static str, imports: &str) -> Result<bool> {
        let image = self.image(imports)?;
        let (mut ours, mut theirs, mut sooner) = (Times::new(), Times::new(), Times::new());
        // The first of each compiles, or maps what was compiled.
        for run in 0..RUNS + 2 {
            let line = format!("{what} {run}");
            let start = Instant::now();
            let fresh = self.fresh(imports, &line)?;
            let between = Instant::now();
            let restored = self.restored(image, &line)?;
            let took = [between - start, between.elapsed()].map(|took| took.as_secs_f64() * 1e3);
            if fresh != restored || fresh != format!("{line}\n").into_bytes() {
                return Err(format!("{line}: {fresh:?} and {restored:?}").into());
            }
            if run >= 2 {
                theirs.push(took[0]);
                ours.push(took[1]);
                sooner.push(took[1] / took[0]);
            }
        }
        let kept = tell(bench, what, &mut sooner, Amount::Ratio);
        tell(bench, "from the image", &mut ours, Amount::Ms);
        tell(bench, "fresh", &mut theirs, Amount::Ms);
        Ok(kept)
    }
}

/// Says a line and ends, without the cleaning up of an interpreter that ends.
fn said(line: &str) -> String {
    format!("import os; print({line:?}, flush=True); os._exit(0)")
}
