//! A program for WASI, run as a computation.

mod changed;
pub(super) mod entry;
pub(super) mod given;
mod looked;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use weft_object::{Blob, Handle};
use weft_store::{Mode, StoreError};

use self::given::{Application, Given, flag};
use super::{Command, is_json, json_argument};
use crate::evaluate::{Options, evaluate};
use crate::exit::{Code, Exit};
use crate::image::Image;
use crate::noted;
use crate::place::Place;
use crate::program::{Left, Procedure};
use crate::report;
use crate::terminal::Terminal;
use crate::units::parse_duration;

pub(crate) const COMMAND: Command = Command {
    name: "run",
    about: "Run a program for WASI, and remember what it came to",
    details: "PROG is a command for WASI preview 1 or 0.2, or a reactor of which --invoke\n\
              names a function, called after _initialize; an i32 that it returns is the exit\n\
              code. Or it is an image that `weft image` has made, which goes on with the\n\
              function that --invoke names. It sees its arguments, the environment and\n\
              standard input that are given here, and the directories, which it changes\n\
              in memory only: --out writes what it has changed. The clock begins with\n\
              --clock, and random numbers follow from --seed. So the same run again is a\n\
              lookup. Its output comes when it has ended; its exit code is that of\n\
              `weft run`, which ends with a code of its own, as below, where the program did\n\
              not come to its end. Nor does it run again for a change in what it never looked\n\
              at: --explain says what it did look at, in the place of its output.\n\
              docs/wasi.md says what a program finds.",
    examples: &[
        "weft run hello.wasm",
        "weft run python.wasm --dir /usr/local/lib --dir . -- -c 'print(1)'",
        "weft run --tree @src:/src --out changed tool.wasm -- /src",
        "weft run --explain --dir src:/src tool.wasm -- /src",
        "weft run @python --invoke run -- -c 'print(1)'",
        "weft run @python --invoke 'turn=print(1)' --alloc host_alloc",
    ],
    arguments: |command| {
        let program = Arg::new("PROG")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The program, a .wasm file; or an image, as @LABEL or #HANDLE");
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
        let out = flag("out", "DIR", "Where to write what the program has changed");
        let command = given::arguments(command.arg(program));
        command.args([entry::invoke_argument(), entry::alloc_argument(), out, deadline]).args([
            noted::label_argument(),
            explain,
            output,
        ])
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
    let application = application(&Given { matches, place: &place, terminal })?;
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

/// In the store, as docs/wasi.md has it, or docs/image.md.
fn application(given: &Given<'_>) -> Result<Application, Exit> {
    let path = given.matches.get_one::<PathBuf>("PROG").cloned().unwrap_or_default();
    let function = given.matches.get_one::<String>("invoke");
    let Some(image) = Image::named(given, &path)? else {
        let function = function.map_or("", String::as_str);
        let name = path.file_name().unwrap_or_default().to_owned();
        let module = given.place.put(&path)?.0;
        return given.application(&name, |made| {
            entry::program(module, function, given.matches, made).map(Procedure::Run)
        });
    };
    let Some(name) = image.own_name() else {
        let text = format!(
            "{} is the image of a function; apply it: weft eval 'apply(closure(\"image/1\", {0}), \
             ARGUMENT)'",
            path.display()
        );
        return Err(Exit::usage(text));
    };
    let Some(function) = function else {
        let text = "an image goes on with a function; name it with --invoke NAME";
        return Err(Exit::usage(text));
    };
    if given.matches.contains_id("stub") {
        return Err(Exit::usage("an image has the stubs that it was made with; leave --stub out"));
    }
    given.application(OsStr::new(name), |made| {
        Ok(Procedure::Image(image.handle, entry::call(function, given.matches, made)))
    })
}

fn write(mut to: impl Write, blob: &Blob) -> Result<(), Exit> {
    let done = to.write_all(blob.bytes()).and_then(|()| to.flush());
    match done {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Exit::silent(Code::Ok.status())),
        done => done.map_err(|error| Exit::other(format!("cannot write: {error}"))),
    }
}
