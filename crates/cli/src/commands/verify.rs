use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde_json::{Value, json};
use weft_eval::{NoAnswerKind, Outcome};
use weft_node::{Disagreement, Node, Sample, Session, Unchecked, Verified};
use weft_notation::{Budget, describe};
use weft_object::{Handle, Kind};
use weft_store::{Mode, Relation, StoreError, is_step};

use super::{Command, is_json, json_argument};
use crate::argument::source;
use crate::evaluate::{Answer, Options, ask, looking};
use crate::exit::{Code, Exit};
use crate::interrupt::Interrupt;
use crate::names::{built, parsed};
use crate::out::out;
use crate::place::Place;
use crate::progress;
use crate::report::{Contents, no_answer_text};
use crate::terminal::Terminal;
use crate::units::{count, counted, parse_duration, parse_memory};

pub(crate) const COMMAND: Command = Command {
    name: "verify",
    about: "Compute again what is known, and compare",
    details: "Every application that the computation has come to is run again, or a sample\n\
              of them, and its outcome compared with what the store says. Of data, the\n\
              computation that made it last. What agrees and was taken from somebody else\n\
              counts as found here from then on. Nothing else changes, unless by --repair.",
    examples: &[
        "weft verify 'apply(./add.wasm, 1u64, 2u64)'",
        "weft verify --sample 1% @build",
        "weft verify --output json 1f3a55",
    ],
    arguments: |command| {
        let expression = Arg::new("EXPR")
            .required(true)
            .value_parser(value_parser!(OsString))
            .help("The computation, a handle of it or of its result, or first digits");
        let sample = Arg::new("sample")
            .long("sample")
            .value_name("PART")
            .value_parser(parse_part)
            .help("Of the known applications run only this part, as 1% [default: 100%]");
        let repair = Arg::new("repair")
            .long("repair")
            .action(ArgAction::SetTrue)
            .help("Put what is found in the place of what it disagrees with");
        let deadline = Arg::new("deadline")
            .long("deadline")
            .value_name("TIME")
            .value_parser(parse_duration)
            .help("Give up after 500ms, 10s, 2m or 1h");
        let memory = Arg::new("memory")
            .long("memory")
            .value_name("SIZE")
            .value_parser(parse_memory)
            .help("What all may take together, as 2GiB [default: 3/4 of the machine's]");
        let workers = Arg::new("workers")
            .long("workers")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=1024))
            .help("Threads that run functions [default: one a core]");
        command.args([expression, sample, repair, json_argument(), deadline, memory, workers])
    },
    run,
};

fn parse_part(text: &str) -> Result<f64, String> {
    let (number, whole) = match text.strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text, 1.0),
    };
    let part = number.trim().parse::<f64>().map(|number| number / whole);
    part.ok()
        .filter(|part| *part > 0.0 && *part <= 1.0)
        .ok_or_else(|| "expected a part of all, above 0% and up to 100%, such as 1%".to_owned())
}

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let argument = matches.get_one::<OsString>("EXPR").cloned().unwrap_or_default();
    let source = source(&argument)?;
    let expr = parsed(&source)?;
    let place = Place::open(Mode::Write, terminal)?;
    let request = computation(&place, built(&place, &source, &expr)?)?;
    let sample = matches.get_one::<f64>("sample").map_or(Sample::ALL, |part| Sample::part(*part));
    let options = Options {
        deadline: matches.get_one::<Duration>("deadline").copied(),
        memory_bytes: matches.get_one("memory").copied().unwrap_or(0),
        workers: matches.get_one::<u16>("workers").map_or(0, |workers| usize::from(*workers)),
    };
    let interrupt = Interrupt::listen(terminal)
        .map_err(|error| Exit::other(format!("cannot listen for Ctrl-C: {error}")))?;
    let node = looking(&place, &options, Some(sample), false, terminal)?;
    let answer = ask(&node, request, options.deadline, &interrupt, terminal);
    let verified = node.verified(request, &answer.outcome)?;
    keep_found(&node, &verified.disagreed)?;
    let repaired = match matches.get_flag("repair") && !verified.disagreed.is_empty() {
        false => None,
        true => Some(repair(node, &place, &verified.disagreed, &options, terminal)?),
    };
    let done = Done { place: &place, answer: &answer, verified: &verified, repaired };
    match is_json(matches) {
        true => out(|out| writeln!(out, "{}", done.json()))?,
        false => out(|out| done.text(out))?,
    }
    if let (Some(signal), Outcome::NoAnswer(_)) = (interrupt.signal(), &answer.outcome) {
        return Err(Exit::signal(signal, "interrupted; the rest is not checked"));
    }
    done.end()
}

/// The computation that a handle is about: of data, what made it last.
pub(super) fn computation(place: &Place, handle: Handle) -> Result<Handle, Exit> {
    if !handle.kind().is_data() || handle.has_encode() {
        return Ok(handle);
    }
    let data = handle.content();
    if data.kind() == Kind::Tree && place.backend.relation(&data)?.is_some() {
        return Ok(data.application().unwrap_or(data));
    }
    let mut found = None;
    place.backend.each_relation(&mut |key, relation| {
        if relation.outcome.handle().content() != data || is_step(key) {
            return ControlFlow::Continue(());
        }
        found = Some(key.application().unwrap_or(*key));
        ControlFlow::Break(())
    })?;
    found.ok_or_else(|| {
        let text = format!(
            "the store does not know what made #{handle}; name the computation instead, as \
             `weft eval` was given it"
        );
        Exit::new(Code::Store, text)
    })
}

/// So that `weft diff` can show what is different.
fn keep_found(node: &Node, disagreed: &[Disagreement]) -> Result<(), StoreError> {
    let found: Vec<Handle> = disagreed.iter().map(|one| one.found.outcome.handle()).collect();
    if found.is_empty() {
        return Ok(());
    }
    node.keep(&found).map(drop)
}

/// Puts what was found in the place of what is wrong, and then has every answer
/// that is kept follow from the relations as they are now. How many of those
/// were changed.
fn repair(
    node: Node,
    place: &Place,
    disagreed: &[Disagreement],
    options: &Options,
    terminal: Terminal,
) -> Result<u64, Exit> {
    node.replace(disagreed)?;
    drop(node);
    let mut answers = Vec::new();
    place.backend.each_relation(&mut |key, _| {
        if key.kind() != Kind::Tree && !is_step(key) {
            answers.push(*key);
        }
        ControlFlow::Continue(())
    })?;
    // With a memory of its own: the other one's knows what is wrong.
    let node = looking(place, options, Some(Sample::NONE), false, terminal)?;
    let line = |_| vec!["looking at the answers that follow".to_owned()];
    progress::during(terminal, line, || {
        let mut changed = 0;
        for request in answers {
            let session = node.session();
            let outcome = session.submit(request).wait();
            let wrong = node.verified(request, &outcome)?.disagreed;
            changed += wrong.len() as u64;
            if !wrong.is_empty() {
                node.replace(&wrong)?;
            }
        }
        Ok(changed)
    })
}

/// What there is to tell.
struct Done<'a> {
    place: &'a Place,
    answer: &'a Answer,
    verified: &'a Verified,
    /// How many answers were mended beside what disagreed.
    repaired: Option<u64>,
}

/// Of a computation that is named among others.
const ONE: Budget = Budget { depth: 1, entries: 8, blob_bytes: 40 };
/// As many are told as people read; programs are told all.
const SHOWN: usize = 20;

impl Done<'_> {
    fn session(&self) -> &Session {
        &self.answer.session
    }

    fn describe(&self, handle: Handle) -> String {
        describe(handle, &mut Contents(self.session()), ONE).to_string()
    }

    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Verified { agreed, adopted, left_out, unknown, disagreed, unchecked, .. } =
            self.verified;
        writeln!(out, "{} ran again, and agree", counted(*agreed, "application"))?;
        let more = [
            (*adopted, "somebody else's word until now", "are found here from now on"),
            (*left_out, "known", "were not in the sample"),
            (*unknown, "not known before", "ran, with nothing to compare"),
        ];
        for (number, which, what) in more.iter().filter(|(number, ..)| *number > 0) {
            writeln!(out, "{:>8} {which}: {what}", count(*number))?;
        }
        for one in unchecked.iter().take(SHOWN) {
            writeln!(out, "could not be checked: {}", self.describe(as_computation(one.key)))?;
            writeln!(out, "     key {}\n     why {}", hash(one.key), one.why)?;
        }
        left(out, unchecked.len())?;
        for one in disagreed.iter().take(SHOWN) {
            self.disagreement(out, one)?;
        }
        left(out, disagreed.len())?;
        match self.repaired {
            Some(0) => writeln!(out, "repaired: what was found is in its place"),
            Some(answers) => writeln!(
                out,
                "repaired: what was found is in its place; answers changed that follow: {}",
                count(answers)
            ),
            None => Ok(()),
        }
    }

    fn disagreement(&self, out: &mut dyn Write, one: &Disagreement) -> io::Result<()> {
        writeln!(out, "disagrees: {}", self.describe(as_computation(one.key)))?;
        writeln!(out, "     key {}", hash(one.key))?;
        let (stored, found) = (one.stored.outcome.handle(), one.found.outcome.handle());
        let by = self.by(&one.stored).map_or(String::new(), |by| format!(", found by {by}"));
        writeln!(out, "  stored {}{}{by}", sort(&one.stored), self.describe(stored))?;
        writeln!(out, "   found {}{}", sort(&one.found), self.describe(found))?;
        writeln!(out, "    look weft replay {}", hash(one.key))?;
        writeln!(out, "         weft diff {} {}", hash(stored), hash(found))
    }

    fn by(&self, relation: &Relation) -> Option<String> {
        let place = usize::from(relation.origin.finder).checked_sub(1)?;
        let finders = self.place.backend.finders().ok()?;
        finders.get(place).map(|finder| finder.text.clone())
    }

    fn json(&self) -> Value {
        let verified = self.verified;
        let unchecked = |one: &Unchecked| json!({ "key": hash(one.key), "why": one.why });
        json!({
            "request": hash(self.answer.request),
            "agreed": verified.agreed,
            "adopted": verified.adopted,
            "left_out": verified.left_out,
            "unknown": verified.unknown,
            "disagreed": verified.disagreed.iter().map(|one| json!({
                "key": hash(one.key),
                "stored": hash(one.stored.outcome.handle()),
                "stored_is": sort_name(&one.stored),
                "stored_by": self.by(&one.stored),
                "found": hash(one.found.outcome.handle()),
                "found_is": sort_name(&one.found),
            })).collect::<Vec<_>>(),
            "unchecked": verified.unchecked.iter().map(unchecked).collect::<Vec<_>>(),
            "repaired": self.repaired.is_some(),
            "answers_changed": self.repaired.unwrap_or(0),
        })
    }

    fn end(&self) -> Result<(), Exit> {
        let verified = self.verified;
        if !verified.disagreed.is_empty() {
            if self.repaired.is_some() {
                return Ok(());
            }
            let text = format!(
                "{} of what the store says is not what was found; one of both is wrong: look at \
                 it with `weft replay`, verify it on another machine, or let `--repair` believe \
                 this one",
                count(verified.disagreed.len() as u64)
            );
            return Err(Exit::new(Code::Disagrees, text));
        }
        if let Outcome::NoAnswer(none) = &self.answer.outcome
            && (none.kind != NoAnswerKind::Lost || verified.unchecked.is_empty())
        {
            return Err(Exit::new(Code::NoAnswer, no_answer_text(none)));
        }
        if !verified.unchecked.is_empty() {
            let text = format!(
                "no answer: {} could not be checked, see above",
                count(verified.unchecked.len() as u64)
            );
            return Err(Exit::new(Code::NoAnswer, text));
        }
        if verified.agreed == 0 {
            let text = "the store knows nothing of this computation to compare with; `weft eval` \
                        it first";
            return Err(Exit::new(Code::Store, text));
        }
        Ok(())
    }
}

fn left(out: &mut dyn Write, all: usize) -> io::Result<()> {
    match all.saturating_sub(SHOWN) {
        0 => Ok(()),
        more => {
            writeln!(out, "({} more left out; `--output json` has all)", count(more as u64))
        }
    }
}

fn hash(handle: Handle) -> String {
    format!("#{handle}")
}

/// A key as the computation that it is kept for.
fn as_computation(key: Handle) -> Handle {
    key.application().unwrap_or(key)
}

fn sort(relation: &Relation) -> &'static str {
    match relation.outcome {
        weft_store::Outcome::Value(_) => "",
        weft_store::Outcome::Failure(_) => "failure ",
    }
}

fn sort_name(relation: &Relation) -> &'static str {
    match relation.outcome {
        weft_store::Outcome::Value(_) => "value",
        weft_store::Outcome::Failure(_) => "failure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_percents_or_fractions() {
        assert_eq!(parse_part("1%"), Ok(0.01));
        assert_eq!(parse_part("0.5"), Ok(0.5));
        assert_eq!(parse_part("100%"), Ok(1.0));
        for wrong in ["0", "0%", "101%", "2", "-1%", "x", "", "nan", "inf"] {
            assert!(parse_part(wrong).is_err(), "{wrong}");
        }
    }
}
