//! What the commands that explain have in common: what they are asked about, how
//! things are called, and evaluating to find out more.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use serde_json::{Value, json};
use weft_explain::diff::{Step, place_text};
use weft_explain::{Calls, KEYS_MAX, Names, Source, follow};
use weft_node::{Event, Node, Session};
use weft_notation::{Budget, Form};
use weft_object::{Content, Handle, Kind};
use weft_store::{Backend, Label, Mode, Relation, StoreError};

use crate::argument::source;
use crate::evaluate::{Options, artifacts, ask, node};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::names::{built, mode_for, parsed};
use crate::out::name;
use crate::place::Place;
use crate::progress;
use crate::terminal::Terminal;
use crate::units::{counted, time};

/// How much of a computation stands in a line.
pub(crate) const LINE: Budget = Budget { depth: 3, entries: 16, blob_bytes: 40 };

/// What somebody asks about: as it is, nothing is computed.
pub(crate) struct Subject {
    pub(crate) place: Place,
    pub(crate) handle: Handle,
    /// The label by which it was named.
    pub(crate) label: Option<Label>,
}

impl Subject {
    /// `writes` if more than the expression needs will be written.
    pub(crate) fn open(argument: &OsStr, writes: bool, terminal: Terminal) -> Result<Self, Exit> {
        let source = source(argument)?;
        let expr = parsed(&source)?;
        let mode = if writes { Mode::Write } else { mode_for(&expr) };
        let place = Place::open(mode, terminal)?;
        let handle = built(&place, &source, &expr)?;
        let label = match &expr.form {
            Form::Label(label) => Label::new(label).ok(),
            _ => None,
        };
        Ok(Self { place, handle, label })
    }
}

pub(crate) fn run_argument() -> Arg {
    Arg::new("run")
        .long("run")
        .action(ArgAction::SetTrue)
        .help("Evaluate it, to find out what was not kept; what is found out is kept")
}

pub(crate) fn argument<'a>(matches: &'a ArgMatches, name: &str) -> &'a OsStr {
    matches.get_one::<OsString>(name).map_or(OsStr::new(""), OsString::as_os_str)
}

/// Does `work`, telling on a terminal how many relations were looked at.
pub(crate) fn searching<T>(
    terminal: Terminal,
    work: impl FnOnce(&dyn Fn(u64)) -> Result<T, StoreError>,
) -> Result<T, Exit> {
    let seen = std::sync::atomic::AtomicU64::new(0);
    let tell = |count| seen.store(count, std::sync::atomic::Ordering::Relaxed);
    let line = |elapsed: Duration| {
        let seen = counted(seen.load(std::sync::atomic::Ordering::Relaxed), "relation");
        vec![
            format!("looking for what made it: {seen}; {}", time(elapsed)),
            format!("{seen}; {}", time(elapsed)),
        ]
    };
    Ok(progress::during(terminal, line, || work(&tell))?)
}

/// What a node has found out, in memory and kept.
pub(crate) struct Evaluated {
    session: Session,
    /// The applications that ran.
    pub(crate) ran: HashSet<Handle>,
    // What it knows is gone with it.
    node: Arc<Node>,
    backend: Arc<dyn Backend>,
}

impl Source for Evaluated {
    fn content(&self, handle: &Handle) -> Result<Option<Content>, StoreError> {
        self.session.content(handle.content())
    }

    /// What is kept says who found it as well.
    fn known(&self, key: &Handle) -> Result<Option<Relation>, StoreError> {
        match self.session.relation(*key)? {
            Some(known) if known.origin.finder == 0 => {
                Ok(self.backend.relation(key)?.or(Some(known)))
            }
            known => Ok(known),
        }
    }
}

/// So often it is looked for applications of which nothing is known yet: each
/// time there may be more below those that were.
const ROUNDS: usize = 64;

/// Evaluates a request, and everything in it that is not known: an answer that
/// is known says nothing of what it needed.
pub(crate) fn evaluated(
    place: &Place,
    request: Handle,
    terminal: Terminal,
) -> Result<Evaluated, Exit> {
    let interrupt = Interrupt::listen(terminal)
        .map_err(|error| Exit::other(format!("cannot listen for Ctrl-C: {error}")))?;
    let node = Arc::new(node(place.backend.clone(), &Options::default(), artifacts(terminal))?);
    let _telling = place.telling(&node);
    let watch = node.watch();
    let answer = ask(&node, request, None, &interrupt, terminal);
    let session = answer.session;
    let backend = place.backend.clone();
    let mut found = Evaluated { session, ran: HashSet::new(), node, backend };
    let mut tried = HashSet::new();
    for _ in 0..ROUNDS {
        if let Some(signal) = interrupt.signal() {
            return Err(Exit::signal(signal, "interrupted"));
        }
        let calls = Calls::of(&follow(&found, request, KEYS_MAX)?, &found);
        let unknown = calls.calls.iter().filter(|call| call.outcome.is_none());
        // Asked for a Ref, nothing in the outcome is evaluated, as when it ran.
        let shallow = unknown.filter_map(|call| call.key.application()?.shallow());
        let new: Vec<Handle> = shallow.filter(|encode| tried.insert(*encode)).collect();
        if new.is_empty() {
            break;
        }
        let all = found.session.put_tree(&new);
        ask(&found.node, all, None, &interrupt, terminal);
    }
    let ran = watch.drain().into_iter().filter_map(|event| match event {
        Event::Ran { application, .. } => Some(application),
        _ => None,
    });
    found.ran = ran.collect();
    if place.mode == Mode::Write {
        found.node.keep(&[request])?;
    }
    Ok(found)
}

/// `#1f3a55...` in full.
pub(crate) fn full(handle: Handle) -> Value {
    format!("#{handle}").into()
}

/// `blob of 22 bytes`, `tree of 1 entry`.
pub(crate) fn sort(handle: Handle) -> String {
    let kind = handle.kind();
    match (kind, handle.length()) {
        (_, Some(length)) => format!("{kind} of {}", counted(length, unit(kind))),
        _ => kind.to_string(),
    }
}

/// `a tree`, `an application`.
pub(crate) fn one(kind: Kind) -> String {
    let name = kind.to_string();
    let article = if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// What the length of a handle counts.
pub(crate) fn unit(kind: Kind) -> &'static str {
    match kind {
        Kind::Blob | Kind::BlobRef => "byte",
        _ => "entry",
    }
}

/// A place in what is explained, for people.
pub(crate) fn place_of(steps: &[Step]) -> String {
    place_text(steps, |bytes| name(bytes).into_owned())
}

/// The same for programs.
pub(crate) fn steps(steps: &[Step]) -> Vec<String> {
    steps.iter().map(|step| place_of(std::slice::from_ref(step))).collect()
}

/// `lib/a in @src`, if it was found there.
pub(crate) fn file(names: &Names, handle: Handle) -> Option<String> {
    let (label, path) = names.file(&handle)?;
    Some(format!("{} in @{label}", place_of(path)))
}

/// Seconds since 1970 as day and time, UTC.
pub(crate) fn moment(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, so that a leap day comes last: 400 of them have
    // always as many days, and so have the five months from each March.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * era + year + u64::from(month <= 2);
    let day = day - (153 * from_march + 2) / 5 + 1;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Who found something out; `null` if nobody noted it.
pub(crate) fn finder(backend: &dyn Backend, relation: &Relation) -> Result<Value, StoreError> {
    let at = usize::from(relation.origin.finder);
    let finders = backend.finders()?;
    let finder = at.checked_sub(1).and_then(|at| finders.get(at));
    Ok(finder.map_or(Value::Null, |finder| json!({ "text": finder.text, "here": finder.here })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_in_utc() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(moment(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(moment(951_868_800), "2000-03-01 00:00:00 UTC");
        assert_eq!(moment(1_700_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(moment(4_102_444_799), "2099-12-31 23:59:59 UTC");
    }
}
