//! The two disks do the same, as long as nothing goes wrong.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use weft_store::StoreError;
use weft_store::disk::crash::{CrashDisk, Fault};
use weft_store::disk::{Access, Disk, DiskFile, RealDisk};

use crate::scratch::Scratch;

#[derive(Clone, Debug)]
enum Step {
    Create(u8, bool),
    Open(u8, bool),
    Write(u8, u16, u16),
    Length(u8, u16),
    Rename(u8, u8),
    Remove(u8),
    Directory(u8),
    RemoveDirectory,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..6_u8;
    prop_oneof![
        (name.clone(), any::<bool>()).prop_map(|(name, only)| Step::Create(name, only)),
        (name.clone(), any::<bool>()).prop_map(|(name, write)| Step::Open(name, write)),
        (name.clone(), 0..3000_u16, 0..2000_u16).prop_map(|(n, at, len)| Step::Write(n, at, len)),
        (name.clone(), 0..4000_u16).prop_map(|(name, length)| Step::Length(name, length)),
        (name.clone(), 0..6_u8).prop_map(|(from, to)| Step::Rename(from, to)),
        name.clone().prop_map(Step::Remove),
        name.prop_map(Step::Directory),
        Just(Step::RemoveDirectory),
    ]
}

/// A disk with the files that were opened on it.
struct Used<'a> {
    disk: &'a dyn Disk,
    root: &'a Path,
    open: [Option<Arc<dyn DiskFile>>; 6],
}

fn kind(error: &StoreError) -> String {
    match error {
        StoreError::Io { doing, source, .. } => format!("{doing}: {:?}", source.kind()),
        other => format!("{:?}", std::mem::discriminant(other)),
    }
}

impl Used<'_> {
    fn path(&self, name: u8) -> std::path::PathBuf {
        // Two of them in directories that may be missing.
        self.root.join(["a", "b", "c", "d/e", "d/f", "d"][usize::from(name)])
    }

    fn open(&mut self, name: u8, access: Access) -> String {
        match self.disk.open(&self.path(name), access) {
            Ok(file) => {
                self.open[usize::from(name)] = Some(file);
                "opened".into()
            }
            Err(error) => kind(&error),
        }
    }

    /// What is seen of a step.
    fn take(&mut self, step: &Step) -> String {
        let told = |result: Result<String, StoreError>| result.unwrap_or_else(|e| kind(&e));
        let file = |name: u8| self.open[usize::from(name)].clone();
        match *step {
            // The administrator may write to anything.
            Step::Create(name, only) => {
                let access = if only { Access::NewReadOnly } else { Access::New };
                self.open(name, access)
            }
            Step::Open(name, write) => match self.disk.open(&self.path(name), Access::Read) {
                Ok(_) if write => "there".into(),
                Ok(file) => {
                    let length = file.length().unwrap();
                    let mut bytes = vec![0; length as usize + 10];
                    let read = file.read_at(&mut bytes, 0).unwrap();
                    format!("{length} {read} {:?}", &bytes[..read])
                }
                Err(error) => kind(&error),
            },
            Step::Write(name, at, length) => file(name).map_or("none".into(), |file| {
                let bytes: Vec<u8> = (0..length).map(|i| (i / 3 + at) as u8).collect();
                format!("{:?}", file.write_at(&bytes, at.into()).map_err(|error| error.kind()))
            }),
            Step::Length(name, length) => file(name).map_or("none".into(), |file| {
                format!("{:?}", file.set_length(length.into()).map_err(|error| error.kind()))
            }),
            Step::Rename(from, to) => {
                let done = self.disk.rename(&self.path(from), &self.path(to));
                told(done.map(|()| "moved".into()))
            }
            Step::Remove(name) => {
                let done = self.disk.remove(&self.path(name));
                told(done.map(|()| "removed".into()))
            }
            Step::Directory(name) if name < 3 => {
                let mut names = self.disk.list(self.root).unwrap();
                names.sort();
                format!("{names:?}")
            }
            Step::Directory(_) => {
                format!("{:?}", self.disk.make_directory(&self.root.join("d")).is_ok())
            }
            Step::RemoveDirectory => {
                let done = self.disk.remove_directory(&self.root.join("d"));
                told(done.map(|()| "removed".into()))
            }
        }
    }
}

/// What systems answer differently and a store never asks: names of
/// directories in the place of files.
fn asks_the_odd(step: &Step) -> bool {
    let odd = |name: &u8| *name == 5;
    match step {
        Step::Create(name, _) | Step::Open(name, _) | Step::Remove(name) => odd(name),
        Step::Rename(from, to) => odd(from) || odd(to) || from == to,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_crash_disk_is_like_a_real_one(steps in prop::collection::vec(step(), 1..60)) {
        let scratch = Scratch::new();
        let (real, crash) = (RealDisk, CrashDisk::new());
        crash.make_directory(scratch.path()).unwrap();
        let root = scratch.path();
        let mut real = Used { disk: &real, root, open: Default::default() };
        let mut crash = Used { disk: &crash, root, open: Default::default() };
        for step in steps.iter().filter(|step| !asks_the_odd(step)) {
            prop_assert_eq!(real.take(step), crash.take(step), "{:?}", step);
        }
        prop_assert!(crash.disk.sync_directory(root).is_ok());
    }
}

fn write(disk: &CrashDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(Path::new(path), Access::New).unwrap();
    file.write_at(bytes, 0).unwrap();
    file
}

fn found(disk: &CrashDisk, path: &str) -> Option<Vec<u8>> {
    disk.files().into_iter().find(|(at, _)| at == Path::new(path)).map(|(_, bytes)| bytes)
}

#[test]
fn a_file_lasts_when_it_and_its_name_are_synced() {
    let disk = CrashDisk::new();
    disk.make_directory(Path::new("/s")).unwrap();
    disk.sync_directory(Path::new("/")).unwrap();
    write(&disk, "/s/both", b"both").sync_data().unwrap();
    disk.sync_directory(Path::new("/s")).unwrap();
    write(&disk, "/s/bytes", b"bytes").sync_data().unwrap();
    write(&disk, "/s/nothing", b"nothing");
    let mut seen = [0; 4];
    for seed in 0..100 {
        let after = disk.copy().restart(seed);
        assert_eq!(found(&after, "/s/both").as_deref(), Some(&b"both"[..]));
        match found(&after, "/s/bytes").as_deref() {
            Some(b"bytes") => seen[0] += 1,
            None => seen[1] += 1,
            Some(other) => panic!("{other:?}"),
        }
        seen[2] += usize::from(found(&after, "/s/nothing").is_none());
        seen[3] +=
            usize::from(found(&after, "/s/nothing").is_some_and(|found| found != b"nothing"));
    }
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
}

#[test]
fn a_renamed_file_has_one_name_or_the_other() {
    let disk = CrashDisk::new();
    write(&disk, "/old", b"old").sync_data().unwrap();
    write(&disk, "/new", b"new").sync_data().unwrap();
    disk.sync_directory(Path::new("/")).unwrap();
    disk.rename(Path::new("/new"), Path::new("/old")).unwrap();
    let mut moved = 0;
    for seed in 0..100 {
        let after = disk.copy().restart(seed);
        let names = (found(&after, "/old"), found(&after, "/new"));
        let (before, done) =
            ((Some(b"old".to_vec()), Some(b"new".to_vec())), (Some(b"new".to_vec()), None));
        assert!(names == before || names == done, "{names:?}");
        moved += usize::from(names == done);
    }
    assert!((5..95).contains(&moved), "{moved}");
    disk.sync_directory(Path::new("/")).unwrap();
    assert_eq!(found(&disk.restart(0), "/old").as_deref(), Some(&b"new"[..]));
}

#[test]
fn faults_come_when_they_are_told_to() {
    let disk = CrashDisk::new();
    let kinds = |fault| {
        let disk = disk.copy();
        disk.fail_at(2, fault, 1);
        let file = disk.open(Path::new("/f"), Access::New).unwrap();
        let writes: Vec<_> = (0..3).map(|_| file.write_at(&[1; 100], 0).is_ok()).collect();
        let synced = file.sync_data().is_ok();
        let reads: Vec<_> = (0..4).map(|_| file.read_at(&mut [0; 10], 0).is_ok()).collect();
        (writes, synced, reads, disk.has_failed())
    };
    let all = vec![true; 4];
    assert_eq!(kinds(Fault::NoSpace), (vec![true, false, true], true, all.clone(), true));
    assert_eq!(kinds(Fault::Full), (vec![true, false, false], true, all.clone(), true));
    assert_eq!(kinds(Fault::Error), (vec![true, false, true], true, all, true));
    let read = vec![true, true, false, true];
    assert_eq!(kinds(Fault::Read), (vec![true; 3], true, read, true));
    assert_eq!(kinds(Fault::PowerCut), (vec![true, false, false], false, vec![false; 4], true));
}

#[test]
fn one_process_holds_the_lock_until_it_ends() {
    let disk = CrashDisk::new();
    let lock = disk.lock(Path::new("/s")).unwrap();
    assert!(matches!(disk.lock(Path::new("/s")), Err(StoreError::Locked { .. })));
    assert!(disk.restart(0).lock(Path::new("/s")).is_ok());
    drop(lock);
    assert!(disk.lock(Path::new("/s")).is_ok());
}
