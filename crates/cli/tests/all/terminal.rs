//! The progress line and colors, on a terminal and elsewhere.

use std::process::Stdio;

use crate::world::{WEFT, World, ran};

const LOOP: &str = r#"(module (func (export "weft_apply") (param i32) (result i32)
    (loop $again (br $again)) (unreachable)))"#;

/// Runs on a terminal of its own; what it shows. `None` where there is no
/// `script` that can make one.
fn on_terminal(world: &World, arguments: &str, environment: &[(&str, &str)]) -> Option<String> {
    let mut command = world.command("script");
    command.env("TERM", "xterm").envs(environment.iter().copied()).stdin(Stdio::null());
    let wide = format!("stty cols 120; {WEFT} {arguments}");
    let output = command.args(["-qec", &wide, "/dev/null"]).output();
    let Ok(output) = output else {
        println!("skipped: there is no `script` here to make a terminal with");
        return None;
    };
    Some(String::from_utf8(output.stdout).unwrap())
}

fn world() -> World {
    let world = World::new();
    world.wat("loop.wasm", LOOP);
    world
}

#[test]
fn a_terminal_shows_one_line_that_goes_away() {
    let world = world();
    let arguments = "eval --deadline 700ms 'apply(./loop.wasm)'";
    let Some(shown) = on_terminal(&world, arguments, &[]) else { return };
    let lines: Vec<&str> = shown.split("\r\u{1b}[2K").collect();
    assert!(lines.len() > 3, "{shown:?}");
    assert!(lines[2].contains("1 running"), "{shown:?}");
    for word in ["waiting", "loaded", "/s", "memory"] {
        assert!(lines[2].contains(word), "{shown:?}");
    }
    // No line feed before the error, and nothing left of the line.
    assert!(lines[..lines.len() - 1].iter().all(|line| !line.contains('\n')), "{shown:?}");
    let last = lines[lines.len() - 1];
    assert!(last.starts_with("weft: \u{1b}[1;31merror:\u{1b}[0m no answer: deadline"), "{last:?}");

    let shown = on_terminal(&world, &format!("--quiet {arguments}"), &[]).unwrap();
    assert!(!shown.contains("running"), "{shown:?}");
}

/// However narrow, each line is a whole one: no number loses its end.
#[test]
fn a_narrow_terminal_gets_a_shorter_line() {
    let world = world();
    for (columns, shape) in [(50, ", 0 done; "), (24, " done; "), (9, " ms")] {
        let narrow =
            format!("stty cols {columns}; {WEFT} eval --deadline 500ms 'apply(./loop.wasm)'");
        let mut command = world.command("script");
        command.env("TERM", "xterm").stdin(Stdio::null());
        let Ok(output) = command.args(["-qec", &narrow, "/dev/null"]).output() else { return };
        let shown = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = shown.split("\r\u{1b}[2K\u{1b}[?7l").skip(1).collect();
        assert!(lines.len() > 1, "{shown:?}");
        for line in lines {
            let line = line.split('\u{1b}').next().unwrap();
            assert!(line.chars().count() < columns, "{columns}: {line:?}");
            let keeps = line.contains("keeping");
            assert!(keeps || line.contains(shape), "{columns}: {line:?}");
        }
    }
}

#[test]
fn no_color_is_respected() {
    let world = world();
    let Some(plain) = on_terminal(&world, "cat @nowhere", &[("NO_COLOR", "1")]) else { return };
    assert!(plain.starts_with("weft: error: ") && !plain.contains('\u{1b}'), "{plain:?}");
    let colored = on_terminal(&world, "cat @nowhere", &[("NO_COLOR", "")]).unwrap();
    assert!(colored.starts_with("weft: \u{1b}[1;31merror:\u{1b}[0m "), "{colored:?}");
    let dumb = on_terminal(&world, "cat @nowhere", &[("TERM", "dumb")]).unwrap();
    assert!(!dumb.contains('\u{1b}'), "{dumb:?}");
}

/// Elsewhere there are plain lines, seldom, and none of what is soon over.
#[test]
fn a_pipe_gets_plain_lines() {
    let world = world();
    let ran = world.weft(["eval", "--deadline", "5500ms", "apply(./loop.wasm)"]);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(lines[0].starts_with("weft: 1 running"), "{ran:?}");
    assert!(lines[1].starts_with("weft: error: "), "{ran:?}");
    assert!(!ran.stderr.contains(['\u{1b}', '\r']), "{ran:?}");
}

#[test]
fn adding_says_what_was_added_only_on_a_terminal() {
    let world = world();
    world.write("d/a", "four");
    let output = world.command(WEFT).args(["add", "d"]).output().unwrap();
    let plain = ran(output);
    let handle = plain.handle().to_owned();
    let Some(shown) = on_terminal(&world, "add d", &[]) else { return };
    assert!(shown.contains("weft: added d: 1 file, 4 B read in "), "{shown:?}");
    assert_eq!(shown.lines().last().map(str::trim_end), Some(&*handle));
}
