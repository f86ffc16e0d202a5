//! `docs/cli.md` is true.

use std::process::Stdio;

use crate::world::{WEFT, World, ran};

const DOCUMENT: &str = include_str!("../../../../docs/cli.md");

const LOOP: &str = r#"(module (func (export "weft_apply") (param i32) (result i32)
    (loop $again (br $again)) (unreachable)))"#;

/// Commands with what they print, from the blocks `console`. A line that begins
/// with `> ` goes on with the command.
fn steps(document: &str) -> Vec<(String, String)> {
    let mut steps: Vec<(String, String)> = Vec::new();
    for block in document.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match (line.strip_prefix("$ "), line.strip_prefix("> "), steps.last_mut()) {
                (Some(command), ..) => steps.push((command.into(), String::new())),
                (None, Some(more), Some((command, _))) => *command += &format!("\n{more}"),
                (None, None, Some((_, shown))) => *shown += &format!("{line}\n"),
                _ => panic!("output without a command: {line}"),
            }
        }
    }
    steps
}

/// Whether text is what is shown, where `[..]` stands for anything within a line.
fn line_fits(shown: &str, line: &str) -> bool {
    let mut parts = shown.split("[..]");
    let first = parts.next().unwrap();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A line `...` stands for any lines to the end.
fn fits(shown: &str, text: &str) -> bool {
    let (mut shown, mut lines) = (shown.trim_end().lines(), text.trim_end().lines());
    loop {
        match (shown.next(), lines.next()) {
            (Some("..."), _) | (None, None) => return true,
            (Some(shown), Some(line)) if line_fits(shown, line) => {}
            _ => return false,
        }
    }
}

#[test]
fn what_is_shown_is_compared() {
    assert!(fits("a [..] b\n", "a x b\n") && fits("a[..]\n...\n", "ab\nc\n"));
    assert!(!fits("a\n", "a\nb\n") && !fits("a\nb\n", "a\n") && !fits("a[..]b\n", "abc\n"));
}

#[test]
fn every_command_does_what_the_document_shows() {
    let world = World::bare();
    for guest in ["add.wasm", "fib.wasm", "wordcount.wasm"] {
        world.guest(guest);
    }
    for program in ["hello", "calls", "cc"] {
        world.guest(&format!("wasi-{program}.wasm"));
        let name = |name: &str| world.path(format!("{name}.wasm"));
        std::fs::rename(name(&format!("wasi-{program}")), name(program)).unwrap();
    }
    world.wat("loop.wasm", LOOP);
    performs(&world, DOCUMENT, 25);
}

/// Types what a document shows, of which there are at least so many commands.
pub(crate) fn performs(world: &World, document: &str, at_least: usize) {
    let bin = std::path::Path::new(WEFT).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let steps = steps(document);
    assert!(steps.len() > at_least, "{}", steps.len());
    for (command, shown) in steps {
        let mut shell = world.command("sh");
        shell.env("PATH", format!("{}:{path}", bin.display())).stdin(Stdio::null());
        // One stream, so that the order is what a person sees.
        let ran =
            ran(shell.arg("-c").arg(format!("exec 2>&1; umask 022; {command}")).output().unwrap());
        let text = String::from_utf8(ran.stdout.clone()).unwrap();
        // What a slow machine says of how long it has been at it.
        let is_progress = |line: &&str| line.starts_with("weft: ") && line.ends_with(" s");
        let lines = text.lines().filter(|line| !is_progress(line));
        let text = lines.fold(String::new(), |text, line| text + line + "\n");
        assert!(fits(&shown, &text), "$ {command}\nshown:\n{shown}\nprinted:\n{text}");
        assert_eq!(ran.code, Some(0), "{command}");
    }
}

/// The document's table of exit codes is the program's.
#[test]
fn the_exit_codes_are_those_of_the_help() {
    let help = World::bare().weft(["help"]);
    let section = help.text().split("Exit codes:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(section.lines().count(), 10);
    for line in section.lines() {
        let (code, meaning) = line.trim_start().split_once("  ").unwrap();
        let row = format!("| {code} | {meaning} |\n");
        assert!(DOCUMENT.contains(&row), "{row}");
    }
}

/// There is no command that the document does not show.
#[test]
fn every_command_is_shown() {
    let help = World::bare().weft(["help"]);
    let section = help.text().split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in section.lines() {
        let command = line.split_whitespace().next().unwrap();
        let shown = ["help"].contains(&command) || DOCUMENT.contains(&format!("weft {command}"));
        assert!(shown, "{command}");
    }
}
