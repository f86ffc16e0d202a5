//! What is said of steps: as they end, and of all at the end.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::perform::{Done, End};
use super::shell::quote;
use super::step::Step;
use crate::exit::{Code, Exit};
use crate::out::out;
use crate::program::MEMORY_BYTES;
use crate::terminal::{CLEAR, Terminal};

/// Tells of steps.
pub(super) struct Telling<'a> {
    pub(super) terminal: Terminal,
    /// All is said at the end, as one object.
    pub(super) json: bool,
    /// As it is given on the command line.
    pub(super) program: &'a Path,
    pub(super) total: usize,
    pub(super) ended: usize,
}

impl Telling<'_> {
    /// A step has ended. Of what was known there is nothing to say, unless it
    /// went wrong.
    pub(super) fn ended(&mut self, step: &Step, done: &Done) {
        self.ended += 1;
        if self.json || matches!(done.end, End::GivenUp) {
            return;
        }
        let Terminal { is_terminal, .. } = self.terminal;
        if done.ran && !is_terminal {
            self.terminal.remark(&format!("[{}/{}] {}", self.ended, self.total, step.name));
        }
        let messages: &[u8] = match &done.end {
            End::Ended { messages, .. } if done.ran || !done.is_good() => messages,
            _ => &[],
        };
        if is_terminal && (!messages.is_empty() || !done.is_good()) {
            self.terminal.write(CLEAR);
        }
        if !messages.is_empty() {
            // As its tool would have said it.
            let text = String::from_utf8_lossy(messages);
            let end = if text.ends_with('\n') { "" } else { "\n" };
            self.terminal.write(&format!("{text}{end}"));
        }
        if let Some(wrong) = wrong(step, done) {
            let again = again(step, self.program);
            self.terminal
                .say("error", &format!("{}: {wrong}; to repeat it:\n  {again}", step.name));
        }
    }
}

/// Why a step is not good, if it is not.
fn wrong(step: &Step, done: &Done) -> Option<String> {
    match &done.end {
        _ if done.is_good() => None,
        End::Ended { code: 0, .. } => Some(format!(
            "{} wrote no {}; is there a -c in its command?",
            tool(step),
            step.output.display()
        )),
        End::Ended { code, .. } => Some(format!("{} ended with exit code {code}", tool(step))),
        End::Broken(exit) => Some(exit.to_string()),
        End::GivenUp => Some("given up, as others had failed".into()),
    }
}

fn tool(step: &Step) -> String {
    String::from_utf8_lossy(step.given.arguments.first().map_or(b"", Vec::as_slice)).into_owned()
}

/// The command that runs a step by itself.
fn again(step: &Step, program: &Path) -> String {
    /// So much of a handle is enough to find it.
    const DIGITS: usize = 16;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut line = String::from("weft run");
    // Writing to a string cannot fail.
    for (path, root) in &step.given.directories {
        let digits: String = root.content().to_string().chars().take(DIGITS).collect();
        let _ = write!(line, " --tree {}", quote(&format!("#{digits}:{}", text(path))));
    }
    if step.given.memory_bytes != MEMORY_BYTES {
        let _ = write!(line, " --memory {}", step.given.memory_bytes);
    }
    let _ = write!(line, " --argv0 {} {}", quote(&tool(step)), quote(&program.to_string_lossy()));
    line.push_str(" --");
    for argument in step.given.arguments.iter().skip(1) {
        let _ = write!(line, " {}", quote(&text(argument)));
    }
    line
}

/// All steps with what they came to.
#[derive(Default)]
pub(super) struct Summary {
    steps: Vec<Value>,
    known: usize,
    ran: usize,
    failed: usize,
    given_up: usize,
    /// Of those that failed, how many have no answer.
    unanswered: usize,
}

impl Summary {
    pub(super) fn add(&mut self, steps: &[Step], done: &[Done], program: &Path) {
        for (step, done) in steps.iter().zip(done) {
            self.steps.push(object(step, done, program));
            match (&done.end, done.ran) {
                (End::GivenUp, _) => self.given_up += 1,
                (_, true) => self.ran += 1,
                (_, false) => self.known += 1,
            }
            if let End::Broken(exit) = &done.end {
                self.unanswered += usize::from(exit.status() == Code::NoAnswer.status());
            }
            self.failed += usize::from(!done.is_good() && !matches!(done.end, End::GivenUp));
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.failed == 0 && self.given_up == 0
    }

    /// `35 steps: 33 known, 2 ran`
    fn line(&self) -> String {
        let count = self.known + self.ran + self.given_up;
        let steps = if count == 1 { "step" } else { "steps" };
        let mut line = format!("{count} {steps}: {} known, {} ran", self.known, self.ran);
        for (number, what) in [(self.failed, "failed"), (self.given_up, "given up")] {
            if number > 0 {
                let _ = write!(line, ", {number} {what}");
            }
        }
        line
    }

    /// Prints the last line, or all as one object, and ends. So many steps had
    /// no need to begin.
    pub(super) fn print(self, json: bool, not_begun: usize) -> Result<(), Exit> {
        let good = self.is_good();
        let line = self.line();
        let code = if self.unanswered == self.failed { Code::NoAnswer } else { Code::Step };
        if json {
            let object = json!({
                "outcome": if good { "built" } else { "failed" },
                "known": self.known, "ran": self.ran, "failed": self.failed,
                "given_up": self.given_up, "steps": self.steps,
            });
            out(|out| writeln!(out, "{object}"))?;
            return if good { Ok(()) } else { Err(Exit::silent(code.status())) };
        }
        if good {
            return out(|out| writeln!(out, "{line}"));
        }
        let linked = if not_begun > 0 { "; nothing was linked" } else { "" };
        Err(Exit::new(code, format!("{line}{linked}")))
    }
}

fn object(step: &Step, done: &Done, program: &Path) -> Value {
    let (exit, messages, handle) = match &done.end {
        End::Ended { code, messages, files } => {
            let handle = files.first().map(|(_, handle)| format!("#{handle}"));
            (Some(*code), String::from_utf8_lossy(messages).into_owned(), handle)
        }
        _ => (None, String::new(), None),
    };
    let error = wrong(step, done);
    let repeat = error.is_some().then(|| again(step, program));
    json!({
        "name": step.name, "output": step.output.to_string_lossy(), "handle": handle,
        "ran": done.ran, "exit": exit, "messages": messages, "error": error, "repeat": repeat,
    })
}
