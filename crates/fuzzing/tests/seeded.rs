//! Every target for a while, by seed, in the ordinary build.
//!
//! How long and from which seed: see `Campaign::from_env`, set by
//! `cargo xtask fuzz --seeded` and `cargo xtask test`.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests, their helpers included

use std::fs;
use std::path::{Path, PathBuf};

use weft_fuzzing::{Campaign, Fault, TARGETS, Target, faulty_reuse, target};

fn run(name: &str) {
    let target = target(name).expect("a target of this name");
    if let Some(folder) = std::env::var_os("WEFT_FUZZ_EXPORT") {
        return write_to(target, Path::new(&folder));
    }
    let campaign = Campaign::from_env(env!("CARGO_TARGET_TMPDIR")).expect("a good environment");
    match campaign.run(target) {
        Ok(count) => println!("{name}: {count} inputs of seed {}", campaign.seed),
        Err(failure) => panic!("{failure}"),
    }
}

/// Writes the seeds as files, for libFuzzer to start from.
fn write_to(target: &Target, folder: &Path) {
    let folder = folder.join(target.name);
    fs::create_dir_all(&folder).unwrap();
    for (at, seed) in (target.seeds)().into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{at}")), seed).unwrap();
    }
}

/// One test a target, so that they run side by side and fail by name.
macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! { calls directory export frame handle module notation reuse }

/// A target that nobody runs, or that libFuzzer does not know, finds nothing.
#[test]
fn every_target_is_run_both_ways() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for name in &names {
        let source = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("\"{name}\"")), "fuzz_targets/{name}.rs runs another");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}: not in fuzz/Cargo.toml");
    }
    let files = fs::read_dir(folder.join("fuzz_targets")).unwrap().count();
    assert_eq!(files, names.len(), "fuzz/fuzz_targets has a file too many");
}

fn planted(bytes: &[u8]) {
    assert!(!bytes.windows(2).any(|pair| pair == b"!!"), "two marks in a row");
}

const PLANTED: Target = Target {
    name: "planted",
    run: planted,
    seeds: || vec![b"fine".to_vec(), b"fine! too".to_vec()],
    words: &[b"!"],
    count: 5000,
};

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn a_planted_fault_is_found_kept_and_replayed() {
    let campaign = Campaign { seed: 3, time: None, folder: scratch("fuzz-planted"), replay: None };
    let failure = campaign.run(&PLANTED).unwrap_err();
    assert_eq!(failure.message, "two marks in a row");
    assert!(failure.to_string().contains("--seeded --replay"), "{failure}");
    let kept = fs::read(&failure.file).unwrap();
    assert!(kept.windows(2).any(|pair| pair == b"!!"));

    let again = Campaign { replay: Some(failure.file.clone()), ..campaign.clone() };
    assert_eq!(again.run(&PLANTED).unwrap_err().message, failure.message);
    // It was left as the running one too: the next run begins with it.
    let next = campaign.run(&Target { count: 0, ..PLANTED }).unwrap_err();
    assert!(next.input.contains("last run"), "{next}");
}

/// Of the modules that the target makes, some store in the first card and write to
/// the last global, and it sees what that leaves.
#[test]
fn an_instance_that_is_not_put_back_is_found() {
    let reuse = target("reuse").unwrap();
    let card: fn(&[u8]) = |bytes| faulty_reuse(Fault::Card, bytes);
    let global: fn(&[u8]) = |bytes| faulty_reuse(Fault::Global, bytes);
    for (name, run, place) in [("card", card, "Memory 0"), ("global", global, "Global")] {
        let folder = scratch(&format!("fuzz-faulty-{name}"));
        let campaign = Campaign { seed: 1, time: None, folder, replay: None };
        let faulty = Target { name: "faulty", run, count: 400, ..*reuse };
        let message = campaign.run(&faulty).unwrap_err().message;
        assert!(message.contains("was not put back") && message.contains(place), "{message}");
    }
}

#[test]
fn a_sound_target_runs_its_count() {
    let campaign = Campaign { seed: 3, time: None, folder: scratch("fuzz-sound"), replay: None };
    let sound = Target { run: |_| {}, count: 50, ..PLANTED };
    assert_eq!(campaign.run(&sound).unwrap(), 50);
    assert_eq!(fs::read_dir(&campaign.folder).unwrap().count(), 0, "nothing is left behind");
}
