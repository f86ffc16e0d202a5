//! Ends of the log that were safe once and are gone, and packs that are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weft_store::disk::Disk;
use weft_store::disk::crash::CrashDisk;
use weft_store::{
    Backend, Expect, FileBackend, Label, Mode, Options, Repaired, StoreError, Wrong, fsck, repair,
};

use crate::workload::{Done, PLACE, disk, options, round, sized};

/// Packs as short as ever, and nothing in a run.
fn without_runs() -> Options {
    Options { flush_entries: 1 << 20, ..options() }
}

fn arc(disk: &CrashDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

fn open(disk: &CrashDisk, mode: Mode) -> Result<FileBackend, StoreError> {
    FileBackend::open_on(arc(disk), Path::new(PLACE), mode, without_runs())
}

fn wrong(disk: &CrashDisk) -> Vec<(PathBuf, u64, Wrong)> {
    let found = fsck(&arc(disk), Path::new(PLACE), options(), &|_, _| {}).unwrap();
    found.problems.into_iter().map(|found| (found.path, found.offset, found.what)).collect()
}

fn mend(disk: &CrashDisk) -> Repaired {
    repair(&arc(disk), Path::new(PLACE), options(), &|_, _| {}).unwrap().unwrap()
}

fn pack(number: u32) -> PathBuf {
    Path::new(PLACE).join(format!("packs/{number:06}"))
}

fn bytes_of(disk: &CrashDisk, path: &Path) -> Vec<u8> {
    disk.files().into_iter().find(|(at, _)| at == path).unwrap().1
}

/// A store of one pack; how much of that was synced.
fn short() -> (CrashDisk, u64) {
    let disk = disk();
    let store = FileBackend::create_on(arc(&disk), Path::new(PLACE), without_runs()).unwrap();
    store.put(&[sized(1, 100), sized(2, 200)]).unwrap();
    store.set_label(&Label::new("labelled").unwrap(), Expect::Any, Some(sized(2, 200).0)).unwrap();
    let synced = store.bytes();
    store.sync().unwrap();
    (disk, synced)
}

#[test]
fn an_end_that_was_safe_and_is_gone_is_told_of() {
    let (example, synced) = short();
    let all = bytes_of(&example, &pack(1));
    assert!(all.len() as u64 > synced, "with the commit");
    for length in 0..=all.len() {
        let disk = example.copy();
        disk.plant(&pack(1), &all[..length]);
        let length = length as u64;
        if length >= synced {
            assert!(open(&disk, Mode::Read).unwrap().damage().is_empty(), "{length}");
            assert_eq!(wrong(&disk), [], "{length}");
            continue;
        }
        let reader = open(&disk, Mode::Read).unwrap();
        let damage = reader.damage().last().unwrap().clone();
        assert_eq!((&damage.path, damage.offset + damage.length), (&pack(1), synced), "{length}");
        assert!(damage.offset <= length.max(48), "{length}");
        let found = wrong(&disk);
        let (path, offset, what) = found.last().unwrap();
        assert_eq!((path, offset), (&pack(1), &damage.offset), "{length}");
        assert_eq!(*what, Wrong::End(damage.length), "{length}");
        // The store goes on, and what is gone is still missed.
        let writer = open(&disk, Mode::Write).unwrap();
        assert_eq!(writer.damage(), reader.damage(), "{length}");
        writer.put(&[sized(3, 100)]).unwrap();
        writer.sync().unwrap();
        drop(writer);
        let after = disk.restart(length);
        let again = open(&after, Mode::Read).unwrap();
        assert!(again.get(&sized(3, 100).0).unwrap().is_some(), "{length}");
        // A record whose header is left is damaged content by now.
        let damaged = again.damage().last().unwrap();
        assert_eq!(damaged.offset + damaged.length, synced, "{length}");
        assert!(!wrong(&after).is_empty(), "{length}");
        assert!(!mend(&after).is_whole(), "{length}");
        assert_eq!(wrong(&after), [], "{length}");
        let mended = open(&after, Mode::Write).unwrap();
        assert!(mended.get(&sized(3, 100).0).unwrap().is_some(), "{length}");
        assert!(mended.damage().is_empty(), "{length}");
    }
}

#[test]
fn what_an_end_was_is_told_in_words() {
    let (disk, synced) = short();
    let all = bytes_of(&disk, &pack(1));
    disk.plant(&pack(1), &all[..48]);
    let found = fsck(&arc(&disk), Path::new(PLACE), options(), &|_, _| {}).unwrap();
    let texts: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
    let path = pack(1).display().to_string();
    let gone = synced - 48;
    let text = format!("{path}: ends at offset 48, and {gone} bytes that were safe are gone");
    assert_eq!(texts, [text]);
}

#[test]
fn a_note_that_is_not_sound_says_nothing() {
    let (example, synced) = short();
    let (path, pack_bytes) = (Path::new(PLACE).join("synced"), bytes_of(&example, &pack(1)));
    let note = bytes_of(&example, &path);
    assert_eq!(note.len(), 48);
    let cut = example.copy();
    cut.plant(&pack(1), &pack_bytes[..synced as usize - 8]);
    for at in 0..48 {
        for disk in [&example, &cut].map(CrashDisk::copy) {
            let mut other = note.clone();
            other[at] ^= 1 << (at % 8);
            disk.plant(&path, &other);
            assert!(open(&disk, Mode::Write).unwrap().damage().is_empty(), "byte {at}");
            disk.plant(&path, &note[..at]);
            assert!(open(&disk, Mode::Write).unwrap().damage().is_empty(), "{at} bytes");
            assert!(disk.lose(&path));
            assert!(open(&disk, Mode::Write).unwrap().damage().is_empty(), "without");
            assert_eq!(wrong(&disk), []);
        }
    }
    // A store that is made in its place is another one.
    assert!(cut.lose(&Path::new(PLACE).join("store")) && cut.lose(&pack(1)));
    drop(FileBackend::create_on(arc(&cut), Path::new(PLACE), options()).unwrap());
    assert_eq!(wrong(&cut), []);
}

#[test]
fn a_sync_costs_one_flush_and_the_note_one_write() {
    let (disk, _) = short();
    let store = open(&disk, Mode::Write).unwrap();
    store.sync().unwrap();
    let before = disk.operations();
    store.put(&[sized(5, 100)]).unwrap();
    assert_eq!(disk.operations() - before, 1);
    // The flush, the commit, the note.
    store.sync().unwrap();
    assert_eq!(disk.operations() - before, 4);
    store.sync().unwrap();
    assert_eq!(disk.operations() - before, 4);
}

/// With packs that no manifest lists.
fn many_packs() -> (CrashDisk, Done, Vec<PathBuf>) {
    let disk = disk();
    let store = FileBackend::create_on(arc(&disk), Path::new(PLACE), without_runs()).unwrap();
    let steps: Vec<_> = (0..3).flat_map(round).collect();
    let done = Done::of(&store, &steps, false);
    store.sync().unwrap();
    drop(store);
    let files = disk.files().into_iter().map(|(path, _)| path);
    let packs: Vec<_> = files.filter(|path| path.to_string_lossy().contains("/packs/")).collect();
    assert!(packs.len() > 2, "{packs:?}");
    (disk, done, packs)
}

#[test]
fn nothing_is_written_while_a_pack_is_gone_and_all_is_there_when_it_is_back() {
    let (example, done, packs) = many_packs();
    for lost in &packs {
        let disk = example.copy();
        let bytes = bytes_of(&disk, lost);
        let what = lost.display().to_string();
        assert!(disk.lose(lost));
        let before = disk.files();
        for _ in 0..2 {
            let error = open(&disk, Mode::Write).unwrap_err();
            assert!(matches!(&error, StoreError::NoPack(path) if path == lost), "{what}: {error}");
            let text = format!(
                "{what} is gone, which holds a part of the store; put it back, or keep what is \
                 left with `weft fsck --repair`: until then the store can only be read"
            );
            assert_eq!(error.to_string(), text);
        }
        assert_eq!(disk.files(), before, "{what}: something was written");
        let reader = open(&disk, Mode::Read).unwrap();
        assert!(reader.damage().iter().any(|damage| damage.path == *lost), "{what}");
        // What stands behind the gap is there.
        let all = done.all().content;
        let right = all.keys().filter(|name| matches!(reader.get(name), Ok(Some(_)))).count();
        assert!(right * 3 > all.len(), "{what}: {right} of {}", all.len());
        assert_eq!(wrong(&disk), [(lost.clone(), 0, Wrong::NoPack)], "{what}");

        let back = disk.copy();
        back.plant(lost, &bytes);
        done.check_whole(&open(&back, Mode::Write).unwrap(), &what);
        assert_eq!(wrong(&back), [], "{what}");

        assert!(!mend(&disk).is_whole(), "{what}");
        assert_eq!(wrong(&disk), [], "{what}");
        let mended = open(&disk, Mode::Write).unwrap();
        let kept = all.keys().filter(|name| matches!(mended.get(name), Ok(Some(_)))).count();
        assert_eq!(kept, right, "{what}");
    }
}

#[test]
fn a_pack_whose_beginning_is_damaged_is_not_written_past() {
    let (example, _, packs) = many_packs();
    for path in &packs[1..] {
        let disk = example.copy();
        let mut bytes = bytes_of(&disk, path);
        bytes[3] ^= 1;
        disk.plant(path, &bytes);
        let before = disk.files();
        let error = open(&disk, Mode::Write).unwrap_err();
        assert!(error.to_string().contains(&format!("{} is damaged", path.display())), "{error}");
        assert_eq!(disk.files(), before);
        assert!(!open(&disk, Mode::Read).unwrap().damage().is_empty());
    }
}

/// What was torn behind the place that is known to be safe is cut off, also where
/// damage before that place reaches up to it.
#[test]
fn what_follows_a_gap_is_still_a_beginning() {
    let (disk, synced) = short();
    let store = open(&disk, Mode::Write).unwrap();
    store.put(&[sized(3, 100), sized(4, 100)]).unwrap();
    store.set_label(&Label::new("later").unwrap(), Expect::Any, Some(sized(3, 100).0)).unwrap();
    drop(store);
    // The last two records that were safe, the commit, and the one after it.
    let mut bytes = bytes_of(&disk, &pack(1));
    let from = synced as usize - 56;
    bytes[from..synced as usize + 48 + 60].fill(0);
    disk.plant(&pack(1), &bytes);
    let store = open(&disk, Mode::Write).unwrap();
    let damage = store.damage().last().unwrap().clone();
    assert_eq!((damage.offset, damage.length), (from as u64, 56));
    assert!(store.get(&sized(4, 100).0).unwrap().is_none());
    assert!(store.label(&Label::new("later").unwrap()).unwrap().is_none());
    assert!(store.get(&sized(2, 200).0).unwrap().is_some());
}
