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

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.0.join("code")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
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
    assert_eq!(dir.files().len(), 1);
}

#[test]
fn metered_code_is_another_artifact() {
    let dir = Dir::new();
    assert_eq!(once(&dir), (1, 0));
    let engine = engine(&dir);
    assert_eq!(add().fuel(1000).on(&engine).number(), 42);
    assert_eq!(engine.stats().compiled, 1);
    assert_eq!(dir.files().len(), 2);
}

fn damaged(dir: &Dir, path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    assert_eq!(once(dir), (1, 0), "a damaged file was used");
    assert_eq!(once(dir), (0, 1), "a damaged file was not replaced");
}

#[test]
fn a_damaged_artifact_is_compiled_again() {
    let dir = Dir::new();
    once(&dir);
    let path = dir.files().remove(0);
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
    let foreign = dir.files().into_iter().find(|path| *path != own).unwrap();
    damaged(&dir, &own, &fs::read(foreign).unwrap());
    // Metered code under the name of the other kind.
    add().fuel(1000).on(&engine_two).value();
    let metered = dir.files();
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
