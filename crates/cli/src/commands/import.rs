use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use serde_json::json;
use weft_store::export::{Import, Imported, import};
use weft_store::{Expect, Label, Mode, StoreError, Writing};

use super::export::SoFar;
use super::{Command, is_json, json_argument, pin};
use crate::exit::{Code, Exit, file_error};
use crate::out::{name, out};
use crate::place::Place;
use crate::progress;
use crate::terminal::Terminal;
use crate::units::counted;

pub(crate) const COMMAND: Command = Command {
    name: "import",
    about: "Take what `weft export` wrote, and print its handle",
    details: "Every object is checked, and so is the file as a whole. Content proves itself;\n\
              a result is the word of whoever made the file, and only taken with --trust:\n\
              then it is noted from which file it is, and `weft verify` can check it.",
    examples: &[
        "weft import src.weft",
        "weft import --label src - < src.weft",
        "weft import --trust sum.weft",
    ],
    arguments: |command| {
        let file = Arg::new("FILE")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("The file; - is standard input");
        let label = Arg::new("label").long("label").value_name("NAME").help("Label what is taken");
        let trust = Arg::new("trust")
            .long("trust")
            .action(ArgAction::SetTrue)
            .help("Take the results in it too: you trust who made the file");
        command.arg(file).arg(label).arg(trust).arg(json_argument())
    },
    run,
};

fn run(matches: &ArgMatches, terminal: Terminal) -> Result<(), Exit> {
    let path = matches.get_one::<PathBuf>("FILE").cloned().unwrap_or_default();
    let label = matches.get_one::<String>("label").map(|name| Label::new(name)).transpose();
    let label = label.map_err(|error| Exit::usage(error.to_string()))?;
    let from_stdin = path.as_os_str() == "-";
    let shown = if from_stdin { "standard input".into() } else { path.display().to_string() };
    let mut input: Box<dyn Read> = match from_stdin {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::with_capacity(1 << 20, opened(&path)?)),
    };
    let options = Import { trust: matches.get_flag("trust").then(|| source(&path, from_stdin)) };
    let place = Place::open(Mode::Write, terminal)?;
    // No collection comes between what is taken and its name.
    let writing = Writing::begin(&*place.backend)?;
    let imported = taken(&place, &mut *input, &options, terminal).map_err(|error| match error {
        StoreError::Export(broken) => {
            let left = "nothing was taken but content without a name, which the next `weft gc` \
                        removes";
            Exit::new(Code::Other, format!("{shown}: {broken}; {left}"))
        }
        StoreError::Io { doing: "read", source, path }
            if matches!(path.to_str(), Some("the export" | "the stream")) =>
        {
            Exit::other(format!("cannot read {shown}: {source}"))
        }
        error => error.into(),
    })?;
    match &label {
        Some(label) => place.backend.set_label(label, Expect::Any, Some(imported.root))?,
        None => pin::lease(&*place.backend, &[imported.root])?,
    }
    drop(writing);
    place.backend.sync()?;
    let left = imported.relations - imported.taken;
    if left > 0 {
        let [was, is, them] = match left {
            1 => ["was", "is", "it"],
            _ => ["were", "are", "them"],
        };
        let text = format!(
            "{} in it {was} left out, which {is} only somebody's word; `--trust` takes {them}",
            counted(left, "result")
        );
        terminal.remark(&text);
    }
    print(&imported, is_json(matches))
}

fn opened(path: &Path) -> Result<File, Exit> {
    let failed = |error| file_error("read", path, error);
    let file = File::open(path).map_err(failed)?;
    match file.metadata().map_err(failed)?.is_dir() {
        true => Err(Exit::other(format!("{} is a directory and no export", path.display()))),
        false => Ok(file),
    }
}

/// Who the results are said to be from: a name that says it to people, in 200
/// bytes.
fn source(path: &Path, from_stdin: bool) -> String {
    let mut text = match (from_stdin, path.file_name()) {
        (false, Some(file)) => {
            use std::os::unix::ffi::OsStrExt;
            format!("imported from {}", name(file.as_bytes()))
        }
        _ => "imported from standard input".into(),
    };
    while text.len() > 200 {
        text.pop();
    }
    text
}

fn taken(
    place: &Place,
    input: &mut dyn Read,
    options: &Import,
    terminal: Terminal,
) -> Result<Imported, StoreError> {
    let so_far = SoFar::default();
    let take = || import(&*place.backend, input, options, &|moved| so_far.set(moved));
    progress::during(terminal, |elapsed| so_far.line("imported", elapsed), take)
}

fn print(imported: &Imported, json: bool) -> Result<(), Exit> {
    let Imported { root, objects, relations, taken, bytes } = imported;
    let object = json!({
        "handle": format!("#{root}"),
        "objects": objects,
        "results": taken,
        "left_out": relations - taken,
        "bytes": bytes,
    });
    out(|out| match json {
        true => writeln!(out, "{object}"),
        false => writeln!(out, "#{root}"),
    })
}
