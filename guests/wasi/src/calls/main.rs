//! `calls NAME`: checks what the calls of WASI preview 1 do, under one name for
//! each thing that they do. Prints `ok NAME`, or says what is wrong and exits
//! with 1. `calls --list` prints the names, one a line.
//!
//! Each check needs `/dir` as its first preopened directory and `/other` as its
//! second, both writable; the checks called `given_...` expect in `/dir` what
//! guests/README.md says. Names in `/dir` are those of the check, so that many
//! can run in one directory.
//!
//! `calls do WHAT` does one thing for whoever looks at it from outside.

mod check;
mod clocks;
mod deeds;
mod descriptors;
mod directories;
mod files;
mod given;
mod links;
mod open;
mod pointers;
mod poll;
mod preopens;
mod process;
mod raw;
mod renames;
mod stats;

use check::Check;

const GROUPS: &[&[Check]] = &[
    open::CHECKS,
    files::CHECKS,
    directories::CHECKS,
    renames::CHECKS,
    links::CHECKS,
    stats::CHECKS,
    descriptors::CHECKS,
    preopens::CHECKS,
    process::CHECKS,
    clocks::CHECKS,
    poll::CHECKS,
    pointers::CHECKS,
    given::CHECKS,
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["--list"] => {
            GROUPS.iter().copied().flatten().for_each(|(name, _)| println!("{name}"));
            Ok(())
        }
        ["do", rest @ ..] => deeds::run(rest),
        [name] | [name, ..] => check(name),
        [] => Err("usage: calls NAME | --list | do WHAT".into()),
    };
    if let Err(why) = done {
        eprintln!("{why}");
        std::process::exit(1);
    }
}

fn check(name: &str) -> check::Done {
    let mut all = GROUPS.iter().copied().flatten();
    let (_, run) = all.find(|(known, _)| *known == name).ok_or("no such check; see --list")?;
    run().map_err(|why| format!("{name}: {why}"))?;
    println!("ok {name}");
    Ok(())
}
