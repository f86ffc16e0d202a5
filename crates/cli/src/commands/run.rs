//! A program for WASI, run as a computation.

mod changed;
mod entry;
mod looked;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::iter;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use weft_object::{Blob, Handle, Kind};
use weft_store::{Mode, StoreError, Writing, files};

use super::{Command, is_json, json_argument, pin};
use crate::argument;
use crate::evaluate::{Options, evaluate};
use crate::exit::{Code, Exit, file_error};
use crate::noted;
use crate::place::Place;
use crate::program::{self, Left, MEMORY_BYTES, Made};
use crate::report;
use crate::terminal::Terminal;
use crate::units::{parse_duration, parse_memory};

pub(crate) const COMMAND: Command = Command {
    name: "run",
    about: "Run a program for WASI, and remember what it came to",
    details: "PROG is a command for WASI preview 1 or 0.2, or a reactor of which --invoke\n\
              names a function, called after _initialize; an i32 that it returns is the exit\n\
              code. It sees its arguments, the environment and standard input that are given\n\
              here, and the directories, which it changes\n\
              in memory only: --out writes what it has changed. Clocks and random numbers\n\
              follow from --seed. So the same run again is a lookup. Its output comes when\n\
              it has ended; its exit code is that of `weft run`, which ends with a code of\n\
              its own, as below, where the program did not come to its end. Nor does it run\n\
              again for a change in what it never looked at: --explain says what it did look\n\
              at, in the place of its output. docs/wasi.md says what a program finds.",
    examples: &[
        "weft run hello.wasm",
        "weft run python.wasm --dir /usr/local/lib --dir . -- -c 'print(1)'",
        "weft run --tree @src:/src --out changed tool.wasm -- /src",
        "weft run --explain --dir src:/src tool.wasm -- /src",
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
        let argv0 = Arg::new("argv0")
            .long("argv0")
            .value_name("NAME")
            .value_parser(value_parser!(OsString))
            .help("What the program gets as its own name [default: the file's]");
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
        let explain = Arg::new("explain")
            .long("explain")
            .action(ArgAction::SetTrue)
            .help("Print what the program looked at in its directories instead of its output");
        let output = json_argument().requires("explain").help("With --explain: text or json");
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
            .args(entry::arguments())
            .args([argv0, seed, memory, deadline])
            .args([noted::label_argument(), explain, output, rest])
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
    let label = noted::label(matches)?;
    let place = Place::open(Mode::Write, terminal)?;
    let application = Given { matches, place: &place, terminal }.application()?;
    let options = Options {
        deadline: matches.get_one::<Duration>("deadline").copied(),
        ..Options::default()
    };
    let answer = evaluate(&place, application.thunk, &options, terminal)?;
    noted::remember(&place, &answer, label.as_ref(), terminal)?;
    let value = report::value(&answer)?;
    let left = Left::read(&answer.session, value)?;
    match matches.get_flag("explain") {
        true => looked::print(&answer, left.code, is_json(matches))?,
        false => {
            write(io::stdout().lock(), &left.stdout)?;
            write(io::stderr().lock(), &left.stderr)?;
        }
    }
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
        let module = self.place.put(&path)?.0;
        let mut made = Made::default();
        let program = entry::program(module, self.matches, &mut made)?;
        let own = path.file_name().unwrap_or_default();
        let name = self.matches.get_one("argv0").map_or(own, OsString::as_os_str);
        let rest = self.all("ARGS").map(OsString::as_os_str);
        let bytes = |text: &OsStr| text.as_bytes().to_vec();
        let environment: Vec<&OsStr> = self.all("env").map(OsString::as_os_str).collect();
        if let Some(wrong) = environment.iter().find(|entry| !entry.as_bytes().contains(&b'=')) {
            let wrong = wrong.display();
            return Err(Exit::usage(format!("--env {wrong} has no value; write {wrong}=VALUE")));
        }
        let given = program::Given {
            memory_bytes: self.matches.get_one("memory").copied().unwrap_or(MEMORY_BYTES),
            program,
            arguments: iter::once(name).chain(rest).map(bytes).collect(),
            environment: environment.into_iter().map(bytes).collect(),
            stdin: self.stdin()?,
            seed: self.matches.get_one("seed").copied().unwrap_or(0),
            directories: self.directories()?,
        };
        let backend = &*self.place.backend;
        let writing = Writing::begin(backend)?;
        let thunk = given.application(&mut made)?;
        backend.put(&made.0)?;
        pin::lease(backend, &[thunk])?;
        drop(writing);
        Ok(Application { thunk, directories: given.directories })
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
            directories.push((guest.into_vec(), self.place.put(path)?.0));
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
                let path = Path::new(path);
                let file = fs::File::open(path);
                let mut file = file.map_err(|error| file_error("read", path, error))?;
                add(&mut file, &path.display().to_string())
            }
        }
    }
}

/// What stands before the last colon, and what behind it.
pub(super) fn split(given: &OsStr) -> (OsString, Option<OsString>) {
    let bytes = given.as_bytes();
    let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    match bytes.iter().rposition(|byte| *byte == b':') {
        Some(at) => (owned(&bytes[..at]), Some(owned(&bytes[at + 1..]))),
        None => (owned(bytes), None),
    }
}

fn write(mut to: impl Write, blob: &Blob) -> Result<(), Exit> {
    let done = to.write_all(blob.bytes()).and_then(|()| to.flush());
    match done {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Exit::silent(Code::Ok.status())),
        done => done.map_err(|error| Exit::other(format!("cannot write: {error}"))),
    }
}
