//! Disks without room, that fail, or that nobody may write to.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use weft_store::disk::crash::Fault;
use weft_store::{Backend, FileBackend, Mode, StoreError};

use crate::scratch::{Scratch, long};
use crate::workload::{Done, Step, create, disk, open, round, sized};

fn steps() -> Vec<Step> {
    (0..3).flat_map(round).collect()
}

/// What fails is not there, whatever was there before is, and the next step goes
/// well when there is room again; also after a power cut.
#[test]
fn a_disk_that_is_full_for_a_moment_costs_what_failed_and_no_more() {
    let steps = steps();
    let whole = disk();
    Done::of(&create(&whole).unwrap(), &steps, true);
    let mut failed = 0;
    for operation in 0..whole.operations() {
        let disk = disk();
        disk.fail_at(operation, Fault::NoSpace, operation);
        let what = format!("no space at {operation}");
        let store = match create(&disk) {
            Ok(store) => store,
            Err(error) => {
                assert!(error.to_string().contains("the disk is full"), "{what}: {error}");
                create(&disk).unwrap_or_else(|error| panic!("{what}, again: {error}"))
            }
        };
        let mut done = Done::of(&store, &steps, true);
        failed += u32::from(done.has_failed());
        done.check_whole(&store, &what);
        // What is left out was told; nothing else fails for it.
        done.take(&store, &round(50), false);
        done.check_whole(&store, &what);
        drop(store);
        done.check_whole(&open(&disk, Mode::Read).unwrap(), &format!("{what}, opened again"));
        let after = disk.restart(operation);
        done.check_after_crash(&open(&after, Mode::Write).unwrap(), &format!("{what}, crashed"));
    }
    assert!(failed > 20, "{failed}");
}

/// After a failed sync nobody knows what is on the disk: nothing more is
/// acknowledged until the store is opened again.
#[test]
fn a_disk_that_fails_once_loses_nothing_acknowledged() {
    let steps = steps();
    let whole = disk();
    Done::of(&create(&whole).unwrap(), &steps, true);
    let mut failed = 0;
    for operation in 0..whole.operations() {
        let disk = disk();
        disk.fail_at(operation, Fault::Error, operation);
        let Ok(store) = create(&disk) else { continue };
        let what = format!("an error at {operation}");
        let done = Done::of(&store, &steps, true);
        failed += u32::from(done.has_failed());
        drop(store);
        for seed in 0..3 {
            let after = disk.copy().restart(3 * operation + seed);
            let store = open(&after, Mode::Write).unwrap_or_else(|e| panic!("{what}: {e}"));
            done.check_after_crash(&store, &what);
        }
    }
    assert!(failed > 30, "{failed}");
}

#[test]
fn a_disk_that_stays_full_still_reads() {
    let steps = steps();
    let disk = disk();
    let store = create(&disk).unwrap();
    let done = Done::of(&store, &steps, false);
    disk.fail_at(disk.operations(), Fault::Full, 7);
    let error = store.put(&[sized(1, 50)]).unwrap_err();
    assert!(error.to_string().ends_with("the disk is full; free some space and try again"));
    done.check_whole(&store, "full");
    drop(store);
    let reader = open(&disk, Mode::Read).unwrap();
    done.check_whole(&reader, "full, and opened again");
    disk.mend();
    let store = open(&disk, Mode::Write).unwrap();
    store.put(&[sized(1, 50)]).unwrap();
}

/// On a real one, where the machine lets us make one.
#[test]
fn a_small_tmpfs_fills_up() {
    let scratch = Scratch::new();
    // In a mount of its own, which goes with the process.
    let script = "mount -t tmpfs -o size=600k none \"$1\" && exec \"$2\" --exact \
                  full_disk::only_in_a_small_tmpfs --nocapture";
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh"]).arg(scratch.path()).arg(program);
    let output = match command.env(TMPFS, scratch.path()).output() {
        Ok(output) => output,
        Err(error) => return println!("skipped: no `unshare` here: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !text.contains("running 1 test") {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        // The disk that fails at each operation says the same.
        return println!("skipped: no tmpfs can be mounted here: {why}");
    }
    assert!(output.status.success() && text.contains("the tmpfs was full"), "{text}");
}

const TMPFS: &str = "WEFT_TEST_TMPFS";

/// Only of use to [`a_small_tmpfs_fills_up`], in a process of its own.
#[test]
fn only_in_a_small_tmpfs() {
    let Some(place) = std::env::var_os(TMPFS) else { return };
    let place = Path::new(&place).join("store");
    let store = FileBackend::create(&place).unwrap();
    let (mut kept, mut number) = (Vec::new(), 0);
    let error = loop {
        let content = sized(number, 20_000);
        match store.put(std::slice::from_ref(&content)).and_then(|()| store.sync()) {
            Ok(()) => kept.push(content),
            Err(error) => break error,
        }
        number += 1;
    };
    assert!(kept.len() > 5, "{}", kept.len());
    let all_kept = |store: &FileBackend| {
        for (handle, _) in &kept {
            assert_eq!(store.get(handle).unwrap().unwrap().handle(), *handle);
        }
    };
    let text = error.to_string();
    assert!(text.contains("the disk is full; free some space and try again"), "{text}");
    all_kept(&store);
    // A large one, too, leaves nothing behind.
    let large = sized(1, 2 << 20);
    let error = store.put(std::slice::from_ref(&large)).unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    drop(store);
    let store = FileBackend::open(&place, Mode::Write).unwrap();
    assert!(store.damage().is_empty());
    all_kept(&store);
    assert!(store.get(&large.0).unwrap().is_none());
    println!("the tmpfs was full");
}

#[test]
fn what_nobody_may_write_to_can_be_read() {
    let scratch = Scratch::new();
    let store = FileBackend::create(scratch.path()).unwrap();
    store.put(&[long(1), sized(2, 2 << 20)]).unwrap();
    store.sync().unwrap();
    drop(store);
    let all = |mode: u32| {
        for part in ["", "packs", "index", "large"] {
            let path = scratch.path().join(part);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        for file in ["store", "lock", "packs/000001"] {
            let mode = fs::Permissions::from_mode(mode & 0o666);
            fs::set_permissions(scratch.path().join(file), mode).unwrap();
        }
    };
    all(0o555);
    let before: Vec<_> = listed(scratch.path());
    let reader = FileBackend::open(scratch.path(), Mode::Read).unwrap();
    assert!(reader.get(&long(1).0).unwrap().is_some());
    assert!(reader.get(&sized(2, 2 << 20).0).unwrap().is_some());
    let error = reader.put(&[long(3)]).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error}");
    let sound = weft_store::fsck(
        &(std::sync::Arc::new(weft_store::disk::RealDisk) as _),
        scratch.path(),
        weft_store::Options::default(),
        &|_, _| {},
    );
    assert!(sound.unwrap().is_sound());
    assert_eq!(listed(scratch.path()), before);
    // To an administrator the bits say nothing; what others are told is the same.
    let is_root = fs::write(scratch.join("probe"), "").is_ok();
    let error = match FileBackend::open(scratch.path(), Mode::Write) {
        Ok(_) => {
            assert!(is_root, "nobody may write to it");
            let (path, source) = (scratch.join("lock"), io::ErrorKind::PermissionDenied.into());
            StoreError::Io { doing: "open", path, source }
        }
        Err(error) => {
            assert!(!is_root, "{error}");
            error
        }
    };
    assert!(error.to_string().contains("no permission to open"), "{error}");
    all(0o755);
}

fn listed(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}
