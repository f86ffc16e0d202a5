use std::ffi::OsString;
use std::io::{self, Write};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde_json::{Value, json};
use weft_eval::{Application, Outcome};
use weft_node::{Again, Interrupt as Stop, Session, has_debug_info};
use weft_notation::{Budget, describe};
use weft_object::Handle;
use weft_store::{Mode, Relation};

use super::verify::computation;
use super::{Command, is_json, json_argument};
use crate::argument::source;
use crate::debugger::become_debugger;
use crate::evaluate::{Options, looking};
use crate::exit::{Code, Exit};
use crate::interrupt::Interrupt;
use crate::names::{built, parsed};
use crate::out::{escaped, out};
use crate::place::Place;
use crate::progress;
use crate::report::{Contents, failure_words, no_answer_text};
use crate::terminal::Terminal;
use crate::units::{parse_memory, size, time};

pub(crate) const COMMAND: Command = Command {
    name: "replay",
    about: "Run one past application again, with its log",
    details: "Of a computation, the application that it begins with; what its arguments need\n\
              is taken from what is known. Of data, what made it last. The log goes to\n\
              standard error. Nothing is kept. With --debug, under gdb or lldb, which stop\n\
              where the function begins and show its source if the module has debug info.",
    examples: &[
        "weft replay 'apply(./add.wasm, 1u64, 2u64)'",
        "weft replay --debug 1f3a55",
        "weft replay --output json @build",
    ],
    arguments: |command| {
        let expression = Arg::new("EXPR")
            .required(true)
            .value_parser(value_parser!(OsString))
            .help("The computation, a handle of it or of its result, or first digits");
        let debug = Arg::new("debug")
            .long("debug")
            .action(ArgAction::SetTrue)
            .conflicts_with("output")
            .help("Run it under gdb or lldb");
        let under = Arg::new("under-debugger")
            .long("under-debugger")
            .action(ArgAction::SetTrue)
            .hide(true)
            .help("Compile for a debugger, which has started this");
        let memory = Arg::new("memory")
            .long("memory")
            .value_name("SIZE")
            .value_parser(parse_memory)
            .help("What all may take together, as 2GiB [default: 3/4 of the machine's]");
        command.args([expression, debug, under, json_argument(), memory])
    },
    run,
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let argument = matches.get_one::<OsString>("EXPR").cloned().unwrap_or_default();
    let source = source(&argument)?;
    let expr = parsed(&source)?;
    let place = Place::open(Mode::Write, terminal)?;
    let request = computation(&place, built(&place, &source, &expr)?)?;
    let options = Options {
        memory_bytes: matches.get_one("memory").copied().unwrap_or(0),
        ..Options::default()
    };
    let interrupt = Interrupt::listen(terminal)
        .map_err(|error| Exit::other(format!("cannot listen for Ctrl-C: {error}")))?;
    let node = looking(&place, &options, None, matches.get_flag("under-debugger"), terminal)?;
    let session = node.session();
    let application = match session.outermost(request) {
        Ok(Some(application)) => application,
        Ok(None) => return Err(no_application(request)),
        Err(outcome) => return Err(before_it(&outcome)),
    };
    let recorded = session.relation(application.handle)?;
    if matches.get_flag("debug") {
        // The one under the debugger finds it in the store.
        node.keep(&[application.handle])?;
        remark_on_source(&session, &application, terminal);
        let word = application.handle.application().unwrap_or(application.handle);
        let word = OsString::from(format!("#{word}"));
        drop((session, node, place));
        let arguments = ["--quiet", "replay", "--under-debugger"].map(OsString::from);
        return Err(become_debugger(&[&arguments[..], &[word]].concat()));
    }
    let line = |elapsed| vec![format!("running again; {}", time(elapsed))];
    let again = progress::during(terminal, line, || applied(&session, &application, &interrupt))?;
    terminal.write(&log(&again, terminal));
    let done = Done { place: &place, session: &session, application, again, recorded };
    match is_json(matches) {
        true => out(|out| writeln!(out, "{}", done.json()))?,
        // Told as the error that it is.
        false if matches!(done.again.outcome, Outcome::NoAnswer(_)) => {}
        false => out(|out| done.text(out))?,
    }
    if let (Some(signal), Outcome::NoAnswer(_)) = (interrupt.signal(), &done.again.outcome) {
        return Err(Exit::signal(signal, "interrupted"));
    }
    done.end()
}

/// On a thread with the stack for it, in the sight of who may want it to end.
fn applied(
    session: &Session,
    application: &Application,
    interrupt: &Interrupt,
) -> Result<Again, Exit> {
    const STACK_BYTES: usize = 16 << 20;
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let stop = Stop::new();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let running = thread
            .spawn_scoped(scope, || session.apply_again(application, &stop))
            .map_err(|error| Exit::other(format!("cannot start a thread: {error}")))?;
        while !running.is_finished() {
            if interrupt.signal().is_some() {
                stop.interrupt();
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        running.join().map_err(|_| Exit::other("weft itself failed here; please report it"))
    })
}

fn no_application(request: Handle) -> Exit {
    Exit::new(Code::Other, format!("#{request} applies nothing, so there is nothing to run"))
}

/// Of a request whose arguments come to nothing.
fn before_it(outcome: &Outcome) -> Exit {
    match outcome {
        Outcome::NoAnswer(none) => Exit::new(Code::NoAnswer, no_answer_text(none)),
        Outcome::Failure(failure) => {
            let text = format!(
                "it never ran, since an argument failed: {}; see `weft replay #{}`",
                failure_words(failure),
                failure.application
            );
            Exit::new(Code::Failed, text)
        }
        Outcome::Value(_) => Exit::other("it never ran"),
    }
}

fn remark_on_source(session: &Session, application: &Application, terminal: Terminal) {
    let module = application.tree.entries().get(1).copied();
    let content = module.and_then(|module| session.content(module).ok().flatten());
    let Some(bytes) = content.as_ref().and_then(|content| content.blob()) else { return };
    if !has_debug_info(bytes.bytes()) {
        terminal.remark(
            "the module has no debug info, so the debugger shows machine code; build it with some \
             (`debug = true` in Cargo.toml, `-g` for C) to see its source",
        );
    }
}

/// As the function would have written it.
fn log(again: &Again, terminal: Terminal) -> String {
    let text = String::from_utf8_lossy(&again.log);
    let mut text = match terminal.is_terminal {
        true => escaped(&text).into_owned(),
        false => text.into_owned(),
    };
    if again.log_truncated {
        text.push_str("(the rest of the log was cut)\n");
    }
    text
}

/// What there is to tell.
struct Done<'a> {
    place: &'a Place,
    session: &'a Session,
    application: Application,
    again: Again,
    recorded: Option<Relation>,
}

const ONE: Budget = Budget { depth: 1, entries: 8, blob_bytes: 40 };
const RESULT: Budget = Budget { depth: 2, entries: 16, blob_bytes: 80 };

impl Done<'_> {
    fn describe(&self, handle: Handle, budget: Budget) -> String {
        describe(handle, &mut Contents(self.session), budget).to_string()
    }

    /// Whether it came to what is recorded; `None` if one of both is not there.
    fn same(&self) -> Option<bool> {
        Some(self.again.stored? == self.recorded?.outcome)
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let key = self.application.handle;
        let ran = key.application().unwrap_or(key);
        writeln!(out, "    ran {}", self.describe(ran, ONE))?;
        writeln!(out, "    key #{key}")?;
        match &self.again.outcome {
            Outcome::Value(value) => {
                writeln!(out, "  value {}", self.describe(*value, RESULT))?;
                writeln!(out, "        #{value}")?;
            }
            Outcome::Failure(failure) => {
                writeln!(out, "failure {}", failure_words(failure))?;
                for line in self.again.note.iter().flat_map(|note| note.lines()) {
                    writeln!(out, "      | {}", escaped(line))?;
                }
            }
            Outcome::NoAnswer(none) => writeln!(out, " answer none: {none}")?,
        }
        let took = |cost: weft_store::Cost| time(Duration::from_nanos(cost.run_ns));
        writeln!(out, "   took {}", took(self.again.cost))?;
        if let Some(fuel) = self.again.cost.fuel {
            writeln!(out, "   fuel {fuel}")?;
        }
        writeln!(out, " memory {}", size(self.again.memory_peak_bytes))?;
        let Some(recorded) = &self.recorded else {
            return writeln!(out, " before not known");
        };
        let by = self.by(recorded).map_or(String::new(), |by| format!(", found by {by}"));
        let word = match self.same() {
            Some(true) => "the same".to_owned(),
            _ => match recorded.outcome {
                weft_store::Outcome::Value(value) => self.describe(value, RESULT),
                weft_store::Outcome::Failure(handle) => {
                    format!("failure {}", self.describe(handle, RESULT))
                }
            },
        };
        writeln!(out, " before {word}, took {}{by}", took(recorded.cost))
    }

    fn by(&self, relation: &Relation) -> Option<String> {
        let place = usize::from(relation.origin.finder).checked_sub(1)?;
        let finders = self.place.backend.finders().ok()?;
        finders.get(place).map(|finder| finder.text.clone())
    }

    fn json(&self) -> Value {
        let hash = |handle: Handle| Value::from(format!("#{handle}"));
        let cost = |cost: weft_store::Cost| json!({ "run_ns": cost.run_ns, "fuel": cost.fuel });
        let (outcome, detail) = match &self.again.outcome {
            Outcome::Value(_) => ("value", Value::Null),
            Outcome::Failure(failure) => ("failure", failure.to_string().into()),
            Outcome::NoAnswer(none) => ("no answer", none.to_string().into()),
        };
        let recorded = self.recorded.as_ref().map(|recorded| {
            json!({
                "handle": hash(recorded.outcome.handle()),
                "outcome": match recorded.outcome {
                    weft_store::Outcome::Value(_) => "value",
                    weft_store::Outcome::Failure(_) => "failure",
                },
                "cost": cost(recorded.cost),
                "found_by": self.by(recorded),
                "found_at_s": recorded.origin.found_at_s,
            })
        });
        json!({
            "key": hash(self.application.handle),
            "outcome": outcome,
            "handle": self.again.stored.map(|stored| hash(stored.handle())),
            "detail": detail,
            "backtrace": self.again.note,
            "log": String::from_utf8_lossy(&self.again.log),
            "log_truncated": self.again.log_truncated,
            "cost": cost(self.again.cost),
            "memory_peak_bytes": self.again.memory_peak_bytes,
            "recorded": recorded,
            "same": self.same(),
        })
    }

    fn end(&self) -> Result<(), Exit> {
        match (&self.again.outcome, self.same()) {
            (Outcome::NoAnswer(none), _) => Err(Exit::new(Code::NoAnswer, no_answer_text(none))),
            (_, Some(false)) => {
                let text = format!(
                    "it did not come to what is recorded: `weft verify --repair #{}` believes \
                     what was found now",
                    self.application.handle
                );
                Err(Exit::new(Code::Disagrees, text))
            }
            // Told already.
            (Outcome::Failure(_), _) => Err(Exit::silent(Code::Failed.status())),
            (Outcome::Value(_), _) => Ok(()),
        }
    }
}
