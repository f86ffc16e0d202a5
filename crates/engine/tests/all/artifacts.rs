//! Compiled modules: compiled once, kept on disk, never trusted when damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, SystemTime};

use weft_engine::{Config, Engine, EngineError, kept_in};
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
        let all = fs::read_dir(self.0.join("code")).unwrap().map(|entry| entry.unwrap().path());
        let is_beside =
            |path: &PathBuf| path.ends_with("written") || path.ends_with("removing.lock");
        let mut files: Vec<_> = all.filter(|path| !is_beside(path)).collect();
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
    thread::sleep(Duration::from_millis(50));
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

/// A module that is told from others by a number, of which it gives that.
fn numbered(number: u64) -> Case {
    Case::body(&format!("(call $u64_blob (i64.const {number}))"))
}

/// Its directory may take so much.
fn bounded(dir: &Dir, artifacts_max_bytes: u64) -> Arc<Engine> {
    let artifacts = Some(dir.0.join("code"));
    Arc::new(Engine::new(Config { artifacts, artifacts_max_bytes, ..config() }).unwrap())
}

fn compiled(engine: &Arc<Engine>, numbers: impl IntoIterator<Item = u64>) -> u64 {
    let before = engine.stats().compiled;
    numbers.into_iter().for_each(|number| assert_eq!(numbered(number).on(engine).number(), number));
    engine.stats().compiled - before
}

/// Files of one module, which has that many bytes on the disk.
fn one_takes(dir: &Dir) -> u64 {
    compiled(&bounded(dir, u64::MAX), [1000]);
    let bytes = kept_in(&dir.0.join("code")).bytes;
    fs::remove_dir_all(dir.0.join("code")).unwrap();
    bytes
}

/// As if what there is was used so many hours ago, in that order.
fn age(dir: &Dir, hours: u64) {
    for path in dir.artifacts() {
        for path in [path.clone(), path.with_extension("seal")] {
            let file = fs::File::open(path).unwrap();
            let then = file.metadata().unwrap().modified().unwrap();
            file.set_modified(then - Duration::from_secs(hours * 3600)).unwrap();
        }
    }
}

#[cfg(unix)]
#[test]
fn what_was_used_longest_ago_is_removed() {
    let dir = Dir::new();
    let one = one_takes(&dir);
    let max = 8 * one + one / 2;
    for number in 0..8 {
        assert_eq!(compiled(&bounded(&dir, max), [number]), 1);
        age(&dir, 2);
    }
    // None was removed so far; two are used again, which is noted.
    assert_eq!(compiled(&bounded(&dir, max), [0, 3]), 0);
    assert_eq!(kept_in(&dir.0.join("code")).artifacts, 8);
    assert_eq!(compiled(&bounded(&dir, max), [8]), 1);
    let kept = kept_in(&dir.0.join("code"));
    assert!(kept.bytes <= max && kept.artifacts == 7, "{kept:?}");
    // The oldest went, which are the second and third.
    assert_eq!(compiled(&bounded(&dir, max), [0, 3, 4, 5, 6, 7, 8]), 0);
    assert_eq!(compiled(&bounded(&dir, u64::MAX), [1, 2]), 2);
}

/// Once an hour: what is loaded often is written to once.
#[cfg(unix)]
#[test]
fn that_it_is_used_is_noted_once_an_hour_and_nothing_else_is_done() {
    let dir = Dir::new();
    assert_eq!(once(&dir), (1, 0));
    let [code, seal] = dir.files().try_into().unwrap();
    let times = || [&code, &seal].map(|path| fs::metadata(path).unwrap().modified().unwrap());
    let at_first = times();
    assert_eq!(once(&dir), (0, 1));
    assert_eq!(times(), at_first);
    age(&dir, 2);
    let aged = times();
    let engine = engine(&dir);
    assert_eq!(add().on(&engine).number(), 42);
    assert_eq!(times()[0], aged[0]);
    assert!(times()[1] >= at_first[1]);
    // What is ready is not looked for on the disk.
    age(&dir, 2);
    let aged = times();
    assert_eq!(add().on(&engine).number(), 42);
    assert_eq!(times(), aged);
    // Of a clock that was wrong.
    let future = SystemTime::now() + Duration::from_secs(1 << 20);
    fs::File::open(&seal).unwrap().set_modified(future).unwrap();
    assert_eq!(once(&dir), (0, 1));
    assert!(times()[1] < future);
}

/// That the time of a seal is moved on makes nothing sound that is not.
#[cfg(unix)]
#[test]
fn use_makes_no_artifact_known_that_was_not() {
    use std::os::unix::fs::FileExt;
    let dir = Dir::new();
    let bytes = "\\01".repeat(1 << 20);
    let text = format!(
        "(module (memory 16) (data (i32.const 0) \"{bytes}\")
        (func (export \"weft_apply\") (param i32) (result i32) (i32.const 0)))"
    );
    let once = || {
        let engine = engine(&dir);
        Case::text(&text).on(&engine).value();
        (engine.stats().compiled, engine.stats().loaded)
    };
    assert_eq!(once(), (1, 0));
    thread::sleep(Duration::from_millis(50));
    assert_eq!(once(), (0, 1));
    let [code, seal] = dir.files().try_into().unwrap();
    for _ in 0..3 {
        // Only the seal: the artifact is known by its times.
        let file = fs::File::open(&seal).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
        let before = fs::read(&seal).unwrap();
        assert_eq!(once(), (0, 1));
        assert_eq!(fs::read(&seal).unwrap(), before, "it was read and sealed once more");
    }
    let last = fs::metadata(&code).unwrap().len() - 1;
    let byte = fs::read(&code).unwrap()[last as usize];
    let file = fs::File::options().write(true).open(&code).unwrap();
    file.write_all_at(&[byte ^ 1], last).unwrap();
    fs::File::open(&seal).unwrap().set_modified(SystemTime::now()).unwrap();
    assert_eq!(once(), (1, 0), "a damaged file was used");
}

#[cfg(unix)]
#[test]
fn files_of_others_stay() {
    let dir = Dir::new();
    let code = dir.0.join("code");
    let one = one_takes(&dir);
    compiled(&bounded(&dir, u64::MAX), 0..4);
    let name = dir.artifacts().remove(0).file_name().unwrap().to_str().unwrap().to_owned();
    let large = vec![1; 1 << 20];
    let others =
        ["notes", &name[1..], &format!("{name}.bak"), &format!("x{name}.seal"), "tmp-mine"];
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    for other in others {
        fs::write(code.join(other), &large).unwrap();
        fs::File::open(code.join(other)).unwrap().set_modified(long_ago).unwrap();
    }
    // What has a name of ours, and is none of our files.
    let module = "0".repeat(64);
    fs::create_dir(code.join(format!("{module}-{}", &name[65..]))).unwrap();
    let elsewhere = dir.0.join("elsewhere");
    fs::write(&elsewhere, &large).unwrap();
    let link = code.join(format!("{}-{}", "1".repeat(64), &name[65..]));
    std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
    // What a process that was killed has left, and what one is at.
    fs::write(code.join("tmp-1-2"), &large).unwrap();
    fs::write(code.join("tmp-1-3"), "").unwrap();
    fs::File::open(code.join("tmp-1-2")).unwrap().set_modified(long_ago).unwrap();
    compiled(&bounded(&dir, 2 * one), [4]);
    assert!(kept_in(&code).bytes <= 2 * one);
    assert_eq!(compiled(&bounded(&dir, u64::MAX), [4]), 0);
    others.iter().for_each(|other| assert_eq!(fs::read(code.join(other)).unwrap(), large));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && elsewhere.exists());
    assert!(code.join(format!("{module}-{}", &name[65..])).is_dir());
    assert!(!code.join("tmp-1-2").exists() && code.join("tmp-1-3").exists());
}

/// It is mapped, or open.
#[cfg(unix)]
#[test]
fn what_is_removed_goes_on_where_it_is_in_use() {
    let dir = Dir::new();
    let user = bounded(&dir, u64::MAX);
    assert_eq!(compiled(&user, 0..4), 4);
    let loaded = bounded(&dir, u64::MAX);
    assert_eq!(compiled(&loaded, 0..2), 0);
    assert_eq!(compiled(&bounded(&dir, 1), [9]), 1);
    assert_eq!((dir.artifacts().len(), kept_in(&dir.0.join("code")).artifacts), (0, 0));
    assert_eq!(compiled(&user, 0..4), 0);
    assert_eq!(compiled(&loaded, 0..2), 0);
    // What is not ready is compiled.
    assert_eq!(compiled(&loaded, 2..4), 2);
}

/// What does not fit at all pushes nothing else out.
#[cfg(unix)]
#[test]
fn what_is_larger_than_the_bound_goes_first() {
    let dir = Dir::new();
    let max = 6 * one_takes(&dir);
    compiled(&bounded(&dir, max), 0..4);
    let bytes = "\\01".repeat(1 << 20);
    let large = Case::text(&format!(
        "(module (memory 16) (data (i32.const 0) \"{bytes}\")
        (func (export \"weft_apply\") (param i32) (result i32) (i32.const 0)))"
    ));
    large.on(&bounded(&dir, max)).value();
    assert_eq!(compiled(&bounded(&dir, max), 0..4), 0);
    assert_eq!(dir.artifacts().len(), 4);
}

/// Many engines, as many processes, on one directory that is too small for them.
#[cfg(unix)]
#[test]
fn a_bound_holds_among_many() {
    let dir = Dir::new();
    let one = one_takes(&dir);
    let max = 5 * one;
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for first in 0..4 {
            let (dir, barrier) = (&dir, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..20 {
                    // Each of its own, and one that others have too.
                    compiled(&bounded(dir, max), [100 * first + round, round % 7]);
                }
            });
        }
    });
    // Whoever came last while another was at it has left that to the next one.
    compiled(&bounded(&dir, max), [5000]);
    let kept = kept_in(&dir.0.join("code"));
    assert!(kept.bytes <= max && kept.artifacts > 0, "{kept:?} of {max}");
    // What is there is sound.
    let known = bounded(&dir, u64::MAX);
    assert_eq!(compiled(&known, [5000]), 0);
    assert_eq!(known.stats().loaded, 1);
}

/// The list of what was written may be gone, cut or none: then all is looked at.
#[cfg(unix)]
#[test]
fn a_broken_list_costs_a_look() {
    let dir = Dir::new();
    let max = 3 * one_takes(&dir);
    let list = dir.0.join("code/written");
    let mut number = 0;
    for broken in [&b""[..], b"cut", &[0; 16], &[0xff; 8], &[0xff; 1 << 20]] {
        compiled(&bounded(&dir, u64::MAX), number..number + 4);
        fs::write(&list, broken).unwrap();
        compiled(&bounded(&dir, max), [number + 4]);
        number += 5;
        assert!(kept_in(&dir.0.join("code")).bytes <= max, "{broken:?}");
        assert_eq!(fs::metadata(&list).unwrap().len(), 8, "it is begun anew");
    }
    fs::remove_file(&list).unwrap();
    // One that cannot be written to.
    fs::create_dir(&list).unwrap();
    compiled(&bounded(&dir, max), [number]);
    assert!(kept_in(&dir.0.join("code")).bytes <= max);
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
