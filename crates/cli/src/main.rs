//! The program `weft`: computations from the command line.
//!
//! Everything a person can type is in one table, [`commands::TABLE`]: the
//! parser, the help, the manual page, the completions and several tests are
//! made from it. A command ends in `Ok` or in an [`exit::Exit`], which knows its
//! text and its code; nothing else ends the process, except a second Ctrl-C.
//!
//! Standard output has what was asked for and nothing else. Progress, warnings
//! and errors go to standard error.

#![forbid(unsafe_code)]

mod argument;
mod beside;
mod commands;
mod debugger;
mod evaluate;
mod exit;
mod explained;
mod image;
mod interrupt;
mod names;
mod noted;
mod out;
mod place;
mod program;
mod progress;
mod recover;
mod report;
mod terminal;
mod units;

use std::process::ExitCode;

fn main() -> ExitCode {
    let terminal = terminal::Terminal::detect();
    let result = commands::run(std::env::args_os(), terminal);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            exit.print(terminal);
            ExitCode::from(exit.status())
        }
    }
}
