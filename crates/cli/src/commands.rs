//! Every command, its arguments and its words, as one table.

mod add;
mod bench;
mod build;
mod cat;
mod completions;
mod demo;
mod diff;
mod eval;
mod export;
mod fsck;
mod gc;
mod get;
mod graph;
mod image;
mod import;
mod init;
mod label;
mod labels;
mod ls;
mod man;
mod migrate;
pub(crate) mod pin;
mod replay;
mod run;
mod stat;
mod verify;
mod version;
mod why;

use std::ffi::OsString;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};
use serde_json::json;

pub(crate) use run::given::Given;

use crate::exit::{Code, Exit};
use crate::out::out;
use crate::terminal::Terminal;

/// One command.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// One line.
    pub(crate) about: &'static str,
    /// What else there is to know, in lines of at most 80 columns.
    pub(crate) details: &'static str,
    /// What one types. A test parses each of them.
    pub(crate) examples: &'static [&'static str],
    /// Adds flags and arguments.
    pub(crate) arguments: fn(clap::Command) -> clap::Command,
    pub(crate) run: fn(&ArgMatches, Terminal) -> Result<(), Exit>,
}

/// Who reads answers as objects gets errors so, too.
pub(crate) fn told_as(json: bool, done: Result<(), Exit>) -> Result<(), Exit> {
    match done {
        Err(exit) if json && !exit.is_silent() => {
            let (error, status) = (exit.to_string(), exit.status());
            let object = json!({ "outcome": "error", "error": error, "exit": status });
            out(|out| writeln!(out, "{object}"))?;
            Err(Exit::silent(status))
        }
        done => done,
    }
}

/// All of them, in the order of the help.
pub(crate) static TABLE: &[&Command] = &[
    &init::COMMAND,
    &add::COMMAND,
    &cat::COMMAND,
    &ls::COMMAND,
    &get::COMMAND,
    &eval::COMMAND,
    &why::COMMAND,
    &diff::COMMAND,
    &graph::COMMAND,
    &verify::COMMAND,
    &replay::COMMAND,
    &run::COMMAND,
    &image::COMMAND,
    &build::COMMAND,
    &label::COMMAND,
    &labels::COMMAND,
    &pin::COMMAND,
    &pin::UNPIN,
    &pin::PINS,
    &gc::COMMAND,
    &stat::COMMAND,
    &export::COMMAND,
    &import::COMMAND,
    &fsck::COMMAND,
    &migrate::COMMAND,
    &demo::COMMAND,
    &bench::COMMAND,
    &completions::COMMAND,
    &man::COMMAND,
    &version::COMMAND,
];

/// For [`Command::arguments`] of those that have none.
fn no_arguments(command: clap::Command) -> clap::Command {
    command
}

/// An argument that names data.
fn handle_argument(name: &'static str) -> Arg {
    Arg::new(name)
        .required(true)
        .value_parser(clap::value_parser!(OsString))
        .help("An expression, a handle, or its first digits (4 or more)")
}

/// An argument that leads into the directory that another one names.
fn path_argument() -> Arg {
    Arg::new("PATH")
        .value_parser(clap::value_parser!(OsString))
        .help("A path inside of the directory")
}

/// `--output` with these forms, the first of them by default.
fn output_argument(forms: &'static [&'static str], help: &'static str) -> Arg {
    Arg::new("output")
        .short('o')
        .long("output")
        .value_name("FORM")
        .value_parser(PossibleValuesParser::new(forms))
        .default_value(forms[0])
        .hide_possible_values(true)
        .help(help)
}

/// Whether to answer for people or for programs.
fn json_argument() -> Arg {
    output_argument(&["text", "json"], "text or json")
}

fn is_json(matches: &ArgMatches) -> bool {
    form(matches) == "json"
}

/// What was said for [`output_argument`].
fn form(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("output").map_or("", String::as_str)
}

/// The whole definition, as clap has it.
pub(crate) fn definition() -> clap::Command {
    let codes: Vec<String> = Code::ALL
        .iter()
        .map(|(code, meaning)| format!("  {:>3}  {meaning}", code.status()))
        .collect();
    let after = format!(
        "Exit codes:\n{}\n\nEnvironment:\n  WEFT_DIR  the store, or the directory that has it, \
         instead of the nearest .weft at\n            or above the working directory\n  WEFT_CACHE_MAX\n            \
         what compiled modules and images may take in the user's cache, as 20GiB;\n            \
         8GiB if it is not set\n  NO_COLOR  no colors if it is set and not empty",
        codes.join("\n")
    );
    let quiet = Arg::new("quiet")
        .short('q')
        .long("quiet")
        .global(true)
        .action(ArgAction::SetTrue)
        .help("Show no progress");
    let root = clap::Command::new("weft")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Computations as data: name one, and get its result, at once the second time")
        .after_help(after)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_colored_help(true)
        .arg(quiet);
    TABLE.iter().fold(root, |root, command| root.subcommand(subcommand(command)))
}

fn subcommand(command: &Command) -> clap::Command {
    let examples: String = command.examples.iter().map(|line| format!("\n  {line}")).collect();
    let details = [command.details.to_owned(), format!("Examples:{examples}")];
    let after = details.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let defined = clap::Command::new(command.name)
        .about(command.about)
        .after_help(after.join("\n\n"))
        .disable_version_flag(true);
    (command.arguments)(defined)
}

/// Parses the command line and does what it says.
pub(crate) fn run(
    arguments: impl Iterator<Item = OsString>,
    mut terminal: Terminal,
) -> Result<(), Exit> {
    let matches = match definition().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return told(&error, terminal),
    };
    terminal.quiet = matches.get_flag("quiet");
    let (name, matches) = matches.subcommand().ok_or_else(|| Exit::usage("no command"))?;
    match TABLE.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(matches, terminal),
        None => Err(Exit::usage(format!("there is no command {name}; see `weft help`"))),
    }
}

/// Help and version come as errors from the parser, and are none.
fn told(error: &clap::Error, terminal: Terminal) -> Result<(), Exit> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            out(|out| out.write_all(text.as_bytes()))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            terminal.write(&text);
            Err(Exit::silent(Code::Usage.status()))
        }
        _ => {
            let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            let text = text.trim_end_matches("For more information, try '--help'.").trim_end();
            Err(Exit::usage(format!("{text}\n\nfor more, try `--help`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_a_definition() {
        definition().debug_assert();
    }

    #[test]
    fn every_command_has_words_and_examples_that_parse() {
        for command in TABLE {
            assert!(!command.about.ends_with('.'), "{}", command.name);
            assert!(!command.examples.is_empty(), "{}", command.name);
            for line in command.details.lines().chain(command.examples.iter().copied()) {
                assert!(line.chars().count() <= 80, "{}: {line}", command.name);
            }
            for example in command.examples {
                // Only what comes before a pipe, and quotes of one kind.
                let line = example.split(" | ").next().unwrap().split(" > ").next().unwrap();
                let line = line.split(" < ").next().unwrap();
                let quoted = line.split('\'').enumerate();
                let words = quoted.flat_map(|(at, part)| match at % 2 {
                    0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
                    _ => vec![part.to_owned()],
                });
                let parsed = definition().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
                assert_eq!(parsed.unwrap().subcommand_name(), Some(command.name), "{example}");
            }
        }
    }
}
