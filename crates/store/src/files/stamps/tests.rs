use std::env;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn scratch(name: &str) -> PathBuf {
    let directory = env::temp_dir().join(format!("weft-stamps-{}-{name}", process::id()));
    fs::create_dir(&directory).unwrap();
    directory
}

/// Of a file that was written at this second.
fn stamp(inode: u64, second: i64) -> Stamp {
    let at = (second, 5);
    Stamp { device: 7, inode, length: 3, modified: at, changed: at }
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn held(text: &str) -> Handle {
    Handle::of_blob(text.as_bytes())
}

#[test]
fn what_is_as_old_as_its_reading_is_not_trusted() {
    let directory = scratch("racy");
    let path = directory.join("deep/stamps");
    let stamps = Stamps::open(&path);
    // Whoever writes at second 100 after it was read leaves the same stamp.
    for (inode, read_at) in [(1, 99), (2, 100), (3, 102), (4, 103)] {
        stamps.learn(stamp(inode, 100), held("abc"), at(read_at));
    }
    let mut attributes_later = stamp(5, 100);
    attributes_later.changed = (103, 0);
    stamps.learn(attributes_later, held("abc"), at(105));
    stamps.keep().unwrap();
    let stamps = Stamps::read(&path).unwrap();
    let known: Vec<u64> =
        (1..=4).filter(|inode| stamps.find(&stamp(*inode, 100)).is_some()).collect();
    assert_eq!(known, [4]);
    assert_eq!(stamps.find(&attributes_later), None);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn only_the_very_same_stamp_is_known() {
    let directory = scratch("same");
    let path = directory.join("stamps");
    let stamps = Stamps::open(&path);
    for inode in (0..100).rev() {
        let text = format!("{inode:03}");
        stamps.learn(stamp(inode, 100), held(&text), at(200));
    }
    // The later of two counts.
    stamps.learn(stamp(50, 101), held("new"), at(200));
    stamps.keep().unwrap();
    let stamps = Stamps::read(&path).unwrap();
    for inode in (0..100).filter(|inode| *inode != 50) {
        assert_eq!(stamps.find(&stamp(inode, 100)), Some(held(&format!("{inode:03}"))));
    }
    assert_eq!(stamps.find(&stamp(50, 100)), None);
    assert_eq!(stamps.find(&stamp(50, 101)), Some(held("new")));
    let same = stamp(7, 100);
    let others = [
        Stamp { device: 8, ..same },
        Stamp { inode: 100, ..same },
        Stamp { length: 4, ..same },
        Stamp { modified: (100, 6), ..same },
        Stamp { changed: (101, 5), ..same },
    ];
    assert!(others.iter().all(|other| stamps.find(other).is_none()));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn two_who_write_one_after_the_other_lose_nothing() {
    let directory = scratch("two");
    let path = directory.join("stamps");
    let (one, two) = (Stamps::open(&path), Stamps::open(&path));
    one.learn(stamp(1, 100), held("one"), at(200));
    two.learn(stamp(2, 100), held("two"), at(200));
    one.keep().unwrap();
    two.keep().unwrap();
    let stamps = Stamps::read(&path).unwrap();
    assert_eq!(stamps.find(&stamp(1, 100)), Some(held("one")));
    assert_eq!(stamps.find(&stamp(2, 100)), Some(held("two")));
    // And nothing is written when there is nothing new.
    fs::remove_file(&path).unwrap();
    stamps.keep().unwrap();
    assert!(!path.exists());
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_is_of_no_use_goes() {
    let directory = scratch("old");
    let path = directory.join("stamps");
    let on = |today: u32| Stamps { today, ..Stamps::read(&path).unwrap() };
    let first = on(1000);
    first.learn(stamp(1, 100), held("one"), at(200));
    first.learn(stamp(2, 100), held("two"), at(200));
    first.keep().unwrap();
    // The second is asked for, after so long that it is noted.
    let later = on(1020);
    assert!(later.find(&stamp(2, 100)).is_some());
    later.keep().unwrap();
    let last = on(1040);
    last.learn(stamp(3, 100), held("new"), at(200));
    last.keep().unwrap();
    let stamps = on(1040);
    let known: Vec<u64> =
        (1..=3).filter(|inode| stamps.find(&stamp(*inode, 100)).is_some()).collect();
    assert_eq!(known, [2, 3]);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_is_no_such_file_is_refused_by_name_and_begun_anew() {
    let directory = scratch("bad");
    let path = directory.join("stamps");
    let stamps = Stamps::open(&path);
    stamps.learn(stamp(1, 100), held("one"), at(200));
    stamps.keep().unwrap();
    let good = fs::read(&path).unwrap();
    let mut newer = good.clone();
    newer[8] = 9;
    let newer_text = "has stamps of version 9, which is not known here; remove it";
    let damaged_text = "has no stamps, or is damaged; remove it";
    for (bytes, text) in [(&newer[..], newer_text), (&good[..good.len() - 1], damaged_text)] {
        fs::write(&path, bytes).unwrap();
        let error = Stamps::read(&path).unwrap_err().to_string();
        assert_eq!(error, format!("{} {text}", path.display()));
        let stamps = Stamps::open(&path);
        assert!(stamps.is_empty());
        stamps.learn(stamp(1, 100), held("one"), at(200));
        stamps.keep().unwrap();
        assert_eq!(fs::read(&path).unwrap(), good);
    }
    // What a flipped bit is in: no such file, or nothing that is known.
    for at in (0..8).chain(12..good.len()) {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        fs::write(&path, damaged).unwrap();
        let found = Stamps::read(&path).map(|stamps| stamps.find(&stamp(1, 100)));
        assert_eq!(found.is_err(), at < 16, "{at}");
        assert_eq!(found.ok().flatten(), None, "{at}");
    }
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(Stamps::read(&path).is_err());
    }
    fs::remove_dir_all(directory).unwrap();
}

/// Of each block the first and the last, what is between two, and what is in one
/// that is damaged.
#[test]
fn what_is_in_many_blocks_is_found_in_its_own() {
    let directory = scratch("blocks");
    let path = directory.join("stamps");
    for count in [1, 63, 64, 65, 1000] {
        let stamps = Stamps::open(&path);
        for inode in 0..count {
            stamps.learn(stamp(2 * inode, 100), held(&format!("{inode:03}")), at(200));
        }
        stamps.keep().unwrap();
        let stamps = Stamps::read(&path).unwrap();
        for inode in 0..count {
            let found = held(&format!("{inode:03}"));
            assert_eq!(stamps.find(&stamp(2 * inode, 100)), Some(found), "{inode} of {count}");
            assert_eq!(stamps.find(&stamp(2 * inode + 1, 100)), None);
        }
        assert_eq!(stamps.find(&Stamp { device: 6, ..stamp(0, 100) }), None);
        assert_eq!(stamps.find(&Stamp { device: 8, ..stamp(0, 100) }), None);
    }
    let mut bytes = fs::read(&path).unwrap();
    // The ninth of sixteen, where each search begins.
    bytes[16 + 8 * (64 * 88 + 8)] ^= 1;
    fs::write(&path, bytes).unwrap();
    let stamps = Stamps::read(&path).unwrap();
    let known = |inode: u64| stamps.find(&stamp(2 * inode, 100)).is_some();
    let damaged = 8 * 64..9 * 64;
    assert!((0..1000).all(|inode| known(inode) != damaged.contains(&inode)));
    // And what is learned is written beside what is left.
    stamps.learn(stamp(5000, 100), held("new"), at(200));
    stamps.keep().unwrap();
    assert_eq!(load(&path).unwrap().entries().count(), 1000 - 64 + 1);
    fs::remove_dir_all(directory).unwrap();
}

/// `docs/stamps.md` shows these bytes.
#[test]
fn the_document_shows_what_is_written() {
    let entry = Entry {
        stamp: Stamp {
            device: 2049,
            inode: 131_074,
            length: 5,
            modified: (1_700_000_000, 250_000_000),
            changed: (1_700_000_001, 0),
        },
        handle: held("hello"),
        used_day: 20_000,
    };
    let bytes = table::encode(vec![entry], 1);
    let text = include_str!("../../../../../docs/stamps.md");
    let example = text.split("## Example").nth(1).unwrap().split("```").nth(1).unwrap();
    // Two spaces before what the bytes are.
    let lines = example.lines().filter_map(|line| line.split("  ").next());
    let digits: String = lines.flat_map(str::split_whitespace).collect();
    let shown: Vec<u8> = (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    assert_eq!(shown, bytes, "{bytes:02x?}");
    let directory = scratch("document");
    fs::write(directory.join("stamps"), bytes).unwrap();
    let read = load(&directory.join("stamps")).unwrap();
    assert_eq!(read.entries().collect::<Vec<_>>(), [entry]);
    fs::remove_dir_all(directory).unwrap();
}
