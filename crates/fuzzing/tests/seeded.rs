//! Every target for a while, by seed, in the ordinary build.
//!
//! How long and from which seed: see `Campaign::from_env`, set by
//! `cargo xtask fuzz --seeded` and `cargo xtask test`.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests, their helpers included

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use weft_engine::{Applied, Engine, Outcome, Run};
use weft_fuzzing::images::begun::snapshot_by;
use weft_fuzzing::images::broken::image_by;
use weft_fuzzing::images::soundly;
use weft_fuzzing::{Campaign, Fault, TARGETS, Target, faulty_reuse, target};
use weft_object::{Blob, Content, Handle, Tree};

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

targets! { calls directory export frame handle image module notation reuse snapshot }

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

/// As if images were told apart by their programs.
fn confused(engine: &Engine, run: Run<'_>) -> Applied {
    static FIRST: LazyLock<Mutex<HashMap<Handle, Handle>>> = LazyLock::new(Mutex::default);
    let mut entries = run.entries.entries().to_vec();
    let image = run.objects.tree(entries[2]);
    if entries[1] == Handle::of_blob(b"image/1")
        && let Some(program) = image.and_then(|image| image.entries().get(1).copied())
    {
        let mut first = FIRST.lock().unwrap();
        entries[2] = *first.entry(program).or_insert(entries[2]);
    }
    let entries = Tree::new(entries);
    soundly(engine, Run { application: entries.handle(), entries: &entries, ..run })
}

/// As if an image had no globals but zeros.
fn forgetful(engine: &Engine, run: Run<'_>) -> Applied {
    let mut applied = soundly(engine, run);
    let Outcome::Value(value) = applied.outcome else { return applied };
    let made = applied.made.iter().find(|(handle, _)| *handle == value);
    let mut entries = made.and_then(|(_, made)| made.tree()).unwrap().entries().to_vec();
    if entries[0] != Handle::of_blob(b"weft image 1") {
        return applied;
    }
    let globals = applied.made.iter().find(|(handle, _)| *handle == entries[2]).unwrap();
    let globals = globals.1.blob().unwrap().bytes().to_vec();
    let zeros = (0..).zip(globals).map(|(at, byte)| if at % 17 == 0 { byte } else { 0 });
    let zeros = Blob::new(zeros.collect::<Vec<u8>>());
    entries[2] = zeros.handle();
    applied.made.push((zeros.handle(), Content::Blob(zeros)));
    let image = Tree::new(entries);
    applied.outcome = Outcome::Value(image.handle());
    applied.made.push((image.handle(), Content::Tree(image)));
    applied
}

#[test]
fn planted_faults_of_images_are_found() {
    let image = Target { run: |bytes| image_by(bytes, &confused), ..*target("image").unwrap() };
    let snapshot =
        Target { run: |bytes| snapshot_by(bytes, &forgetful), ..*target("snapshot").unwrap() };
    let folder = scratch("fuzz-images");
    for (target, words) in [
        (image, "an image beside a broken one"),
        (snapshot, "a program that went on from an image and one that ran in one"),
    ] {
        let campaign = Campaign { seed: 3, time: None, folder: folder.clone(), replay: None };
        let failure = campaign.run(&target).unwrap_err();
        assert!(failure.message.starts_with(words), "{failure}");
    }
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

/// Of targets that end early with most inputs, little is learnt.
#[test]
fn images_are_gone_on_from() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    static VALUES: AtomicU64 = AtomicU64::new(0);
    fn counted(engine: &Engine, run: Run<'_>) -> Applied {
        let applied = soundly(engine, run);
        let is_value = matches!(applied.outcome, Outcome::Value(_));
        RUNS.fetch_add(1, Ordering::Relaxed);
        VALUES.fetch_add(u64::from(is_value), Ordering::Relaxed);
        applied
    }
    let folder = scratch("fuzz-counted");
    let campaign = Campaign { seed: 3, time: None, folder, replay: None };
    for target in [
        Target { run: |bytes| image_by(bytes, &counted), ..*target("image").unwrap() },
        Target { run: |bytes| snapshot_by(bytes, &counted), ..*target("snapshot").unwrap() },
    ] {
        campaign.run(&Target { count: 100, ..target }).unwrap();
        let [runs, values] = [&RUNS, &VALUES].map(|count| count.swap(0, Ordering::Relaxed));
        assert!(6 * values > runs && values < runs, "{}: {values} of {runs}", target.name);
    }
}
