//! A program for WASI, run as a computation.

mod changed;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use weft_object::{Blob, Content, Handle, Kind, Tree};
use weft_store::{Mode, StoreError, Writing, files};

use super::{Command, pin};
use crate::argument;
use crate::evaluate::{Answer, Options, evaluate};
use crate::exit::{Code, Exit};
use crate::place::Place;
use crate::report;
use crate::terminal::Terminal;
use crate::units::{parse_duration, parse_memory};

pub(crate) const COMMAND: Command = Command {
    name: "run",
    about: "Run a program for WASI, and remember what it came to",
    details: "PROG is a command for WASI preview 1. It sees its arguments, the environment\n\
              and standard input that are given here, and the directories, which it changes\n\
              in memory only: --out writes what it has changed. Clocks and random numbers\n\
              follow from --seed. So the same run again is a lookup. Its output comes when\n\
              it has ended; its exit code is that of `weft run`, which ends with a code of\n\
              its own, as below, where the program did not come to its end.\n\
              docs/wasi.md says what a program finds.",
    examples: &[
        "weft run hello.wasm",
        "weft run python.wasm --dir /usr/local/lib --dir . -- -c 'print(1)'",
        "weft run --tree @src:/src --out changed tool.wasm -- /src",
    ],
    arguments: |command| {
        let flag = |name: &'static str, value: &'static str, help: &'static str| {
            Arg::new(name)
                .long(name)
                .value_name(value)
                .value_parser(value_parser!(OsString))
                .help(help)
        };
        let program = Arg::new("PROG")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The program, a .wasm file");
        let rest = Arg::new("ARGS")
            .num_args(0..)
            .last(true)
            .value_parser(value_parser!(OsString))
            .help("What the program gets as arguments");
        let seed = Arg::new("seed")
            .long("seed")
            .value_name("N")
            .value_parser(value_parser!(u64))
            .default_value("0")
            .help("What random numbers follow from");
        let memory = Arg::new("memory")
            .long("memory")
            .value_name("SIZE")
            .value_parser(parse_memory)
            .default_value("1GiB")
            .help("What the program's memory may come to, and what it writes");
        let deadline = Arg::new("deadline")
            .long("deadline")
            .value_name("TIME")
            .value_parser(parse_duration)
            .help("Give up after this long, as 10s or 5m");
        let many = |arg: Arg| arg.action(ArgAction::Append);
        command
            .arg(program)
            .arg(many(flag("dir", "HOST[:GUEST]", "A directory, under its own path or GUEST")))
            .arg(many(flag(
                "tree",
                "HANDLE[:GUEST]",
                "The same from the store; GUEST is / if left out",
            )))
            .arg(many(flag("env", "K=V", "A variable of the environment")))
            .arg(flag("stdin", "FILE", "Standard input; - is that of this command"))
            .arg(flag("out", "DIR", "Where to write what the program has changed"))
            .args([seed, memory, deadline, rest])
    },
    run,
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let target = matches.get_one::<OsString>("out").map(PathBuf::from);
    if let Some(target) = &target
        && fs::symlink_metadata(target).is_ok_and(|there| !there.is_dir())
    {
        return Err(StoreError::Exists(target.clone()).into());
    }
    let place = Place::open(Mode::Write, terminal)?;
    let application = Given { matches, place: &place, terminal }.application()?;
    let options = Options {
        deadline: matches.get_one::<Duration>("deadline").copied(),
        ..Options::default()
    };
    let answer = evaluate(&place, application.thunk, &options, terminal)?;
    let value = report::value(&answer)?;
    let left = Left::read(&answer, value)?;
    write(io::stdout().lock(), &left.stdout)?;
    write(io::stderr().lock(), &left.stderr)?;
    if let Some(target) = target {
        let source = |wanted: &Handle| answer.session.content(*wanted);
        changed::write(&source, &application.directories, &left.directories, &target)?;
    }
    match left.code {
        0 => Ok(()),
        // As the system does with what a program gives to exit.
        code => Err(Exit::silent(code as u8)),
    }
}

/// What the command line says.
struct Given<'a> {
    matches: &'a ArgMatches,
    place: &'a Place,
    terminal: Terminal,
}

struct Application {
    thunk: Handle,
    /// Under which path, and which.
    directories: Vec<(Vec<u8>, Handle)>,
}

impl Given<'_> {
    fn all(&self, name: &str) -> impl Iterator<Item = &OsString> {
        self.matches.get_many(name).into_iter().flatten()
    }

    /// In the store, as docs/wasi.md has it.
    fn application(&self) -> Result<Application, Exit> {
        let path = self.matches.get_one::<PathBuf>("PROG").cloned().unwrap_or_default();
        let program = self.place.add(&path)?.0;
        let argv0 = path.file_name().unwrap_or_default();
        let arguments: Vec<&OsStr> =
            std::iter::once(argv0).chain(self.all("ARGS").map(OsString::as_os_str)).collect();
        let environment: Vec<&OsStr> = self.all("env").map(OsString::as_os_str).collect();
        if let Some(wrong) = environment.iter().find(|entry| !entry.as_bytes().contains(&b'=')) {
            let wrong = wrong.display();
            return Err(Exit::usage(format!("--env {wrong} has no value; write {wrong}=VALUE")));
        }
        let directories = self.directories()?;
        let seed = self.matches.get_one::<u64>("seed").copied().unwrap_or(0);
        let memory = self.matches.get_one::<u64>("memory").copied().unwrap_or(1 << 30);
        let backend = &*self.place.backend;
        let writing = Writing::begin(backend)?;
        let mut made = Made(Vec::new());
        let mut entries = vec![
            Handle::of_u64(memory),
            made.blob(b"wasi/1"),
            program,
            made.strings(&arguments),
            made.strings(&environment),
            self.stdin()?,
            Handle::of_u64(seed),
            made.blob(b""),
        ];
        for (path, root) in &directories {
            entries.extend([made.blob(path), root.lower().unwrap_or(*root)]);
        }
        let thunk = made.tree(entries).application();
        let thunk = thunk.ok_or_else(|| Exit::other("the run has no form; please report it"))?;
        backend.put(&made.0)?;
        pin::lease(backend, &[thunk])?;
        drop(writing);
        Ok(Application { thunk, directories })
    }

    fn directories(&self) -> Result<Vec<(Vec<u8>, Handle)>, Exit> {
        let mut directories = Vec::new();
        for given in self.all("dir") {
            let (host, guest) = split(given);
            let path = Path::new(&host);
            if !path.is_dir() {
                let text = format!("--dir {} is no directory", path.display());
                return Err(Exit::usage(text));
            }
            let guest = guest.unwrap_or_else(|| host.clone());
            directories.push((guest.into_vec(), self.place.add(path)?.0));
        }
        for given in self.all("tree") {
            let (handle, guest) = split(given);
            let (_, root) = argument::data(&handle, self.terminal)?;
            if !matches!(root.kind(), Kind::Tree | Kind::TreeRef) {
                let text = format!("--tree {} is no directory", handle.display());
                return Err(Exit::usage(text));
            }
            directories.push((guest.unwrap_or_else(|| "/".into()).into_vec(), root));
        }
        Ok(directories)
    }

    fn stdin(&self) -> Result<Handle, Exit> {
        let Some(path) = self.matches.get_one::<OsString>("stdin") else {
            return Ok(Handle::of_blob(b""));
        };
        let (backend, directory) = (&*self.place.backend, self.place.directory());
        let add = |input: &mut dyn Read, name: &str| -> Result<Handle, Exit> {
            let _writing = Writing::begin(backend)?;
            let handle = files::add_stream(backend, input, name, directory)?.0;
            pin::lease(backend, &[handle])?;
            Ok(handle)
        };
        match path == "-" {
            true => add(&mut io::stdin().lock(), "standard input"),
            false => {
                let shown = Path::new(path).display().to_string();
                let file = fs::File::open(path);
                let mut file =
                    file.map_err(|error| Exit::other(format!("cannot read {shown}: {error}")))?;
                add(&mut file, &shown)
            }
        }
    }
}

/// What stands before the last colon, and what behind it.
fn split(given: &OsStr) -> (OsString, Option<OsString>) {
    let bytes = given.as_bytes();
    let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    match bytes.iter().rposition(|byte| *byte == b':') {
        Some(at) => (owned(&bytes[..at]), Some(owned(&bytes[at + 1..]))),
        None => (owned(bytes), None),
    }
}

/// Content for the store.
struct Made(Vec<(Handle, Content)>);

impl Made {
    fn blob(&mut self, bytes: &[u8]) -> Handle {
        let blob = Blob::new(bytes.to_vec());
        let handle = blob.handle();
        if !handle.is_literal() {
            self.0.push((handle, Content::Blob(blob)));
        }
        handle
    }

    fn tree(&mut self, entries: Vec<Handle>) -> Handle {
        let tree = Tree::new(entries);
        let handle = tree.handle();
        self.0.push((handle, Content::Tree(tree)));
        handle
    }

    fn strings(&mut self, strings: &[&OsStr]) -> Handle {
        let entries = strings.iter().map(|text| self.blob(text.as_bytes())).collect();
        self.tree(entries)
    }
}

/// What a program has left behind.
struct Left {
    code: u64,
    stdout: Blob,
    stderr: Blob,
    directories: Vec<Handle>,
}

impl Left {
    fn read(answer: &Answer, value: Handle) -> Result<Self, Exit> {
        let content = answer.session.content(value)?;
        let missing = || Exit::from(StoreError::Missing(value.content()));
        let tree = content.as_ref().and_then(Content::tree).ok_or_else(missing)?;
        let blob = |at: usize| -> Result<Blob, Exit> {
            let handle = tree.entries().get(at).ok_or_else(missing)?;
            let content = answer.session.content(*handle)?;
            content.and_then(|content| content.blob().cloned()).ok_or_else(missing)
        };
        let mut code = [0; 8];
        let bytes = blob(0)?;
        code.get_mut(..bytes.bytes().len()).ok_or_else(missing)?.copy_from_slice(bytes.bytes());
        Ok(Self {
            code: u64::from_le_bytes(code),
            stdout: blob(1)?,
            stderr: blob(2)?,
            directories: tree.entries().get(3..).unwrap_or_default().to_vec(),
        })
    }
}

fn write(mut to: impl Write, blob: &Blob) -> Result<(), Exit> {
    let done = to.write_all(blob.bytes()).and_then(|()| to.flush());
    match done {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Exit::silent(Code::Ok.status())),
        done => done.map_err(|error| Exit::other(format!("cannot write: {error}"))),
    }
}
