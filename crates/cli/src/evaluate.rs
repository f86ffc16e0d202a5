//! From a request to its answer, in the sight of whoever asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use weft_eval::{NoAnswerKind, Outcome};
use weft_node::{Config, Node, Request, Sample, Session, Stat};
use weft_object::Handle;
use weft_store::{Backend, StoreError, Writing};

use crate::commands::pin;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::place::{self, Place};
use crate::progress;
use crate::terminal::{CLEAR, Terminal};
use crate::units::{count, counted, size, time};

/// What a request may take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) deadline: Option<Duration>,
    /// 0 for what suits the machine, as in [`Config`].
    pub(crate) memory_bytes: u64,
    pub(crate) workers: usize,
}

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) request: Handle,
    pub(crate) outcome: Outcome,
    pub(crate) stat: Stat,
    pub(crate) wall: Duration,
    /// Why the store does not have it.
    pub(crate) not_kept: Option<String>,
    /// Where the content of the outcome is.
    pub(crate) session: Session,
    /// That brings back what the store had dropped.
    _node: Option<Arc<Node>>,
}

impl Answer {
    /// One of many that a session gave; what it cost is not known apart.
    pub(crate) fn of(request: Handle, outcome: Outcome, session: Session) -> Self {
        let (stat, wall) = (Stat::default(), Duration::ZERO);
        Self { request, outcome, stat, wall, not_kept: None, session, _node: None }
    }
}

/// Evaluates on a node of its own and keeps what was found out, whatever the
/// answer is.
pub(crate) fn evaluate(
    place: &Place,
    request: Handle,
    options: &Options,
    terminal: Terminal,
) -> Result<Answer, Exit> {
    let interrupt = Interrupt::listen(terminal)
        .map_err(|error| Exit::other(format!("cannot listen for Ctrl-C: {error}")))?;
    let node = Arc::new(node(place.backend.clone(), options, artifacts(terminal))?);
    let _telling = place.telling(&node);
    let mut answer = ask(&node, request, options.deadline, &interrupt, terminal);
    let mut roots = vec![request];
    roots.extend(answer.outcome.value());
    let keeping = |elapsed| {
        vec![
            format!("keeping what was found out; {}", time(elapsed)),
            format!("keeping; {}", time(elapsed)),
        ]
    };
    let kept = progress::during(terminal, keeping, || {
        let _writing = Writing::begin(&*place.backend)?;
        // What was known already was made by somebody else.
        if answer.stat.applied + answer.stat.matched > 0 {
            pin::lease(&*place.backend, &roots)?;
        }
        node.keep(&roots)
    });
    match &kept {
        Ok(_) => answer.outcome = and_kept(answer.outcome),
        // Then nobody knows what the answer came of.
        Err(error @ StoreError::Changed(_)) => {
            answer.outcome = Outcome::no_answer(NoAnswerKind::Storage, error.to_string());
        }
        // The answer is right all the same.
        Err(error) => {
            terminal.say("warning", &format!("what was found out is not kept: {error}"));
            answer.not_kept = Some(error.to_string());
        }
    }
    if answer.stat.store_errors > 0 {
        let text = format!(
            "the store could not say what it knows of {}, so they ran again; look at it with \
             `weft fsck`",
            counted(answer.stat.store_errors, "computation")
        );
        terminal.say("warning", &text);
    }
    match interrupt.signal() {
        // An answer that came all the same is an answer.
        Some(signal) if matches!(answer.outcome, Outcome::NoAnswer(_)) => {
            let text = match kept {
                Ok(_) => "interrupted; what was found out is kept",
                Err(_) => "interrupted; not all that was found out is kept",
            };
            Err(Exit::signal(signal, text))
        }
        _ => Ok(Answer { _node: Some(node), ..answer }),
    }
}

/// Of what ran out of time, who asked wants to know whether to ask again.
fn and_kept(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::NoAnswer(none) if none.kind == NoAnswerKind::Deadline => {
            let detail = format!("{}; what was found out is kept", none.detail);
            Outcome::no_answer(NoAnswerKind::Deadline, detail)
        }
        outcome => outcome,
    }
}

/// What a killed process may lose.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// A machine of this process.
pub(crate) fn node(
    backend: Arc<dyn Backend>,
    options: &Options,
    artifacts: Option<PathBuf>,
) -> Result<Node, Exit> {
    Ok(Node::start(Config {
        workers: options.workers,
        memory_bytes: options.memory_bytes,
        backend: Some(backend),
        artifacts,
        artifacts_max_bytes: place::cache_max().ok().flatten(),
        keep_every: Some(KEEP_EVERY),
        ..Config::default()
    })?)
}

/// A machine that keeps nothing by itself, for a look at what is known.
pub(crate) fn looking(
    place: &Place,
    options: &Options,
    verify: Option<Sample>,
    debug: bool,
    terminal: Terminal,
) -> Result<Node, Exit> {
    Ok(Node::start(Config {
        workers: options.workers,
        memory_bytes: options.memory_bytes,
        backend: Some(place.backend.clone()),
        artifacts: artifacts(terminal),
        artifacts_max_bytes: place::cache_max().ok().flatten(),
        verify,
        debug,
        ..Config::default()
    })?)
}

/// Where compiled modules are kept. If that cannot be used they are compiled
/// each time: slower, and no reason to give up.
pub(crate) fn artifacts(terminal: Terminal) -> Option<PathBuf> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    let directory = place::artifacts()?;
    if let Err(wrong) = place::cache_max() {
        terminal.say("warning", &wrong);
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).ok()?;
    let mode = std::fs::metadata(&directory).ok()?.mode();
    if mode & 0o022 != 0 {
        let text = format!(
            "{} can be written by others, so compiled modules are not kept; `chmod go-w` it",
            directory.display()
        );
        terminal.say("warning", &text);
        return None;
    }
    Some(directory)
}

/// Evaluates, showing what goes on, until there is an answer, the time is up or
/// somebody wants it to end.
pub(crate) fn ask(
    node: &Node,
    request: Handle,
    deadline: Option<Duration>,
    interrupt: &Interrupt,
    terminal: Terminal,
) -> Answer {
    let session = node.session();
    let before = node.stat();
    let start = Instant::now();
    let told = AtomicBool::new(false);
    let outcome = progress::during(
        terminal,
        |elapsed| {
            warn_if_not_kept(node, terminal, &told);
            status(node, elapsed)
        },
        || {
            let asked = session.submit(request);
            wait(&asked, deadline, interrupt)
        },
    );
    let wall = start.elapsed();
    let stat = since(node.stat(), before);
    Answer { request, outcome, stat, wall, not_kept: None, session, _node: None }
}

/// Whoever waits for hours should know in time that nothing of it is kept.
fn warn_if_not_kept(node: &Node, terminal: Terminal, told: &AtomicBool) {
    let Some(error) = node.not_kept().filter(|_| !told.swap(true, Ordering::Relaxed)) else {
        return;
    };
    if terminal.is_terminal {
        terminal.write(CLEAR);
    }
    let text = format!("what is found out cannot be kept for now: {error}");
    terminal.say("warning", &text);
}

pub(crate) fn wait(asked: &Request, deadline: Option<Duration>, interrupt: &Interrupt) -> Outcome {
    /// How long a Ctrl-C may wait to be seen.
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let start = Instant::now();
    let late = loop {
        let left = deadline.map_or(LOOK_EVERY, |deadline| deadline.saturating_sub(start.elapsed()));
        if let Some(outcome) = asked.wait_for(left.min(LOOK_EVERY)) {
            return outcome;
        }
        if interrupt.signal().is_some() {
            break None;
        }
        if left.is_zero() {
            break deadline;
        }
    };
    asked.cancel();
    // Not by `Request::wait`, which would begin to work on something else.
    let outcome = loop {
        if let Some(outcome) = asked.wait_for(LOOK_EVERY) {
            break outcome;
        }
    };
    match (late, &outcome) {
        (Some(deadline), Outcome::NoAnswer(none)) if none.kind == NoAnswerKind::Cancelled => {
            let detail = format!("none within {}; allow more with `--deadline`", time(deadline));
            Outcome::no_answer(NoAnswerKind::Deadline, detail)
        }
        _ => outcome,
    }
}

/// What was done from one moment to another.
fn since(after: Stat, before: Stat) -> Stat {
    Stat {
        applied: after.applied - before.applied,
        failed: after.failed - before.failed,
        run_ns: after.run_ns - before.run_ns,
        matched: after.matched - before.matched,
        hits: after.hits - before.hits,
        loaded: after.loaded - before.loaded,
        loaded_bytes: after.loaded_bytes - before.loaded_bytes,
        store_errors: after.store_errors - before.store_errors,
        ..after
    }
}

fn status(node: &Node, elapsed: Duration) -> Vec<String> {
    let stat = node.stat();
    let running = format!("{} running", stat.running);
    let waiting = format!("{} waiting", count(stat.waiting as u64));
    let done = format!("{} done", count(stat.applied));
    let known = format!("{} known", count(stat.hits));
    let loaded = format!("loaded {}", size(stat.loaded_bytes));
    let rate = progress::rate(stat.loaded_bytes, elapsed);
    let memory = format!("memory {}", size(stat.memory_bytes));
    let took = time(elapsed);
    if let Some(compiling) = progress::compiling(&stat) {
        return vec![
            format!("{compiling}; {running}, {waiting}, {done}; {took}"),
            format!("{compiling}; {took}"),
            took,
        ];
    }
    vec![
        format!("{running}, {waiting}, {done}, {known}; {loaded}, {rate}; {memory}; {took}"),
        format!("{running}, {waiting}, {done}; {loaded}; {memory}; {took}"),
        format!("{running}, {waiting}, {done}; {took}"),
        format!("{running}, {done}; {took}"),
        format!("{done}; {took}"),
        took,
    ]
}
