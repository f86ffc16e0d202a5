//! `weft why`: where something comes from, and what is different this time.

mod json;
mod text;

use std::os::unix::ffi::OsStrExt;

use clap::{Arg, ArgMatches, value_parser};
use weft_explain::{Names, Question, Source, Why, why};
use weft_object::{Handle, Kind};
use weft_store::{Backend, files};

use super::{Command, form, handle_argument, output_argument, path_argument};
use crate::argument::plain;
use crate::exit::{Code, Exit};
use crate::explained::{Evaluated, Subject, argument, evaluated, one, run_argument, searching};
use crate::out::{name, out};
use crate::place::Place;
use crate::recover;
use crate::terminal::Terminal;

pub(crate) const COMMAND: Command = Command {
    name: "why",
    about: "Say what made something, from what, and what is different this time",
    details: "Of data: the computation that came to it, or has it in its result, what that was\n\
              given, what made that, and so on. Of a computation: what it came to and what it\n\
              needed. If there was an earlier run under the same label, else of the same\n\
              function: in which inputs the two differ, down to the path in a directory, and\n\
              in which computations the difference enters. All this is read from the store;\n\
              nothing runs unless --run is given.",
    examples: &[
        "weft why @result",
        "weft why @result out/main.o",
        "weft why 1f3a55 --depth 6",
        "weft why --run 'apply(./add.wasm, 1u64, 2u64)'",
    ],
    arguments: |command| {
        let depth = Arg::new("depth")
            .long("depth")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=1000))
            .default_value("3")
            .help("How many computations deep");
        let width = Arg::new("width")
            .long("width")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..))
            .default_value("8")
            .help("How many of those that one computation needed");
        let output = output_argument(&["text", "json"], "text or json");
        let command = command.arg(handle_argument("HANDLE")).arg(path_argument());
        command.arg(depth).arg(width).arg(output).arg(run_argument())
    },
    run,
};

/// The answer, and how things are called in it.
struct Answered<'a> {
    why: &'a Why,
    names: &'a Names,
    backend: &'a dyn Backend,
    depth: usize,
    width: usize,
}

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let runs = matches.get_flag("run");
    let subject = Subject::open(argument(matches, "HANDLE"), runs, terminal)?;
    let Subject { place, mut handle, label } = subject;
    if let Some(path) = matches.get_one::<std::ffi::OsString>("PATH") {
        handle = below(&place, handle, plain(path.as_bytes()), terminal)?;
    }
    let number = |name| matches.get_one::<u16>(name).map_or(1, |number| usize::from(*number));
    let (depth, width) = (number("depth"), number("width"));
    let question = Question { subject: handle, label, depth, width };
    let backend = &*place.backend;
    let ask =
        |source: &dyn Source| searching(terminal, |tell| why(backend, source, &question, tell));
    let stored = Stored(backend);
    let mut answer = ask(&stored)?;
    let mut found: Option<Evaluated> = None;
    if let (true, Some(request)) = (runs, answer.request) {
        let evaluated = evaluated(&place, request, terminal)?;
        answer = ask(&evaluated)?;
        found = Some(evaluated);
    }
    let source: &dyn Source = found.as_ref().map_or(&stored, |found| found);
    let mut names = Names::read(backend)?;
    names.find(source, wanted(&answer))?;
    let answered = Answered { why: &answer, names: &names, backend, depth, width };
    match form(matches) {
        "json" => {
            let object = answered.json(source)?;
            out(|out| writeln!(out, "{object}"))
        }
        _ => {
            let text = answered.text(source)?;
            out(|out| out.write_all(text.as_bytes()))
        }
    }
}

/// A backend as a source of its own, so that either can be passed on.
struct Stored<'a>(&'a dyn Backend);

impl Source for Stored<'_> {
    fn content(
        &self,
        handle: &Handle,
    ) -> Result<Option<weft_store::Content>, weft_store::StoreError> {
        self.0.get(&handle.content())
    }

    fn known(&self, key: &Handle) -> Result<Option<weft_store::Relation>, weft_store::StoreError> {
        Backend::relation(self.0, key)
    }
}

/// What is under a path in a directory.
fn below(
    place: &Place,
    directory: Handle,
    path: &[u8],
    terminal: Terminal,
) -> Result<Handle, Exit> {
    if path.is_empty() {
        return Ok(directory);
    }
    if !matches!(directory.kind(), Kind::Tree | Kind::TreeRef) {
        let text = format!("#{directory} is {} and has no paths in it", one(directory.kind()));
        return Err(Exit::new(Code::Other, text));
    }
    let content = recover::Source::new(place, terminal);
    let source = |wanted: &Handle| content.get(wanted);
    files::find(&source, &directory, path)?.ok_or_else(|| {
        Exit::new(Code::Store, format!("there is no {} in #{directory}", name(path)))
    })
}

/// What should be found below labels: the subject, and what nobody made.
fn wanted(why: &Why) -> Vec<Handle> {
    let inputs = why.told.values().flat_map(|told| told.inputs.iter().map(|(_, input)| *input));
    let mut wanted: Vec<Handle> = inputs.filter(|i| !why.made.contains_key(&i.content())).collect();
    if why.subject.kind().is_data() && !why.subject.is_literal() {
        wanted.push(why.subject);
    }
    wanted
}
