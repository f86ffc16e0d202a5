//! Steps run, all that can at the same time, and are watched.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use weft_eval::Outcome;
use weft_node::{Event, Node, Request, Session, Watch};
use weft_object::directory::FileKind;
use weft_object::{Blob, Handle};
use weft_store::files;

use super::step::Step;
use crate::evaluate::Answer;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::program::Left;
use crate::progress;
use crate::report;
use crate::terminal::Terminal;
use crate::units::time;

/// What a step came to.
#[derive(Debug)]
pub(super) struct Done {
    /// Whether it was not known.
    pub(super) ran: bool,
    pub(super) end: End,
}

#[derive(Debug)]
pub(super) enum End {
    /// The tool ended, with this code.
    Ended {
        code: u64,
        /// What it said.
        messages: Vec<u8>,
        /// Where it left them below `--out`; the one that was asked for first.
        files: Vec<(PathBuf, Handle)>,
    },
    /// It did not come to its end, and never will, or not now.
    Broken(Exit),
    /// Others had failed before.
    GivenUp,
}

impl Done {
    /// Whether it wrote what it was to write.
    pub(super) fn is_good(&self) -> bool {
        matches!(&self.end, End::Ended { code: 0, files, .. } if !files.is_empty())
    }
}

/// Where steps run, and how.
pub(super) struct Performing<'a> {
    pub(super) node: &'a Node,
    pub(super) session: &'a Session,
    pub(super) interrupt: &'a Interrupt,
    pub(super) terminal: Terminal,
    /// After so many that fail no other begins; 0 for never.
    pub(super) failures_max: usize,
    /// How many steps are asked for at a time: enough that all workers have some,
    /// and few enough that not all have begun when one fails.
    pub(super) ahead: usize,
    /// Of all steps, how many ended before these.
    pub(super) before: usize,
    pub(super) total: usize,
}

impl Performing<'_> {
    /// Asks for all steps and waits. `tell` is called for each as it ends.
    pub(super) fn all(
        &self,
        steps: &[Step],
        mut tell: impl FnMut(&Step, &Done),
    ) -> Result<Vec<Done>, Exit> {
        let watch = self.node.watch();
        // How many, and the last.
        let ended = Mutex::new((0, String::new()));
        let line = |elapsed| {
            let (ended, last) = &*ended.lock().unwrap_or_else(PoisonError::into_inner);
            self.line(*ended, last, elapsed)
        };
        let done = progress::during(self.terminal, line, || {
            self.perform(steps, &watch, |step, done| {
                let mut ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                *ended = (ended.0 + 1, format!(" {}", step.name));
                drop(ended);
                tell(step, done);
            })
        });
        match self.interrupt.signal() {
            Some(signal) if done.iter().any(|done| matches!(done.end, End::GivenUp)) => {
                Err(Exit::signal(signal, "interrupted; what was found out is kept"))
            }
            _ => Ok(done),
        }
    }

    fn perform(
        &self,
        steps: &[Step],
        watch: &Watch,
        mut tell: impl FnMut(&Step, &Done),
    ) -> Vec<Done> {
        /// How long a Ctrl-C may wait to be seen.
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let submit = |step: &Step| self.session.submit(step.application);
        let mut later = steps.iter();
        let mut requests: Vec<Request> = later.by_ref().take(self.ahead).map(submit).collect();
        let mut done: Vec<Option<Done>> = steps.iter().map(|_| None).collect();
        let mut ran = HashSet::new();
        let (mut open, mut failed, mut given_up) = (0, 0, false);
        while open < requests.len() {
            // The first that is open; others are looked at when it has ended, or
            // after a while.
            let _ = requests[open].wait_for(LOOK_EVERY);
            let mut ended = 0;
            for (at, request) in requests.iter().enumerate().skip(open) {
                let Some(outcome) = request.poll().filter(|_| done[at].is_none()) else { continue };
                let step = &steps[at];
                // It is told before the answer is there.
                note_runs(watch, &mut ran);
                let ran = step.application.definition().is_some_and(|key| ran.contains(&key));
                let end = self.end(step, outcome, given_up);
                let one = Done { ran, end };
                if !one.is_good() && !given_up {
                    failed += 1;
                }
                tell(step, &one);
                done[at] = Some(one);
                ended += 1;
            }
            while done.get(open).is_some_and(Option::is_some) {
                open += 1;
            }
            let enough = self.failures_max > 0 && failed >= self.failures_max;
            if !given_up && (enough || self.interrupt.signal().is_some()) {
                given_up = true;
                requests.iter().for_each(Request::cancel);
            }
            if !given_up {
                requests.extend(later.by_ref().take(ended).map(submit));
            }
        }
        // Those that nobody asked for were given up, too.
        let done = steps.iter().zip(done).map(|(step, done)| {
            done.unwrap_or_else(|| {
                let one = Done { ran: false, end: End::GivenUp };
                tell(step, &one);
                one
            })
        });
        done.collect()
    }

    fn end(&self, step: &Step, outcome: Outcome, given_up: bool) -> End {
        match outcome {
            Outcome::Value(value) => match self.left(step, value) {
                Ok(end) => end,
                Err(exit) => End::Broken(exit),
            },
            Outcome::NoAnswer(_) if given_up => End::GivenUp,
            outcome => {
                let answer = Answer::of(step.application, outcome, self.session.clone());
                match report::value(&answer) {
                    Err(exit) => End::Broken(exit),
                    Ok(_) => End::GivenUp,
                }
            }
        }
    }

    fn left(&self, step: &Step, value: Handle) -> Result<End, Exit> {
        let left = Left::read(self.session, value)?;
        let messages = [&left.stdout, &left.stderr].map(Blob::bytes).concat();
        let mut files = Vec::new();
        if let Some(out) = left.directories.last() {
            let source = |wanted: &Handle| self.session.content(*wanted);
            let wanted = step.output.file_name().unwrap_or_default();
            for entry in files::list(&source, out)? {
                if entry.kind == FileKind::File {
                    let name = std::str::from_utf8(entry.name.as_bytes()).unwrap_or_default();
                    files.push((step.output.with_file_name(name), entry.child));
                }
            }
            // Without what was asked for, the rest is of no use.
            match files.iter().position(|(path, _)| path.file_name() == Some(wanted)) {
                Some(at) => files.swap(0, at),
                None => files.clear(),
            }
        }
        Ok(End::Ended { code: left.code, messages, files })
    }

    fn line(&self, ended: usize, last: &str, elapsed: Duration) -> Vec<String> {
        let stat = self.node.stat();
        let of = format!("[{}/{}]", self.before + ended, self.total);
        let took = time(elapsed);
        let doing = match progress::compiling(&stat) {
            Some(compiling) => format!("{of}; {compiling}; {took}"),
            None => format!("{of}{last}; {} running; {took}", stat.running),
        };
        vec![doing, format!("{of}; {took}"), of]
    }
}

fn note_runs(watch: &Watch, ran: &mut HashSet<Handle>) {
    ran.extend(watch.drain().into_iter().filter_map(|event| match event {
        Event::Ran { application, .. } => Some(application),
        _ => None,
    }));
}
