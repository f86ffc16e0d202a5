use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};
use serde_json::{Value, json};
use weft_explain::graph::{Drawing, Node, Options, dot, svg};
use weft_explain::{Calls, KEYS_MAX, Names, Question, Source, follow, why};
use weft_object::Handle;

use super::{Command, form, handle_argument, output_argument};
use crate::exit::{Code, Exit, file_error};
use crate::explained::{LINE, Subject, argument, evaluated, full, run_argument, searching};
use crate::out::out;
use crate::terminal::Terminal;

pub(crate) const COMMAND: Command = Command {
    name: "graph",
    about: "Draw a computation: what it needed, what that took, and the longest chain",
    details: "Of data, the computation that made it. Applications that are alike are drawn as\n\
              one, with their number, until there are few enough to look at. What was not kept\n\
              is said; --run evaluates, and then shows what ran and what was known.",
    examples: &[
        "weft graph @result > result.svg",
        "weft graph --to result.svg @result",
        "weft graph --run 'apply(./fib.wasm, ./add.wasm, 9u64)' > fib.svg",
        "weft graph -o dot @result | dot -Tpng > result.png",
    ],
    arguments: |command| {
        let to = Arg::new("to")
            .long("to")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Write to a file instead of standard output");
        let boxes = Arg::new("boxes")
            .long("boxes")
            .value_name("N")
            .value_parser(value_parser!(u32).range(2..=20_000))
            .default_value("120")
            .help("Draw about so many boxes at most");
        let output = output_argument(&["svg", "dot", "json"], "svg, dot (Graphviz) or json");
        command.arg(handle_argument("HANDLE")).arg(output).arg(to).arg(boxes).arg(run_argument())
    },
    run,
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let runs = matches.get_flag("run");
    let subject = Subject::open(argument(matches, "HANDLE"), runs, terminal)?;
    let backend = &*subject.place.backend;
    let request = request(&subject, terminal)?;
    let mut names = Names::read(backend)?;
    let mut options = Options {
        nodes_max: matches.get_one::<u32>("boxes").map_or(120, |boxes| *boxes as usize),
        title: names.brief(backend, request, LINE),
        ran: None,
    };
    let drawing = if runs {
        let found = evaluated(&subject.place, request, terminal)?;
        options.ran = Some(found.ran.clone());
        drawn(&found, request, &mut names, &options)?
    } else {
        drawn(backend, request, &mut names, &options)?
    };
    if drawing.total.unknown > 0 && !runs {
        terminal.remark("not all of it was kept; `--run` evaluates it to find out the rest");
    }
    let text = match form(matches) {
        "json" => format!("{}\n", object(&drawing, request)),
        "dot" => dot(&drawing),
        _ => svg(&drawing),
    };
    match matches.get_one::<PathBuf>("to") {
        None => out(|out| out.write_all(text.as_bytes())),
        Some(path) => std::fs::write(path, text).map_err(|error| file_error("write", path, error)),
    }
}

fn drawn(
    source: &(impl Source + ?Sized),
    request: Handle,
    names: &mut Names,
    options: &Options,
) -> Result<Drawing, Exit> {
    let calls = Calls::of(&follow(source, request, KEYS_MAX)?, source);
    // So few that each input has a box of its own, and a name in it.
    if calls.calls.len() <= options.nodes_max {
        let entries = calls.calls.iter().flat_map(|call| call.entries.entries().iter().skip(2));
        let data = entries.copied().filter(|entry| entry.kind().is_data() && !entry.is_literal());
        names.find(source, data)?;
    }
    Ok(Drawing::of(&calls, source, names, options))
}

/// The computation: what is named, or what made it.
fn request(subject: &Subject, terminal: Terminal) -> Result<Handle, Exit> {
    let handle = subject.handle;
    let question = Question { subject: handle, label: subject.label.clone(), depth: 0, width: 0 };
    let backend = &*subject.place.backend;
    if !handle.kind().is_data() || handle.has_encode() {
        return Ok(handle);
    }
    let found = searching(terminal, |tell| why(backend, backend, &question, tell))?;
    found.request.ok_or_else(|| {
        let text = format!("#{handle} is an input: no computation is known that came to it");
        Exit::new(Code::Store, text)
    })
}

/// For programs: what is drawn, as it is folded.
fn object(drawing: &Drawing, request: Handle) -> Value {
    let node = |node: &Node| {
        json!({
            "sort": node.sort.name(),
            "title": node.title,
            "detail": node.detail,
            "handle": full(node.handle),
            "count": node.count,
            "run_ns": node.run_ns,
            "ran": node.ran,
            "critical": node.critical,
            "result": node.result,
            "layer": node.layer,
        })
    };
    let edges = drawing.edges.iter().map(|edge| {
        json!({
            "from": edge.from,
            "to": edge.to,
            "count": edge.count,
            "caller": edge.caller,
            "critical": edge.critical,
        })
    });
    json!({
        "request": full(request),
        "text": drawing.title,
        "applications": drawing.total.calls,
        "unknown": drawing.total.unknown,
        "ran": drawing.total.ran,
        "run_ns": drawing.total.run_ns,
        "critical_ns": drawing.total.critical_ns,
        "more": drawing.total.cut,
        "nodes": drawing.nodes.iter().map(node).collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
    })
}
