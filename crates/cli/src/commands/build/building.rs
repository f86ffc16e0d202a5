//! The node that a build runs on, from its first step to its last.

use std::path::Path;
use std::sync::Arc;

use clap::ArgMatches;
use weft_node::{Node, Session};
use weft_object::{Content, Handle};
use weft_store::Writing;

use super::perform::{End, Performing};
use super::step::Step;
use super::told::{Summary, Telling};
use super::tree::Files;
use crate::commands::{is_json, pin};
use crate::evaluate::{Options, artifacts, node};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::place::{self, Place};
use crate::program::Made;
use crate::terminal::Terminal;

/// Steps that are asked for at a time, for each worker.
const AHEAD_PER_WORKER: usize = 8;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(super) struct Building<'a> {
    place: &'a Place,
    terminal: Terminal,
    json: bool,
    ahead: usize,
    failures_max: usize,
    interrupt: Interrupt,
    session: Session,
    node: Arc<Node>,
    _telling: place::Telling,
    /// Of all steps.
    total: usize,
    ended: usize,
    summary: Summary,
}

impl<'a> Building<'a> {
    /// For so many steps.
    pub(super) fn start(
        matches: &ArgMatches,
        place: &'a Place,
        terminal: Terminal,
        total: usize,
    ) -> Result<Self, Exit> {
        let interrupt = Interrupt::listen(terminal)
            .map_err(|error| Exit::other(format!("cannot listen for Ctrl-C: {error}")))?;
        let workers = matches.get_one::<u16>("jobs").map_or(0, |jobs| usize::from(*jobs));
        let options = Options { workers, ..Options::default() };
        let node = Arc::new(node(place.backend.clone(), &options, artifacts(terminal))?);
        Ok(Self {
            place,
            terminal,
            json: is_json(matches),
            ahead: AHEAD_PER_WORKER * if workers == 0 { cores() } else { workers },
            failures_max: matches.get_one::<u32>("keep-going").map_or(0, |max| *max as usize),
            interrupt,
            session: node.session(),
            _telling: place.telling(&node),
            node,
            total,
            ended: 0,
            summary: Summary::default(),
        })
    }

    pub(super) fn is_good(&self) -> bool {
        self.summary.is_good()
    }

    /// Runs steps, which are made of this, and keeps what they came to: their
    /// files, of those that went well. `program` is what the command line calls
    /// the module that runs.
    pub(super) fn perform(
        &mut self,
        steps: &[Step],
        made: Made,
        program: &Path,
    ) -> Result<Files, Exit> {
        let request = self.put(steps, made);
        let performing = Performing {
            node: &self.node,
            session: &self.session,
            interrupt: &self.interrupt,
            terminal: self.terminal,
            failures_max: self.failures_max,
            ahead: self.ahead,
            before: self.ended,
            total: self.total,
        };
        let (json, terminal) = (self.json, self.terminal);
        let mut telling = Telling { terminal, json, program, total: self.total, ended: self.ended };
        let done = performing.all(steps, |step, done| telling.ended(step, done));
        self.ended += steps.len();
        self.keep(request);
        let done = done?;
        self.summary.add(steps, &done, program);
        let mut files = Files::default();
        for one in done.iter().filter(|one| one.is_good()) {
            if let End::Ended { files: left, .. } = &one.end {
                left.iter().for_each(|(path, blob)| files.insert(path.clone(), *blob));
            }
        }
        Ok(files)
    }

    /// Has what steps are made of in memory; a name for all of them.
    fn put(&self, steps: &[Step], made: Made) -> Handle {
        for (_, content) in made.0 {
            let _ = match content {
                Content::Tree(tree) => self.session.put_tree(tree.entries()),
                Content::Blob(blob) => self.session.put_blob(blob.bytes().to_vec()),
                Content::Tag(_) => continue,
            };
        }
        let steps: Vec<Handle> = steps.iter().map(|step| step.application).collect();
        self.session.put_tree(&steps)
    }

    /// Of a build that was known as it is there is nothing to keep.
    fn keep(&self, request: Handle) {
        let stat = self.node.stat();
        if stat.applied + stat.matched == 0 {
            return;
        }
        let backend = &*self.place.backend;
        let kept = Writing::begin(backend).and_then(|_writing| {
            pin::lease(backend, &[request])?;
            self.node.keep(&[request])
        });
        if let Err(error) = kept {
            let text = format!("what was found out is not kept: {error}");
            self.terminal.say("warning", &text);
        }
    }

    /// Writes results, and says what was done. What there was no need to begin
    /// was not.
    pub(super) fn end(self, results: &Files, target: &Path) -> Result<(), Exit> {
        let source = |wanted: &Handle| self.session.content(*wanted);
        results.write(&source, self.place, target)?;
        self.summary.print(self.json, self.total - self.ended)
    }
}
