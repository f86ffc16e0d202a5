//! The files of a store, read as `docs/store.md` says and not as the code does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use weft_object::{Blob, Handle};
use weft_store::disk::RealDisk;
use weft_store::{
    Backend, Content, Cost, Expect, FileBackend, Finder, Label, Mode, Options, Origin, Outcome,
    Pin, Relation, Run,
};

use crate::scratch::{Scratch, long, tree};

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn check(parts: &[&[u8]]) -> [u8; 8] {
    blake3::hash(&parts.concat()).as_bytes()[..8].try_into().unwrap()
}

/// Type, name and payload of each record, by location.
type Records = BTreeMap<u64, (u8, [u8; 32], Vec<u8>)>;

fn records(id: &[u8], pack: u64, raw: &[u8], found: &mut Records) {
    let mut at = 48;
    while at < raw.len() {
        let head = &raw[at..at + 48];
        assert_eq!(head[1], 0);
        let length = number(&head[2..8]) as usize;
        let payload = &raw[at + 48..at + 48 + length];
        let location = pack << 40 | at as u64;
        let place = location.to_le_bytes();
        let covered = if [1, 14].contains(&head[0]) { &[][..] } else { payload };
        assert_eq!(head[40..], check(&[id, &place, &head[..40], covered]));
        let name = head[8..40].try_into().unwrap();
        found.insert(location, (head[0], name, payload.to_vec()));
        let end = at + 48 + length.next_multiple_of(8);
        assert!(raw[at + 48 + length..end].iter().all(|byte| *byte == 0));
        at = end;
    }
}

fn log(directory: &Path, id: &[u8]) -> Records {
    let mut found = Records::new();
    let mut numbers: Vec<String> = fs::read_dir(directory.join("packs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    numbers.sort();
    let mut before = (0, 0);
    for name in numbers {
        let raw = fs::read(directory.join("packs").join(&name)).unwrap();
        let pack: u64 = name.parse().unwrap();
        assert_eq!((&raw[..8], number(&raw[8..12])), (&b"weftpack"[..], 3));
        assert_eq!((number(&raw[12..15]), &raw[16..32]), (pack, id));
        assert_eq!(raw[40..48], check(&[&raw[..40]]));
        assert_eq!((u64::from(raw[15]), number(&raw[32..40])), before);
        records(id, pack, &raw, &mut found);
        before = (1, pack << 40 | raw.len() as u64);
    }
    found
}

/// Locations by print, of content and of relations.
fn run(path: &Path, id: &[u8]) -> [Vec<(u64, u64)>; 2] {
    let raw = fs::read(path).unwrap();
    assert_eq!((&raw[..8], number(&raw[8..12]), &raw[16..32]), (&b"weftindx"[..], 3, id));
    assert_eq!(raw[96..104], check(&[&raw[..96]]));
    let word = |at: usize| number(&raw[32 + 8 * at..40 + 8 * at]) as usize;
    let (entries, room) = ([word(0), word(1)], [word(2), word(3)]);
    let blocks = entries.map(|entries| entries.div_ceil(255));
    let mut resident = 4096 * (1 + blocks[0] + blocks[1]);
    assert_eq!(raw[64..96], *blake3::hash(&raw[resident..]).as_bytes());
    let mut block = 1;
    let mut found: [Vec<(u64, u64)>; 2] = Default::default();
    for kind in 0..2 {
        for at in 0..blocks[kind] {
            let bytes = &raw[4096 * block..4096 * (block + 1)];
            let place = (block as u64).to_le_bytes();
            assert_eq!(bytes[4088..], check(&[&bytes[..4088], id, &raw[12..16], &place]));
            assert_eq!(raw[resident + 8 * at..resident + 8 * at + 8], bytes[..8]);
            let inside = (entries[kind] - 255 * at).min(255);
            let entry = |raw: &[u8]| (number(&raw[..8]), number(&raw[8..]));
            found[kind].extend(bytes[..16 * inside].chunks(16).map(entry));
            block += 1;
        }
        resident += 8 * blocks[kind];
        let filter = &raw[resident..resident + (12 * room[kind]).div_ceil(512) * 64];
        assert!(found[kind].iter().all(|(print, _)| in_filter(filter, *print)));
        resident += filter.len();
        assert!(found[kind].is_sorted_by_key(|(print, _)| *print));
    }
    assert_eq!(resident, raw.len());
    found
}

fn in_filter(filter: &[u8], print: u64) -> bool {
    let fold = |by: u64| {
        let wide = u128::from(print) * u128::from(by);
        wide as u64 ^ (wide >> 64) as u64
    };
    let blocks = (filter.len() / 64) as u128;
    let block = ((u128::from(fold(0x9e37_79b9_7f4a_7c15)) * blocks) >> 64) as usize;
    let bits = fold(0xd6e8_feb8_6659_fd93);
    (0..7).all(|at| {
        let bit = (bits >> (9 * at) & 511) as usize;
        filter[64 * block + bit / 8] >> (bit % 8) & 1 == 1
    })
}

fn page() -> (Handle, Content) {
    let content = Content::Blob(Blob::new([3, 5, 7, 9].repeat(1024)));
    (content.handle(), content)
}

fn fill(store: &FileBackend, big: &Content) {
    for number in 0..200 {
        let batch = [long(number), tree(&[long(number).0])];
        store.put(&batch).unwrap();
        let relation = Relation::new(Outcome::Value(batch[0].0), Cost::default());
        store.put_relations(&[(batch[1].0, relation)]).unwrap();
    }
    store.put(&[(big.handle(), big.clone()), page()]).unwrap();
    let full = Relation {
        outcome: Outcome::Failure(long(1).0),
        notes: Some(long(2).0),
        cost: Cost { run_ns: 12, fuel: Some(99) },
        origin: Origin { found_at_s: 77, finder: 2 },
        durable: false,
    };
    store.put_relations(&[(long(3).0, full)]).unwrap();
    let label = Label::new("team/a").unwrap();
    store.set_label(&label, Expect::Any, Some(long(4).0)).unwrap();
    store.set_label(&label, Expect::Any, None).unwrap();
    store.pin(&Pin { handle: long(5).0, until_s: Some(8) }).unwrap();
    store.pin(&Pin { handle: long(5).0, until_s: None }).unwrap();
    store.unpin(&long(5).0).unwrap();
    store.finder(&Finder { text: "weft".into(), here: true }).unwrap();
    let run = Run {
        request: long(6).0,
        outcome: Outcome::Failure(long(7).0),
        label: Some(label),
        at_ms: 1,
        took_ns: 2,
        applied: 3,
    };
    store.put_run(&run).unwrap();
    store.set_budget(Some(1 << 40)).unwrap();
    store.sync().unwrap();
}

#[test]
fn the_bytes_are_those_of_the_page() {
    let scratch = Scratch::new();
    let options = Options {
        pack_bytes_max: 20_000,
        flush_entries: 100,
        large_bytes_min: 5000,
        background: false,
        ..Options::default()
    };
    let disk = Arc::new(RealDisk);
    let store = FileBackend::create_on(disk.clone(), scratch.path(), options).unwrap();
    let big = Content::Blob(Blob::new(vec![7; 5000]));
    fill(&store, &big);
    drop(store);
    let manifest = fs::read(scratch.join("store")).unwrap();
    let (body, digest) = manifest.split_at(manifest.len() - 32);
    assert_eq!(digest, blake3::hash(body).as_bytes());
    assert_eq!((&body[..8], number(&body[8..16])), (&b"weftstor"[..], 3));
    let id = &body[16..32];
    let log = log(scratch.path(), id);
    let word = |at: usize| number(&body[at..at + 8]);
    let (packs, runs) = (number(&body[40..44]) as usize, number(&body[44..48]) as usize);
    assert!(packs > 1 && runs > 0, "{packs} packs, {runs} runs");
    let indexed = word(32);
    assert_eq!(indexed >> 40, word(96 + 16 * (packs - 1)));
    assert_eq!(word(88) as usize, body.len() - 96 - 16 * packs - 8 * runs);
    // Everything up to there is in one run, and leads to what has that name.
    let mut prints = 0;
    for run_at in 0..runs {
        let path = scratch.join(&format!("index/{:06}", word(96 + 16 * packs + 8 * run_at)));
        for (kind, entries) in run(&path, id).iter().enumerate() {
            for (print, location) in entries {
                let (sort, name, _) = &log[location];
                let first = u64::from_be_bytes(name[..8].try_into().unwrap());
                let expected = if kind == 0 { first } else { first ^ u64::from(name[31]) };
                assert_eq!((kind == 0, expected), ([1, 2, 4, 14].contains(sort), *print));
                assert!(*location < indexed);
                prints += 1;
            }
        }
    }
    let named = log.range(..indexed).filter(|(_, (sort, ..))| *sort <= 4 || *sort == 14).count();
    assert_eq!(prints, named);
    payloads(&log, &big.handle());
    let large = format!("large/{:.2}/{}", big.handle().to_string(), big.handle());
    assert!(fs::read(scratch.join(&large)).unwrap() == [7; 5000]);
    assert!(fs::metadata(scratch.join(&large)).unwrap().permissions().readonly());
    let again = FileBackend::open_on(disk, scratch.path(), Mode::Read, options).unwrap();
    assert_eq!(again.len(), 402);
}

fn payloads(log: &Records, big: &Handle) {
    let of = |sort: u8| log.values().filter(|found| found.0 == sort).collect::<Vec<_>>();
    let raw = |number| long(number).0.as_bytes().to_vec();
    assert_eq!((of(1).len(), of(3).len()), (400, 201));
    assert_eq!((of(2)[0].1, &of(2)[0].2[..]), (*big.as_bytes(), &[][..]));
    let full = &of(3)[200].2;
    let numbers = [&[7, 0, 2, 0][..], &77_u32.to_le_bytes(), &12_u64.to_le_bytes()].concat();
    let fuel = 99_u64.to_le_bytes().to_vec();
    assert_eq!(*full, [numbers, raw(1), raw(2), fuel].concat());
    assert_eq!((&of(5)[0].1[..], &of(5)[0].2[..]), (&raw(4)[..], &b"team/a"[..]));
    assert_eq!((of(6)[0].1, &of(6)[0].2[..]), ([0; 32], &b"team/a"[..]));
    assert_eq!((of(7)[0].2[..] == 8_u64.to_le_bytes(), of(7)[1].2[..] == [255; 8]), (true, true));
    assert_eq!((&of(8)[0].1[..], of(8)[0].2.len()), (&raw(5)[..], 0));
    let run: Vec<u8> = [1, 1, 2, 3].iter().flat_map(|word: &u64| word.to_le_bytes()).collect();
    assert_eq!(of(9)[0].2, [run, raw(7), b"team/a".to_vec()].concat());
    assert_eq!(of(10)[0].2, b"\x01weft");
    assert_eq!(of(11)[0].2, (1_u64 << 40).to_le_bytes());
    let (name, payload) = (of(14)[0].1, &of(14)[0].2);
    assert!(name == *page().0.as_bytes() && payload.len() < 100);
    assert_eq!(payload[..8], check(&[&payload[8..]]));
    let bytes = zstd::bulk::decompress(&payload[8..], 4096).unwrap();
    assert!(bytes == [3, 5, 7, 9].repeat(1024));
    let commit = of(13)[of(13).len() - 1];
    assert!(log.contains_key(&number(&commit.1[..8])) && commit.1[8..] == [0; 24]);
}
