use clap::ArgMatches;
use serde_json::{Map, Value, json};
use weft_engine::{ARTIFACTS_MAX_BYTES, Kept, kept_in};
use weft_store::{Mode, Usage};

use super::{Command, is_json, json_argument};
use crate::exit::Exit;
use crate::out::out;
use crate::place::{self, Place};
use crate::terminal::Terminal;
use crate::units::{count, counted, size};

pub(crate) const COMMAND: Command = Command {
    name: "stat",
    about: "Say what is in the store, and who holds it",
    details: "Bytes are of all files of the store. Dead is what nothing can read any more,\n\
              until `weft gc`. Compiled modules and the pages of images are kept in the user's\n\
              cache, for all stores: what was used longest ago goes when they come to more\n\
              than WEFT_CACHE_MAX says. If a process holds the store, what it tells of itself\n\
              follows: its number, since when, and what its node has done.",
    examples: &["weft stat", "weft stat --output json"],
    arguments: |command| command.arg(json_argument()),
    run,
};

struct Counts {
    usage: Usage,
    labels: usize,
    pins: usize,
    runs: usize,
    compiled: Kept,
    compiled_max_bytes: u64,
}

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let place = Place::open(Mode::Read, terminal)?;
    let backend = &place.backend;
    let counts = Counts {
        usage: backend.usage()?,
        labels: backend.labels()?.len(),
        pins: backend.pins()?.len(),
        runs: backend.runs()?.len(),
        compiled: place::artifacts().map(|dir| kept_in(&dir)).unwrap_or_default(),
        compiled_max_bytes: place::cache_max().ok().flatten().unwrap_or(ARTIFACTS_MAX_BYTES),
    };
    let holder = place.holder()?;
    let facts: Vec<(String, String)> =
        holder.iter().flatten().map(|fact| (fact.name.clone(), fact.value.clone())).collect();
    match is_json(matches) {
        true => {
            let json = as_json(&counts, holder.is_some().then_some(&facts));
            out(|out| writeln!(out, "{json}"))
        }
        false => out(|out| {
            write!(out, "{}", text(&place.directory().display().to_string(), &counts))?;
            facts.iter().try_for_each(|(name, value)| writeln!(out, "{:<12} {value}", name))
        }),
    }
}

fn text(directory: &str, counts: &Counts) -> String {
    let usage = &counts.usage;
    let budget = usage.budget_bytes.map_or("none".to_owned(), |budget| {
        match usage.file_bytes.saturating_sub(budget) {
            0 => size(budget),
            over => format!("{}, {} over; see `weft gc --dry-run`", size(budget), size(over)),
        }
    });
    let dead = format!("{} dead", size(usage.dead_bytes));
    let compiled = format!(
        "{} of {}, {} of modules and images",
        size(counts.compiled.bytes),
        size(counts.compiled_max_bytes),
        counted(counts.compiled.artifacts, "artifact")
    );
    let rows = [
        ("store", directory.to_owned()),
        ("objects", format!("{}, {} dropped", count(usage.objects), count(usage.dropped))),
        ("relations", count(usage.relations)),
        ("bytes", format!("{}, {dead}", size(usage.file_bytes))),
        ("budget", budget),
        ("labels", count(counts.labels as u64)),
        ("pins", count(counts.pins as u64)),
        ("runs", count(counts.runs as u64)),
        ("compiled", compiled),
    ];
    rows.iter().map(|(name, value)| format!("{name:<12} {value}\n")).collect()
}

fn as_json(counts: &Counts, holder: Option<&Vec<(String, String)>>) -> Value {
    let usage = &counts.usage;
    let holder: Option<Map<String, Value>> = holder.map(|facts| {
        let number = |text: &str| text.parse::<u64>().map_or(json!(text), |number| json!(number));
        facts.iter().map(|(name, value)| (name.clone(), number(value))).collect()
    });
    json!({
        "objects": usage.objects,
        "relations": usage.relations,
        "dropped": usage.dropped,
        "file_bytes": usage.file_bytes,
        "dead_bytes": usage.dead_bytes,
        "budget_bytes": usage.budget_bytes,
        "labels": counts.labels,
        "pins": counts.pins,
        "runs": counts.runs,
        "compiled_bytes": counts.compiled.bytes,
        "compiled_max_bytes": counts.compiled_max_bytes,
        "compiled": counts.compiled.artifacts,
        "holder": holder,
    })
}
