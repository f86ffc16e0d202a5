use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use weft_object::Handle;
use weft_store::disk::{Disk, RealDisk};
use weft_store::{
    Backend, Content, Cost, Expect, FileBackend, Label, LabelError, MemoryBackend, Mode, Options,
    Outcome, Relation, StoreError, conformance,
};

use crate::scratch::{Scratch, long, tree};

#[test]
fn memory_conforms() {
    conformance::run(MemoryBackend::new);
}

#[test]
fn the_file_conforms() {
    let scratch = Scratch::new();
    let mut count = 0;
    conformance::run(|| {
        count += 1;
        FileBackend::create(&scratch.join(&count.to_string())).unwrap()
    });
}

/// Packs of 2,000 bytes, runs of 64 entries, and files from 1,000 bytes on.
pub(crate) fn tiny() -> Options {
    Options { pack_bytes_max: 2000, flush_entries: 64, large_bytes_min: 1000, ..Options::default() }
}

#[test]
fn the_file_conforms_in_many_small_parts() {
    let scratch = Scratch::new();
    for background in [false, true] {
        let mut count = 0;
        let options = Options { background, ..tiny() };
        conformance::run(|| {
            count += 1;
            let directory = scratch.join(&format!("{background}-{count}"));
            FileBackend::create_on(Arc::new(RealDisk), &directory, options).unwrap()
        });
        let many = |part: &str| {
            let stores = fs::read_dir(scratch.path()).unwrap();
            let parts = stores.map(|store| fs::read_dir(store.unwrap().path().join(part)).unwrap());
            parts.map(Iterator::count).max().unwrap()
        };
        assert!(many("packs") > 50 && many("index") > 1 && many("large") > 0);
    }
}

#[test]
fn everything_is_there_when_opened_again() {
    let scratch = Scratch::new();
    let (name, content) = long(1);
    let (node, entries) = tree(&[name]);
    let big: Vec<u8> = (0..9_000_000_u32).map(|i| (i >> 3) as u8).collect();
    let big_name = Handle::of_blob(&big);
    let relation = Relation::new(Outcome::Value(name), Cost { run_ns: 7, fuel: Some(1) });
    let labels = [Label::new("a").unwrap(), Label::new("b").unwrap()];
    {
        let store = FileBackend::create(scratch.path()).unwrap();
        store.put(&[(name, content), (node, entries)]).unwrap();
        assert!(store.put_stream(&big_name, &mut &big[..]).unwrap());
        store.put_relations(&[(node, relation)]).unwrap();
        store.set_label(&labels[0], Expect::Absent, Some(name)).unwrap();
        store.set_label(&labels[1], Expect::Absent, Some(node)).unwrap();
        store.set_label(&labels[0], Expect::At(name), None).unwrap();
        store.sync().unwrap();
    }
    for mode in [Mode::Read, Mode::Write, Mode::Read] {
        let store = FileBackend::open(scratch.path(), mode).unwrap();
        assert!(store.damage().is_empty());
        assert_eq!(store.len(), 3);
        assert_eq!(store.get(&node).unwrap().unwrap().handle(), node);
        let found = store.get(&big_name).unwrap().unwrap();
        assert!(found.blob().unwrap().bytes() == big);
        let expected = Relation { durable: true, ..relation };
        assert_eq!(store.relation(&node).unwrap(), Some(expected));
        assert_eq!(store.labels().unwrap(), [(labels[1].clone(), node)]);
    }
    // Nothing is written twice.
    let store = FileBackend::create(scratch.path()).unwrap();
    let before = store.bytes();
    store.put(&[long(1), tree(&[name])]).unwrap();
    assert_eq!(store.bytes(), before);
}

#[test]
fn readers_need_no_lock_and_write_nothing() {
    let scratch = Scratch::new();
    let writer = FileBackend::create(scratch.path()).unwrap();
    writer.put(&[long(1)]).unwrap();
    let readers: Vec<FileBackend> =
        (0..3).map(|_| FileBackend::open(scratch.path(), Mode::Read).unwrap()).collect();
    writer.put(&[long(2)]).unwrap();
    for reader in &readers {
        assert!(reader.contains(&long(1).0).unwrap());
        assert!(!reader.contains(&long(2).0).unwrap(), "what was there when it opened");
        assert!(matches!(reader.put(&[long(3)]), Err(StoreError::ReadOnly(_))));
        let label = Label::new("x").unwrap();
        let refused = reader.set_label(&label, Expect::Any, None);
        assert!(matches!(refused, Err(StoreError::ReadOnly(_))));
        reader.sync().unwrap();
    }
}

/// Runs one test of this binary in a process of its own, which finds `directory`
/// in its environment and behaves as the other one.
fn child(test: &str, directory: &Path, before: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{before} exec \"$0\" --exact {test} --nocapture --test-threads 1"))
        .arg(env::current_exe().unwrap())
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

const CHILD: &str = "WEFT_STORE_TEST_CHILD";

fn as_child() -> Option<PathBuf> {
    env::var_os(CHILD).map(PathBuf::from)
}

#[test]
fn a_second_writer_is_told_who_has_the_store() {
    if let Some(directory) = as_child() {
        let error = FileBackend::open(&directory, Mode::Write).unwrap_err();
        println!("told: {error}");
        FileBackend::open(&directory, Mode::Read).unwrap();
        return;
    }
    let scratch = Scratch::new();
    let first = FileBackend::create(scratch.path()).unwrap();
    let again = FileBackend::open(scratch.path(), Mode::Write);
    assert!(matches!(again, Err(StoreError::Locked { .. })), "not even in the same process");
    let test = "backends::a_second_writer_is_told_who_has_the_store";
    let output = child(test, scratch.path(), "").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    let process = format!("in use by process {}; wait until it ends", std::process::id());
    assert!(told.contains(&process), "{told}");
    drop(first);
    FileBackend::open(scratch.path(), Mode::Write).unwrap();
}

#[test]
fn a_full_disk_is_named_and_nothing_is_lost() {
    if let Some(directory) = as_child() {
        // At most 64 blocks of 512 or 1024 bytes to a file here.
        let store = FileBackend::create(&directory).unwrap();
        store.put(&[long(1)]).unwrap();
        store.sync().unwrap();
        let before = store.bytes();
        let many: Vec<(Handle, Content)> = (100..5000).map(long).collect();
        let error = store.put(&many).unwrap_err();
        println!("told: {error}");
        assert_eq!(store.bytes(), before);
        assert!(!store.contains(&long(100).0).unwrap(), "none of the batch is kept");
        let big = vec![7; 1 << 20];
        let name = Handle::of_blob(&big);
        assert!(store.put_stream(&name, &mut &big[..]).is_err());
        // What fits still goes in.
        store.put(&[long(2)]).unwrap();
        store.sync().unwrap();
        return;
    }
    let scratch = Scratch::new();
    let test = "backends::a_full_disk_is_named_and_nothing_is_lost";
    let output = child(test, scratch.path(), "trap '' XFSZ; ulimit -f 64;").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let file = scratch.join("packs/000001");
    assert!(told.contains(&format!("cannot write {}: over the limit", file.display())), "{told}");
    let store = FileBackend::open(scratch.path(), Mode::Write).unwrap();
    assert_eq!(store.len(), 2);
    assert!(store.contains(&long(1).0).unwrap() && store.contains(&long(2).0).unwrap());
}

#[test]
fn a_killed_writer_has_lost_nothing_it_was_promised() {
    if let Some(directory) = as_child() {
        let store = FileBackend::create(&directory).unwrap();
        for round in 0.. {
            let batch: Vec<_> = (10 * round..10 * round + 10).map(long).collect();
            store.put(&batch).unwrap();
            store.put_relations(&[(long(round).0, relation(round))]).unwrap();
            store.sync().unwrap();
            println!("safe {round}");
        }
        return;
    }
    let scratch = Scratch::new();
    let test = "backends::a_killed_writer_has_lost_nothing_it_was_promised";
    for attempt in 0..8 {
        let directory = scratch.join(&attempt.to_string());
        let mut process = child(test, &directory, "").spawn().unwrap();
        let mut output = std::io::BufReader::new(process.stdout.take().unwrap());
        let mut safe = None;
        let mut line = String::new();
        // Killed after so many acknowledgements, whatever it is doing then.
        while safe.is_none_or(|round| round < 5 * attempt) {
            line.clear();
            let read = std::io::BufRead::read_line(&mut output, &mut line).unwrap();
            assert_ne!(read, 0, "the writer ended by itself");
            if let Some((_, round)) = line.trim().split_once("safe ") {
                safe = Some(round.parse::<usize>().unwrap());
            }
        }
        process.kill().unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut output, &mut rest).unwrap();
        process.wait().unwrap();
        // A line that was cut short may be of an unfinished number.
        let complete = rest.rsplit_once('\n').map_or("", |(complete, _)| complete);
        let last = complete.lines().filter_map(|line| line.strip_prefix("safe ")).next_back();
        let safe = last.map(|round| round.parse().unwrap()).or(safe).unwrap();
        let store = FileBackend::open(&directory, Mode::Write).unwrap();
        assert!(store.damage().is_empty());
        for round in 0..=safe {
            assert!(store.relation(&long(round).0).unwrap().is_some(), "{round} of {safe}");
        }
        for number in 0..10 * (safe + 1) {
            assert!(store.get(&long(number).0).unwrap().is_some(), "{number} of {safe}");
        }
    }
}

fn relation(number: usize) -> Relation {
    Relation::new(Outcome::Value(long(number).0), Cost::default())
}

#[test]
fn what_may_not_be_written_says_so() {
    // Nobody may create anything here, not even root.
    let error = FileBackend::create(Path::new("/sys/weft-store-test")).unwrap_err();
    let texts = [
        "no permission to create /sys/weft-store-test",
        "cannot create /sys/weft-store-test: the file system is read-only",
    ];
    assert!(texts.contains(&&*error.to_string()), "{error}");

    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let directory = scratch.join("store-directory");
    FileBackend::create(&directory).unwrap().put(&[long(1)]).unwrap();
    let set = |mode| fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
    fs::remove_file(directory.join("lock")).unwrap();
    fs::set_permissions(directory.join("store"), fs::Permissions::from_mode(0o444)).unwrap();
    set(0o555);
    let reader = FileBackend::open(&directory, Mode::Read).unwrap();
    assert!(reader.get(&long(1).0).unwrap().is_some());
    let writer = FileBackend::open(&directory, Mode::Write);
    let root = fs::write(directory.join("probe"), "").is_ok();
    match writer {
        Ok(_) => assert!(root, "only root may write here"),
        Err(error) => {
            let path = directory.join("store");
            assert_eq!(error.to_string(), format!("no permission to open {}", path.display()));
        }
    }
    set(0o755);
}

#[test]
fn labels_hide_nothing() {
    for good in ["a", "main", "v1.2", "team/project-x", "_", "abc", "beef-", "BEEF", "7", "f00g"] {
        assert_eq!(Label::new(good).unwrap().as_str(), good);
    }
    for handle in ["beef", "0000", "1234567", &"a".repeat(64)] {
        assert_eq!(Label::new(handle), Err(LabelError::LooksLikeHandle), "{handle}");
    }
    for (bad, at) in [
        (".a", 0),
        ("-a", 0),
        ("/a", 0),
        ("a/", 1),
        ("a//b", 2),
        ("a/../b", 2),
        ("#a", 0),
        ("@a", 0),
        ("a b", 1),
        ("é", 0),
        ("a\n", 1),
        ("a(", 1),
    ] {
        assert_eq!(Label::new(bad), Err(LabelError::Character(at)), "{bad}");
    }
    assert_eq!(Label::new(""), Err(LabelError::Length(0)));
    assert_eq!(Label::new(&"x".repeat(129)), Err(LabelError::Length(129)));
}

#[test]
fn a_run_that_is_lost_or_damaged_costs_nothing_but_time() {
    let scratch = Scratch::new();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = Options { background: false, ..tiny() };
    let label = Label::new("label").unwrap();
    {
        let store = FileBackend::create_on(disk.clone(), scratch.path(), options).unwrap();
        for number in 0..300 {
            store.put(&[long(number)]).unwrap();
            store.put_relations(&[(long(number).0, relation(number))]).unwrap();
        }
        store.put_relations(&[(long(7).0, relation(8))]).unwrap();
        store.set_label(&label, Expect::Any, Some(long(7).0)).unwrap();
        store.sync().unwrap();
    }
    let runs = || -> Vec<PathBuf> {
        let entries = fs::read_dir(scratch.join("index")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let check = |mode| {
        let store = FileBackend::open_on(disk.clone(), scratch.path(), mode, options).unwrap();
        assert!(store.damage().is_empty());
        for number in 0..300 {
            assert!(store.get(&long(number).0).unwrap().is_some(), "{number}");
            let found = store.relation(&long(number).0).unwrap().unwrap();
            assert_eq!(found.outcome, relation(number + usize::from(number == 7)).outcome);
        }
        let usage = store.usage().unwrap();
        assert_eq!((usage.objects, usage.relations), (300, 300));
        assert_eq!(store.label(&label).unwrap(), Some(long(7).0));
    };
    assert!(runs().len() > 1);
    let harms: [&dyn Fn(&Path); 4] = [
        &|run| fs::remove_file(run).unwrap(),
        &|run| fs::write(run, b"").unwrap(),
        &|run| {
            let mut raw = fs::read(run).unwrap();
            *raw.last_mut().unwrap() ^= 1;
            fs::write(run, raw).unwrap();
        },
        &|run| {
            let mut raw = fs::read(run).unwrap();
            raw[33] ^= 1;
            fs::write(run, raw).unwrap();
        },
    ];
    for harm in harms {
        let before = runs();
        harm(&before[0]);
        check(Mode::Read);
        // Whoever may write makes them again; the next one takes the old away.
        check(Mode::Write);
        check(Mode::Write);
        let after = runs();
        assert!(!after.is_empty() && after.iter().all(|run| !before.contains(run)));
    }
}

#[test]
fn what_was_found_damaged_can_be_put_again() {
    let scratch = Scratch::new();
    let (name, content) = long(1);
    // In its bytes, then in its header.
    for at in [48 + 50, 48 + 10] {
        let directory = scratch.join(&at.to_string());
        let store = FileBackend::create(&directory).unwrap();
        store.put(&[long(1), long(2)]).unwrap();
        store.sync().unwrap();
        drop(store);
        let pack = directory.join("packs/000001");
        let mut raw = fs::read(&pack).unwrap();
        raw[at] ^= 1;
        fs::write(&pack, raw).unwrap();
        let store = FileBackend::open(&directory, Mode::Write).unwrap();
        assert!(!matches!(store.get(&name), Ok(Some(_))));
        assert!(!store.contains(&name).unwrap());
        store.put(&[(name, content.clone())]).unwrap();
        assert_eq!(store.get(&name).unwrap().unwrap().handle(), name);
        assert!(store.contains(&name).unwrap());
        store.sync().unwrap();
        drop(store);
        let again = FileBackend::open(&directory, Mode::Read).unwrap();
        assert_eq!(again.get(&name).unwrap().unwrap().handle(), name);
    }
    let store = FileBackend::create(&scratch.join("large")).unwrap();
    let bytes = vec![7; 2 << 20];
    let big = Handle::of_blob(&bytes);
    assert!(store.put_stream(&big, &mut &bytes[..]).unwrap());
    let file = scratch.join(&format!("large/large/{:.2}/{big}", big.to_string()));
    fs::remove_file(&file).unwrap();
    let error = store.get(&big).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { path, .. } if path == file));
    assert!(store.put_stream(&big, &mut &bytes[..]).unwrap());
    assert_eq!(store.get(&big).unwrap().unwrap().handle(), big);
}
