//! Compiled modules: compiled once, kept on disk, never trusted when damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use weft_engine::{Config, Engine, EngineError};
use weft_object::Handle;

use crate::harness::{Case, config};

/// A directory that goes away with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("weft-engine-test-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// The artifacts and, each behind its own, their seals.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.0.join("code")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn artifacts(&self) -> Vec<PathBuf> {
        self.files().into_iter().filter(|path| path.extension().is_none()).collect()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn engine(dir: &Dir) -> Arc<Engine> {
    let artifacts = Some(dir.0.join("code"));
    Arc::new(Engine::new(Config { artifacts, instances: 1, ..config() }).unwrap())
}

fn add() -> Case {
    Case::binary(include_bytes!("../../../../guests/bin/add-c.wasm"))
        .argument(Handle::of_u64(40))
        .argument(Handle::of_u64(2))
}

/// Applies `add` in an engine of its own: how often it compiled and loaded.
fn once(dir: &Dir) -> (u64, u64) {
    let engine = engine(dir);
    assert_eq!(add().on(&engine).number(), 42);
    assert_eq!(add().on(&engine).number(), 42);
    let stats = engine.stats();
    (stats.compiled, stats.loaded)
}

#[test]
fn an_artifact_is_loaded_by_the_next_engine() {
    let dir = Dir::new();
    assert_eq!(once(&dir), (1, 0));
    assert_eq!(once(&dir), (0, 1));
    assert_eq!((dir.files().len(), dir.artifacts().len()), (2, 1));
}

#[test]
fn metered_code_is_another_artifact() {
    let dir = Dir::new();
    assert_eq!(once(&dir), (1, 0));
    let engine = engine(&dir);
    assert_eq!(add().fuel(1000).on(&engine).number(), 42);
    assert_eq!(engine.stats().compiled, 1);
    assert_eq!(dir.artifacts().len(), 2);
}

fn damaged(dir: &Dir, path: &Path, content: &[u8]) {
    // In its place, not into it: a thread that has just compiled may still have
    // it mapped.
    let new = dir.0.join("new");
    fs::write(&new, content).unwrap();
    fs::rename(&new, path).unwrap();
    assert_eq!(once(dir), (1, 0), "a damaged file was used");
    assert_eq!(once(dir), (0, 1), "a damaged file was not replaced");
}

#[test]
fn a_damaged_artifact_is_compiled_again() {
    let dir = Dir::new();
    once(&dir);
    for path in dir.files() {
        let sound = fs::read(&path).unwrap();
        for at in (0..sound.len()).step_by(sound.len() / 97) {
            let mut flipped = sound.clone();
            flipped[at] ^= 1 << (at % 8);
            damaged(&dir, &path, &flipped);
        }
        for end in [0, 1, 127, 128, 129, sound.len() / 2, sound.len() - 1] {
            damaged(&dir, &path, &sound[..end]);
        }
        damaged(&dir, &path, &[&sound[..], b"more"].concat());
    }
}

#[cfg(unix)]
/// A large one is known by its stamp once it was read, until it is written to.
#[test]
fn a_large_artifact_is_read_once() {
    let dir = Dir::new();
    let bytes = "\\01".repeat(1 << 20);
    let text = format!(
        "(module (memory 16) (data (i32.const 0) \"{bytes}\")
        (func (export \"weft_apply\") (param i32) (result i32) (i32.const 0)))"
    );
    let large = || Case::text(&text);
    let once = || {
        let engine = engine(&dir);
        large().on(&engine).value();
        (engine.stats().compiled, engine.stats().loaded)
    };
    assert_eq!(once(), (1, 0));
    let [code, seal] = dir.files().try_into().unwrap();
    assert!(fs::metadata(&code).unwrap().len() > 1 << 20);
    let unstamped = fs::read(&seal).unwrap();
    // Older than any clock's tick by the time that it is read.
    thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(once(), (0, 1));
    let stamped = fs::read(&seal).unwrap();
    assert_ne!(stamped, unstamped);
    assert_eq!(once(), (0, 1));
    assert_eq!(fs::read(&seal).unwrap(), stamped);
    // One byte, in place.
    let last = fs::metadata(&code).unwrap().len() - 1;
    let byte = fs::read(&code).unwrap()[last as usize];
    let file = fs::File::options().write(true).open(&code).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[byte ^ 1], last).unwrap();
    assert_eq!(once(), (1, 0), "a damaged file was used");
}

/// Of two engines, as of two processes, that want a large module at once, one
/// compiles it.
#[test]
fn what_many_processes_want_is_compiled_once() {
    let dir = Dir::new();
    let bytes = "\\00".repeat(70_000);
    let text = format!(
        "(module (memory 2) (data (i32.const 0) \"{bytes}\")
        (func (export \"weft_apply\") (param i32) (result i32) (i32.const 0)))"
    );
    let barrier = Barrier::new(4);
    let stats: Vec<_> = thread::scope(|scope| {
        let one = || {
            let engine = engine(&dir);
            barrier.wait();
            Case::text(&text).on(&engine).value();
            engine.stats()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(stats.iter().map(|stats| stats.compiled).sum::<u64>(), 1, "{stats:?}");
    assert_eq!(stats.iter().map(|stats| stats.loaded).sum::<u64>(), 3, "{stats:?}");
    // The lock is gone.
    assert_eq!(dir.files().len(), 2);
}

#[test]
fn an_artifact_under_another_name_is_not_used() {
    let dir = Dir::new();
    once(&dir);
    let own = dir.files().remove(0);
    let engine_two = engine(&dir);
    let other = Case::text(
        "(module (func (export \"weft_apply\") (param i32) (result i32)
        (i32.const 0)))",
    );
    other.on(&engine_two).value();
    let foreign = dir.artifacts().into_iter().find(|path| *path != own).unwrap();
    damaged(&dir, &own, &fs::read(&foreign).unwrap());
    // With its seal.
    let seal = |path: &Path| path.with_extension("seal");
    fs::copy(&foreign, dir.0.join("new")).unwrap();
    fs::rename(dir.0.join("new"), &own).unwrap();
    damaged(&dir, &seal(&own), &fs::read(seal(&foreign)).unwrap());
    // Metered code under the name of the other kind.
    add().fuel(1000).on(&engine_two).value();
    let metered = dir.artifacts();
    let prefix = own.file_name().unwrap().to_string_lossy()[..64].to_owned();
    let metered = metered
        .into_iter()
        .find(|path| *path != own && path.to_string_lossy().contains(&prefix))
        .unwrap();
    damaged(&dir, &own, &fs::read(metered).unwrap());
}

#[cfg(unix)]
#[test]
fn what_others_may_write_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Dir::new();
    once(&dir);
    let file = dir.files().remove(0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(once(&dir), (1, 0));
    let code = dir.0.join("code");
    fs::set_permissions(&code, fs::Permissions::from_mode(0o777)).unwrap();
    let error = Engine::new(Config { artifacts: Some(code), ..config() }).err().unwrap();
    assert!(matches!(error, EngineError::ArtifactsShared { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_to_an_artifact_is_not_followed() {
    let dir = Dir::new();
    once(&dir);
    let file = dir.files().remove(0);
    let elsewhere = dir.0.join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    assert_eq!(once(&dir), (1, 0), "a link was followed");
    // The link gave way to a file.
    assert_eq!(once(&dir), (0, 1));
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
}

#[cfg(unix)]
#[test]
fn what_belongs_to_another_user_is_not_trusted() {
    use std::os::unix::fs::chown;
    let dir = Dir::new();
    once(&dir);
    let file = dir.files().remove(0);
    // Only root can give things away; for others the root directory will do.
    let given = chown(&file, Some(12345), None).is_ok();
    if given {
        assert_eq!(once(&dir), (1, 0), "another user's file was used");
    }
    let foreign = match given {
        true => {
            chown(dir.0.join("code"), Some(12345), None).unwrap();
            dir.0.join("code")
        }
        false => "/".into(),
    };
    let error = Engine::new(Config { artifacts: Some(foreign), ..config() }).err().unwrap();
    assert!(matches!(error, EngineError::ArtifactsForeign { .. }), "{error}");
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let dir = Dir::new();
    let file = dir.0.join("file");
    fs::write(&file, "").unwrap();
    let error = Engine::new(Config { artifacts: Some(file.clone()), ..config() }).err().unwrap();
    assert!(matches!(error, EngineError::Artifacts { .. }), "{error}");
    assert!(error.to_string().contains("file"), "{error}");
}

#[test]
fn a_directory_that_goes_away_costs_only_the_artifacts() {
    let dir = Dir::new();
    let engine = engine(&dir);
    fs::remove_dir_all(dir.0.join("code")).unwrap();
    assert_eq!(add().on(&engine).number(), 42);
}

#[test]
fn what_many_threads_want_is_compiled_once() {
    let engine = Arc::new(Engine::new(config()).unwrap());
    let barrier = Arc::new(Barrier::new(8));
    let runs: Vec<_> = (0..8)
        .map(|_| {
            let (engine, barrier) = (Arc::clone(&engine), Arc::clone(&barrier));
            thread::spawn(move || {
                let case = add().on(&engine);
                barrier.wait();
                case.number()
            })
        })
        .collect();
    for run in runs {
        assert_eq!(run.join().unwrap(), 42);
    }
    assert_eq!(engine.stats().compiled, 1);
}

#[test]
fn modules_beyond_the_budget_are_dropped_and_come_back() {
    let engine = Arc::new(Engine::new(Config { module_cache_bytes: 1, ..config() }).unwrap());
    let constant = |number: u64| {
        Case::body(&format!("(call $u64_blob (i64.const {number}))")).on(&engine).number()
    };
    for round in 1..=3 {
        for number in 0..4 {
            assert_eq!(constant(number), number);
            assert_eq!(constant(number), number);
        }
        // Nothing but the latest fits, and the latest does.
        assert_eq!(engine.stats().compiled, 4 * round);
    }
}

#[test]
fn a_refused_module_is_refused_once() {
    let engine = Arc::new(Engine::new(config()).unwrap());
    let case = Case::text("(module)").on(&engine);
    let failure = case.failure();
    assert_eq!(case.failure(), failure);
    assert_eq!(engine.stats().compiled, 0);
}
