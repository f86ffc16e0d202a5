use std::sync::Mutex;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches};
use serde_json::json;
use weft_store::{Budget, Collect, Collected, Mode, Phase, Progress, Share};

use super::{Command, is_json, json_argument};
use crate::exit::Exit;
use crate::out::out;
use crate::place::Place;
use crate::progress;
use crate::terminal::Terminal;
use crate::units::{counted, parse_size, size, time};

pub(crate) const COMMAND: Command = Command {
    name: "gc",
    about: "Remove from the store what nobody needs",
    details: "What no label, pin or known computation reaches goes. Over a budget, results\n\
              go that can be computed again, cheap ones first: they come back when they are\n\
              asked for. Then computations go that no label or pin reaches. What has a label\n\
              and cannot be computed again stays whatever the budget.\n\
              A budget given here is kept from then on, also while other commands work.",
    examples: &[
        "weft gc --dry-run",
        "weft gc",
        "weft gc --budget 20GiB",
        "weft gc --no-budget",
        "weft gc --dry-run --budget 1GiB --output json",
    ],
    arguments: |command| {
        let dry_run = Arg::new("dry-run")
            .short('n')
            .long("dry-run")
            .action(ArgAction::SetTrue)
            .help("Only say what would go, and what it would cost to get back");
        let budget = Arg::new("budget")
            .long("budget")
            .value_name("SIZE")
            .value_parser(parse_size)
            .help("What the store may take, as 20GiB [default: what was said last]");
        let no_budget = Arg::new("no-budget")
            .long("no-budget")
            .action(ArgAction::SetTrue)
            .conflicts_with("budget")
            .help("Let it take any size again");
        command.arg(dry_run).arg(budget).arg(no_budget).arg(json_argument())
    },
    run,
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let dry_run = matches.get_flag("dry-run");
    let budget_bytes = matches.get_one::<u64>("budget").copied();
    let place = Place::open(if dry_run { Mode::Read } else { Mode::Write }, terminal)?;
    let budget = match budget_bytes {
        Some(bytes) => Budget::Bytes(bytes),
        None if matches.get_flag("no-budget") => Budget::Unlimited,
        None => Budget::AsSet,
    };
    let collect = Collect { dry_run, budget };
    let collected = during(terminal, |tell| place.backend.collect(&collect, tell))?;
    // Afterwards: a sync over a budget would begin a collection of its own.
    if !dry_run && budget != Budget::AsSet {
        place.backend.set_budget(budget_bytes)?;
        place.backend.sync()?;
    }
    match is_json(matches) {
        true => out(|out| writeln!(out, "{}", as_json(&collected, dry_run))),
        false => out(|out| write!(out, "{}", text(&collected, dry_run))),
    }
}

/// Shows how far it is.
fn during<T>(terminal: Terminal, work: impl FnOnce(&dyn Fn(Progress)) -> T) -> T {
    let last = Mutex::new(None);
    let tell = |progress: Progress| {
        if let Ok(mut last) = last.lock() {
            *last = Some(progress);
        }
    };
    let line = |elapsed: Duration| {
        let last = last.lock().ok().and_then(|last| *last);
        let what = last.map_or("looking", |progress| words(progress.phase));
        let far =
            last.filter(|progress| progress.all_bytes > 0).map_or(String::new(), |progress| {
                format!(" {} of {}", size(progress.done_bytes), size(progress.all_bytes))
            });
        let time = time(elapsed);
        vec![format!("{what}{far}; {time}"), format!("{what}; {time}"), time]
    };
    progress::during(terminal, line, || work(&tell))
}

fn words(phase: Phase) -> &'static str {
    match phase {
        Phase::Reading => "reading",
        Phase::Planning => "deciding what goes",
        Phase::Writing => "writing what stays",
        Phase::Removing => "removing",
    }
}

fn text(collected: &Collected, dry_run: bool) -> String {
    let Collected { garbage, dropped, relations, forgotten, .. } = *collected;
    let mut text = String::new();
    let mut line = |what: &str, detail: String| text.push_str(&format!("{what:<10} {detail}\n"));
    line("unreached", share(&garbage));
    if dropped.objects > 0 {
        let run = time(Duration::from_nanos(collected.recompute_ns));
        line("dropped", format!("{}, to be computed again in {run}", share(&dropped)));
    }
    if relations > 0 {
        let detail = format!("{} with {}", counted(relations, "computation"), share(&forgotten));
        line("forgotten", detail);
    }
    let verb = if dry_run { "would go from" } else { "went from" };
    // What stays is an estimate, and may come out above what there is.
    let after = collected.after_bytes.min(collected.before_bytes);
    let (before, after) = (size(collected.before_bytes), size(after));
    line("the store", format!("{verb} {before} to about {after}"));
    if collected.over_bytes() > 0 {
        let over = size(collected.over_bytes());
        let detail = format!(
            "{over} over its budget: the rest is labeled, pinned or in use; raise the budget, remove \
             labels, or unpin what `weft pins` shows"
        );
        line("it is", detail);
    }
    text
}

fn share(share: &Share) -> String {
    format!("{}, {}", counted(share.objects, "object"), size(share.bytes))
}

fn as_json(collected: &Collected, dry_run: bool) -> serde_json::Value {
    let share = |share: &Share| json!({ "objects": share.objects, "bytes": share.bytes });
    json!({
        "dry_run": dry_run,
        "garbage": share(&collected.garbage),
        "dropped": share(&collected.dropped),
        "recompute_ns": collected.recompute_ns,
        "relations": collected.relations,
        "forgotten": share(&collected.forgotten),
        "before_bytes": collected.before_bytes,
        "after_bytes": collected.after_bytes,
        "budget_bytes": collected.budget_bytes,
        "over_bytes": collected.over_bytes(),
    })
}
