//! The answer for people.

use std::collections::HashSet;
use std::fmt::Write;
use std::time::Duration;

use weft_eval::{Key, Outcome};
use weft_explain::diff::entry_step;
use weft_explain::{Earlier, Role, Seen, Sight, Source, Told};
use weft_object::Handle;
use weft_store::{Origin, Relation, Run, StoreError};
use weft_wasi::Answer;

use super::Answered;
use crate::commands::diff::write_differences;
use crate::exit::Exit;
use crate::explained::{LINE, file, moment, place_of, sort};
use crate::out::{escaped, name};
use crate::report::failure_words;
use crate::units::{count, counted, time};

impl Answered<'_> {
    /// All of it, with nothing in it that drives a terminal.
    pub(super) fn text(&self, source: &dyn Source) -> Result<String, Exit> {
        let mut text = Text {
            answered: self,
            source,
            out: String::new(),
            seen: HashSet::new(),
            inputs: Vec::new(),
            said: Origin::default(),
        };
        text.subject();
        if let Some(run) = &self.why.run {
            text.asked(run);
        }
        text.made()?;
        text.inputs();
        text.unknown();
        if let Some(earlier) = &self.why.earlier {
            text.earlier(earlier)?;
        }
        Ok(escaped(&text.out).into_owned())
    }
}

struct Text<'a> {
    answered: &'a Answered<'a>,
    source: &'a dyn Source,
    out: String,
    /// The computations that were told.
    seen: HashSet<Handle>,
    inputs: Vec<Handle>,
    /// Who found the last one of which it was said, and when.
    said: Origin,
}

/// What an entry of an application is for.
pub(super) fn role(entries: &[Handle], at: usize) -> String {
    place_of(&[entry_step(entries, at)])
}

impl Text<'_> {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{:indent$}{text}", "");
    }

    fn brief(&self, handle: Handle) -> String {
        self.answered.names.brief(self.source, handle, LINE)
    }

    /// What was asked about.
    fn subject(&mut self) {
        let subject = self.answered.why.subject;
        let names = self.answered.names;
        if !subject.kind().is_data() || subject.has_encode() {
            let text = self.brief(subject);
            self.line(0, &text);
            let came = match &self.answered.why.outcome {
                Some(Outcome::Value(value)) => format!("came to {}", self.value(*value)),
                Some(outcome) => self.failed(outcome),
                None => "what it comes to is not known; `--run` evaluates it".into(),
            };
            return self.line(2, &came);
        }
        let known = file(names, subject).or_else(|| Some(format!("@{}", names.label(&subject)?)));
        let known = known.map_or(String::new(), |known| format!(", {known}"));
        let literal =
            if subject.is_literal() { format!(" {},", self.brief(subject)) } else { String::new() };
        self.line(0, &format!("#{subject}{literal} {}{known}", sort(subject)));
        if self.answered.why.request.is_none() {
            let nothing = match subject.is_literal() {
                true => "no computation is known that came to it",
                false => {
                    "an input: no computation is known that came to it, or has it in its result"
                }
            };
            self.line(2, nothing);
        }
    }

    fn value(&self, value: Handle) -> String {
        let brief = self.brief(value);
        if value.is_literal() { brief } else { format!("{brief}, {}", sort(value)) }
    }

    fn failed(&self, outcome: &Outcome) -> String {
        match outcome {
            Outcome::Failure(failure) => format!("failed: {}", failure_words(failure)),
            _ => "has no answer".into(),
        }
    }

    fn asked(&mut self, run: &Run) {
        let label = run.label.as_ref().map_or(String::new(), |label| format!(" as @{label}"));
        let ran = if run.applied == 0 { "nothing".into() } else { count(run.applied) };
        let took = time(Duration::from_nanos(run.took_ns));
        let at = moment(run.at_ms / 1000);
        self.line(2, &format!("asked for{label}, {at}: took {took}, {ran} ran"));
        if run.request != self.answered.why.subject {
            let request = self.brief(run.request);
            let gone = match self.answered.why.request == Some(run.request) {
                true => "",
                false => ", which is not in the store any more",
            };
            self.line(4, &format!("{request}{gone}"));
        }
    }

    fn made(&mut self) -> Result<(), StoreError> {
        let why = self.answered.why;
        if !why.within.is_empty() {
            let place = place_of(&why.within);
            let of = match why.outcome.as_ref().and_then(Outcome::value) {
                Some(value) => format!(" {}", self.brief(value)),
                None => String::new(),
            };
            self.line(2, &format!("it is {place} in the result{of}"));
        }
        let is_data = why.subject.kind().is_data() && !why.subject.has_encode();
        for (at, root) in why.roots.iter().enumerate() {
            if at == self.answered.width {
                let more = count((why.roots.len() - at) as u64);
                self.line(2, &format!("and {more} more"));
                break;
            }
            let word = if is_data { "made by" } else { "by" };
            self.told(word, *root, 1)?;
        }
        Ok(())
    }

    /// A computation and what it needed.
    fn told(&mut self, word: &str, key: Handle, depth: usize) -> Result<(), StoreError> {
        let indent = 2 * depth;
        let Some(told) = self.answered.why.told.get(&key) else { return Ok(()) };
        let text = self.brief(key.application().unwrap_or(key));
        if !self.seen.insert(key) {
            self.line(indent, &format!("{word} {text}, as above"));
            return Ok(());
        }
        let cost = self.cost(told)?;
        self.line(indent, &format!("{word} {text}{cost}"));
        if let Some(outcome @ Outcome::Failure(_)) = &told.outcome {
            let failed = self.failed(outcome);
            self.line(indent + 2, &failed);
        }
        self.inputs.extend(told.inputs.iter().map(|(_, input)| *input));
        let made = told.inputs.iter().filter_map(|(at, input)| {
            Some((Role::Entry(*at), *self.answered.why.made.get(&input.content())?))
        });
        let mut needs: Vec<(Role, Handle)> = told.needs.iter().copied().chain(made).collect();
        needs.sort_by_key(|(role, _)| *role);
        if depth >= self.answered.depth && !needs.is_empty() {
            let needs = count(needs.len() as u64);
            self.line(indent + 2, &format!("which needed {needs} more, see `--depth`"));
            return Ok(());
        }
        let shown = self.answered.width.max(1);
        for (need, key) in needs.iter().take(shown) {
            let word = match need {
                Role::Caller => "called by".to_owned(),
                Role::Entry(at) => format!("{} from", role(&told.entries, *at)),
            };
            self.told(&word, *key, depth + 1)?;
        }
        if needs.len() > shown {
            let more = count((needs.len() - shown) as u64);
            self.line(indent + 2, &format!("and {more} more, see `--width`"));
        }
        Ok(())
    }

    /// What it took; when it was found and by whom, where that is another than
    /// was said last.
    fn cost(&mut self, told: &Told) -> Result<String, StoreError> {
        const SAME_S: u32 = 60;
        let Some(relation) = told.relation else {
            return Ok("; its outcome was not kept".into());
        };
        let Relation { cost, origin, .. } = relation;
        let mut out = format!("; {}", time(Duration::from_nanos(cost.run_ns)));
        if told.entries.is_empty() {
            // An answer that was put together costs nothing itself.
            out.clear();
        }
        if let Some(fuel) = cost.fuel {
            out.push_str(&format!(", {} fuel", count(fuel)));
        }
        if origin.found_at_s > 0 && origin.found_at_s.abs_diff(self.said.found_at_s) > SAME_S {
            out.push_str(&format!(", {}", moment(origin.found_at_s.into())));
            self.said.found_at_s = origin.found_at_s;
        }
        if origin.finder != self.said.finder {
            let finders = self.answered.backend.finders()?;
            let finder = usize::from(origin.finder).checked_sub(1).and_then(|at| finders.get(at));
            if let Some(finder) = finder {
                let elsewhere = if finder.here { "" } else { ", on its word" };
                out.push_str(&format!(", {}{elsewhere}", finder.text));
            }
            self.said.finder = origin.finder;
        }
        Ok(out)
    }

    /// What no computation made, each once.
    fn inputs(&mut self) {
        const SHOWN: usize = 20;
        let mut seen = HashSet::new();
        let inputs: Vec<Handle> = std::mem::take(&mut self.inputs)
            .into_iter()
            .map(Handle::content)
            .filter(|input| !self.answered.why.made.contains_key(input) && seen.insert(*input))
            .collect();
        if !inputs.is_empty() {
            self.line(2, "inputs");
        }
        for input in inputs.iter().take(SHOWN) {
            let name = file(self.answered.names, *input);
            let name = name.map_or(String::new(), |name| format!(", {name}"));
            let text = format!("{}, {}{name}", self.brief_name(*input), sort(*input));
            self.line(4, &text);
        }
        if inputs.len() > SHOWN {
            let more = count((inputs.len() - SHOWN) as u64);
            self.line(4, &format!("and {more} more"));
        }
    }

    /// A label or some digits, however little there is to spell out.
    fn brief_name(&self, handle: Handle) -> String {
        match self.answered.names.label(&handle) {
            Some(label) => format!("@{label}"),
            None => format!("#{}", &handle.to_string()[..weft_explain::DIGITS]),
        }
    }

    fn unknown(&mut self) {
        let why = self.answered.why;
        if why.unknown > 0 {
            let unknown = counted(why.unknown as u64, "computation");
            let was = if why.unknown == 1 { "was" } else { "were" };
            let text = format!("what {unknown} came to {was} not kept; `--run` finds out");
            self.line(2, &text);
        }
        if why.cut {
            self.line(2, "there is more than was looked at");
        }
    }

    fn earlier(&mut self, earlier: &Earlier) -> Result<(), Exit> {
        let when = match &earlier.run {
            Some(run) => {
                let label =
                    run.label.as_ref().map_or(String::new(), |label| format!(" as @{label}"));
                format!("from the time before{label}, {}", moment(run.at_ms / 1000))
            }
            None => "from the last one of this function".into(),
        };
        match earlier.later {
            false => self.line(0, &format!("different {when}:")),
            true => self.line(0, "the first of this function; different in the last one after it:"),
        }
        let mut lines = Vec::new();
        let Answered { names, backend, .. } = self.answered;
        write_differences(&mut lines, &earlier.diff, *backend, names, "  ")?;
        self.out.push_str(&String::from_utf8_lossy(&lines));
        const SHOWN: usize = 5;
        let whole = |request: Handle, one: Handle| {
            Key::of_request(request)
                .is_some_and(|key| key.handle().thunk().and_then(Handle::definition) == Some(one))
        };
        // That the request itself differs has been said.
        let said = |new: Handle| whole(earlier.new, new);
        let entered: Vec<_> = earlier.entered.iter().filter(|one| !said(one.new)).collect();
        for one in entered.iter().take(SHOWN) {
            let [new, old] =
                [one.new, one.old].map(|key| self.brief(key.application().unwrap_or(key)));
            self.line(2, &format!("it enters in {new}"));
            self.line(2, &format!("    before, {old}"));
        }
        if entered.len() > SHOWN || earlier.more {
            self.line(2, "and in others");
        }
        for sight in &earlier.sights {
            let (request, one) = match earlier.later {
                true => (earlier.old, sight.old),
                false => (earlier.new, sight.new),
            };
            let who = match whole(request, one) {
                true => "it".into(),
                false => self.brief(one.application().unwrap_or(one)),
            };
            self.sight(&who, sight);
        }
        Ok(())
    }

    /// What of the difference a program looked at.
    fn sight(&mut self, who: &str, Sight { seen, .. }: &Sight) {
        const SHOWN: usize = 10;
        if seen.is_empty() {
            return self.line(2, &format!("nothing that {who} looked at is different"));
        }
        self.line(2, &format!("of what {who} looked at, this is different:"));
        for Seen { path, before, now } in seen.iter().take(SHOWN) {
            let text = format!("{} {}", name(path), difference(&before.answer, now));
            self.line(4, &text);
        }
        if seen.len() > SHOWN {
            let more = count((seen.len() - SHOWN) as u64);
            self.line(4, &format!("and {more} more"));
        }
    }
}

/// What has become of something that a program looked at.
pub(super) fn difference(before: &Answer, now: &Answer) -> String {
    match (before, now, before.kind() == now.kind()) {
        (Answer::Absent, ..) => "appeared".into(),
        (_, Answer::Absent, _) => "is gone".into(),
        (Answer::Listing(_), ..) => "has other names in it".into(),
        (_, _, true) => "changed".into(),
        _ => format!("is a {} now", now.kind().map_or("nothing", |kind| kind.name())),
    }
}
