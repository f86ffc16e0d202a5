//! What a program is given, as the command line says.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::iter;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use weft_object::{Handle, Kind};
use weft_store::{Writing, files};

use super::entry;
use crate::argument;
use crate::commands::pin;
use crate::exit::{Exit, file_error};
use crate::place::Place;
use crate::program::{self, MEMORY_BYTES, Made, Procedure};
use crate::terminal::Terminal;
use crate::units::{parse_instant, parse_memory};

pub(crate) fn flag(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(value_parser!(OsString)).help(help)
}

/// The flags for it.
pub(crate) fn arguments(command: clap::Command) -> clap::Command {
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
        .help("What random numbers follow from [default: 0; of an image, its own]");
    let clock = Arg::new("clock")
        .long("clock")
        .value_name("TIME")
        .value_parser(parse_instant)
        .help("When it is as the program begins [default: 2020-01-01; of an image, its own]");
    let memory = Arg::new("memory")
        .long("memory")
        .value_name("SIZE")
        .value_parser(parse_memory)
        .default_value("1GiB")
        .help("What the program's memory may come to, and what it writes");
    let many = |arg: Arg| arg.action(ArgAction::Append);
    command
        .arg(many(flag("dir", "HOST[:GUEST]", "A directory, under its own path or GUEST")))
        .arg(many(flag(
            "tree",
            "HANDLE[:GUEST]",
            "The same from the store; GUEST is / if left out",
        )))
        .arg(many(flag("env", "K=V", "A variable of the environment")))
        .arg(flag("stdin", "FILE", "Standard input; - is that of this command"))
        .args([entry::stub_argument(), argv0, seed, clock, memory, rest])
}

/// What the command line says.
pub(crate) struct Given<'a> {
    pub(crate) matches: &'a ArgMatches,
    pub(crate) place: &'a Place,
    pub(crate) terminal: Terminal,
}

pub(crate) struct Application {
    pub(crate) thunk: Handle,
    /// Under which path, and which.
    pub(crate) directories: Vec<(Vec<u8>, Handle)>,
}

impl Given<'_> {
    fn all(&self, name: &str) -> impl Iterator<Item = &OsString> {
        self.matches.get_many(name).into_iter().flatten()
    }

    /// In the store, of a program that would be called by its own name.
    pub(crate) fn application(
        &self,
        own: &OsStr,
        procedure: impl FnOnce(&mut Made) -> Result<Procedure, Exit>,
    ) -> Result<Application, Exit> {
        let mut made = Made::default();
        let procedure = procedure(&mut made)?;
        let name = self.matches.get_one("argv0").map_or(own, OsString::as_os_str);
        let rest = self.all("ARGS").map(OsString::as_os_str);
        let bytes = |text: &OsStr| text.as_bytes().to_vec();
        let environment: Vec<&OsStr> = self.all("env").map(OsString::as_os_str).collect();
        if let Some(wrong) = environment.iter().find(|entry| !entry.as_bytes().contains(&b'=')) {
            let wrong = wrong.display();
            return Err(Exit::usage(format!("--env {wrong} has no value; write {wrong}=VALUE")));
        }
        let seed = self.matches.get_one("seed").copied();
        let is_run = matches!(procedure, Procedure::Run(..));
        // Who has its name from its image already, and is given no arguments, is
        // told none.
        let named = iter::once(name).filter(|name| !name.is_empty());
        let given = program::Given {
            memory_bytes: self.matches.get_one("memory").copied().unwrap_or(MEMORY_BYTES),
            procedure,
            arguments: named.chain(rest).map(bytes).collect(),
            environment: environment.into_iter().map(bytes).collect(),
            stdin: self.stdin()?,
            seed: seed.or(is_run.then_some(0)),
            clock_ns: self.matches.get_one("clock").copied(),
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
            return Ok(Handle::EMPTY);
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
pub(crate) fn split(given: &OsStr) -> (OsString, Option<OsString>) {
    let bytes = given.as_bytes();
    let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    match bytes.iter().rposition(|byte| *byte == b':') {
        Some(at) => (owned(&bytes[..at]), Some(owned(&bytes[at + 1..]))),
        None => (owned(bytes), None),
    }
}
