//! Several processes with one store: all get through, whatever becomes of the
//! one that holds it.

use std::fs;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::world::{WEFT, World, ran};

const LOOP: &str = r#"(module (func (export "weft_apply") (param i32) (result i32)
    (loop $again (br $again)) (unreachable)))"#;

/// One that holds the store, until it is ended. Nobody else may be at it.
fn holder(world: &World) -> Child {
    world.wat("loop.wasm", LOOP);
    let child = world.start(&["eval", "--deadline", "600s", "apply(./loop.wasm)"], Stdio::null());
    // Only looked at, not tried: then it could be us who have it.
    let number = child.id().to_string();
    eventually(|| {
        let lock = fs::read_to_string(world.path(".weft/lock")).unwrap_or_default();
        lock.trim() == number && world.path(".weft/socket").exists()
    });
    child
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(50));
        thread::sleep(Duration::from_millis(10));
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn who_comes_second_works_through_the_first() {
    let world = World::new();
    world.remember();
    world.guest("add.wasm");
    let first = holder(&world);
    let sum = "apply(./add.wasm, 1u64, 2u64)";
    assert_eq!(world.eval(sum).text(), "3u64\n");
    assert_eq!(world.json(sum)["cost"]["applied"], 0, "the other one keeps it for all");
    world.write("new/a", "more than thirty bytes are not a literal");
    // Longer than what goes over a socket at once.
    world.write("new/big", vec![b'x'; 3 << 20]);
    let added = world.weft(["add", "--label", "new", "new"]).handle().to_owned();
    world.weft(["label", "also", "@new"]).ok();
    assert!(world.weft(["labels"]).text().contains(&format!("{added} also\n")));
    world.weft(["label", "--delete", "also"]).ok();
    assert_eq!(world.weft(["ls", "@new"]).text(), "a\nbig\n");
    assert_eq!(world.weft(["cat", "@new", "big"]).text().len(), 3 << 20);
    world.weft(["label", "--delete", "also"]).fails(5, &["there is no label also"]);
    // Killed in the middle of something, and nothing is lost.
    kill(first);
    assert!(world.path(".weft/socket").exists(), "it had no time to remove it");
    world.is_intact();
    assert_eq!(world.weft(["ls", "@new"]).text(), "a\nbig\n");
    assert_eq!(world.json(sum)["cost"]["applied"], 0);
    assert!(!world.path(".weft/socket").exists());
}

/// All at once, with nobody there before them.
#[test]
fn all_that_begin_at_once_get_through() {
    let world = World::new();
    world.guest("add.wasm");
    let mut children = Vec::new();
    for number in 0..12_u32 {
        world.write(format!("in/{number}"), format!("file {number} of more than thirty bytes"));
        let label = format!("made-{number}");
        let input = format!("in/{number}");
        let expression = format!("apply(./add.wasm, {number}u64, 1u64)");
        let arguments: &[&str] = match number % 3 {
            0 => &["add", "--label", &label, &input],
            1 => &["label", &label, &expression],
            _ => &["eval", "--quiet", &expression],
        };
        children.push((number, world.start(arguments, Stdio::null())));
    }
    for (number, child) in children {
        let ran = ran(child.wait_with_output().unwrap());
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{number}: {ran:?}");
    }
    let labels = world.weft(["labels"]).text().to_owned();
    assert_eq!(labels.lines().count(), 8, "{labels}");
    for number in 0..12 {
        match number % 3 {
            0 => {
                let text = format!("file {number} of more than thirty bytes");
                assert_eq!(world.weft(["cat", &format!("@made-{number}")]).text(), text);
            }
            1 => {
                let sum = format!("{}u64\n", number + 1);
                assert_eq!(world.eval(&format!("@made-{number}")).text(), sum);
            }
            _ => {
                let json = world.json(&format!("apply(./add.wasm, {number}u64, 1u64)"));
                assert_eq!(json["cost"]["applied"], 0);
            }
        }
    }
    assert!(!world.path(".weft/socket").exists());
}

/// Again and again the holder is killed while others work through it.
#[test]
fn the_others_go_on_when_the_holder_is_killed() {
    let world = World::new();
    for number in 0..40 {
        for file in 0..20 {
            let text = format!("file {file} in {number}, of more than thirty bytes");
            world.write(format!("in-{number}/{file}"), text);
        }
    }
    for round in 0..4 {
        let first = holder(&world);
        let start = |worker: usize| {
            // One after the other in a shell, so that some begin at any time.
            let script: String = (0..5)
                .map(|n| {
                    let number = round * 10 + worker * 5 + n;
                    format!("{WEFT} add --label l-{number} in-{number} || exit 1\n")
                })
                .collect();
            let mut shell = world.command("sh");
            shell.args(["-c", &script]).stdout(Stdio::null()).stderr(Stdio::piped());
            shell.spawn().unwrap()
        };
        let workers = [start(0), start(1)];
        let labels = || world.weft(["labels"]).text().lines().count();
        let before = labels();
        eventually(|| labels() > before);
        kill(first);
        for worker in workers {
            let ran = ran(worker.wait_with_output().unwrap());
            assert_eq!((ran.code, &*ran.stderr), (Some(0), ""));
        }
    }
    for number in 0..40 {
        let text = format!("file 7 in {number}, of more than thirty bytes");
        assert_eq!(world.weft(["cat", &format!("@l-{number}"), "7"]).text(), text);
    }
}

/// An evaluation outlives the process through which it keeps what it finds out.
#[test]
fn an_evaluation_goes_on_when_the_holder_ends() {
    let world = World::new();
    world.guest("fib.wasm");
    world.guest("add.wasm");
    let first = holder(&world);
    let expression = "apply(./fib.wasm, ./add.wasm, 600u64)";
    let second = world.start(&["eval", "--quiet", expression], Stdio::null());
    kill(first);
    let ran = ran(second.wait_with_output().unwrap());
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
    assert_eq!(world.json(expression)["cost"]["applied"], 0);
}

#[test]
fn a_store_that_cannot_be_written_can_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.remember();
    let set = |mode| {
        fs::set_permissions(world.path(".weft"), fs::Permissions::from_mode(mode)).unwrap();
    };
    set(0o555);
    let listed = world.weft(["ls", "@kept"]);
    set(0o755);
    assert_eq!(listed.text(), "a\n");
}
