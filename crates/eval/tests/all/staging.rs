//! Claims on their own.

use weft_eval::{Key, Staging};
use weft_object::Handle;

fn key(age: u64) -> Key {
    Key::Apply(Handle::of_u64(age))
}

fn keys(ages: &[u64]) -> Vec<Key> {
    ages.iter().map(|age| key(*age)).collect()
}

#[test]
fn more_than_the_machine_is_refused_and_exactly_it_is_not() {
    let mut staging = Staging::new(100);
    assert!(staging.request(1, key(1), 101).is_none());
    assert_eq!((staging.waiting(), staging.used_bytes()), (0, 0));
    assert_eq!(staging.request(1, key(1), 100).unwrap().granted, keys(&[1]));
    assert_eq!(staging.used_bytes(), 100);
}

#[test]
fn nobody_passes_the_oldest_that_waits() {
    let mut staging = Staging::new(100);
    staging.request(1, key(1), 60).unwrap();
    staging.run(1);
    assert!(staging.request(2, key(2), 50).unwrap().granted.is_empty());
    assert!(staging.request(3, key(3), 10).unwrap().granted.is_empty(), "there is room, but");
    assert_eq!(staging.release(1).granted, keys(&[2, 3]));
    assert_eq!(staging.used_bytes(), 60);
}

#[test]
fn the_youngest_give_way_first_and_only_as_many_as_it_takes() {
    let mut staging = Staging::new(100);
    for age in [5, 6, 7] {
        staging.request(age, key(age), 30).unwrap();
    }
    let shift = staging.request(1, key(1), 60).unwrap();
    assert_eq!(shift.granted, keys(&[1]));
    assert_eq!(shift.revoked, keys(&[7, 6]));
    assert_eq!((staging.used_bytes(), staging.waiting()), (90, 2));
    assert_eq!(staging.release(1).granted, keys(&[6, 7]));
}

#[test]
fn what_runs_or_is_older_gives_way_to_nobody() {
    let mut staging = Staging::new(100);
    staging.request(1, key(1), 50).unwrap();
    staging.request(5, key(5), 50).unwrap();
    staging.run(5);
    let shift = staging.request(3, key(3), 20).unwrap();
    assert_eq!(shift, staging.release(99), "nothing happens");
    assert_eq!(staging.waiting(), 1);
    assert_eq!(staging.release(5).granted, keys(&[3]));
}

#[test]
fn giving_back_what_waits_frees_nothing_but_the_way() {
    let mut staging = Staging::new(100);
    staging.request(1, key(1), 80).unwrap();
    staging.run(1);
    staging.request(2, key(2), 90).unwrap();
    staging.request(3, key(3), 20).unwrap();
    assert_eq!(staging.release(2).granted, keys(&[3]));
    assert_eq!((staging.used_bytes(), staging.waiting()), (100, 0));
}

/// Any sequence of requests, runs and releases: sums are right, whatever is
/// granted fits, and when all is given back nothing is left.
#[test]
fn sums_hold_under_any_sequence() {
    let mut state = 7u64;
    let mut random = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (state >> 33) % end
    };
    let mut staging = Staging::new(1000);
    let mut granted = std::collections::BTreeMap::new();
    let mut waiting = std::collections::BTreeMap::new();
    let mut next = 1000;
    for _ in 0..20_000 {
        let all: Vec<u64> = granted.keys().chain(waiting.keys()).copied().collect();
        let shift = match random(3) {
            0 => {
                next += 1;
                // Some turn out to be older than what came before them.
                let age = next - random(2) * 1000 * (next % 2);
                if all.contains(&age) {
                    continue;
                }
                let bytes = random(1000);
                waiting.insert(age, bytes);
                staging.request(age, key(age), bytes).unwrap()
            }
            1 if !granted.is_empty() => {
                let age = *granted.keys().next().unwrap();
                staging.run(age);
                continue;
            }
            _ if !all.is_empty() => {
                let age = all[random(all.len() as u64) as usize];
                granted.remove(&age);
                waiting.remove(&age);
                staging.release(age)
            }
            _ => continue,
        };
        let age_of = |key: &Key| key.handle().literal_u64().unwrap();
        for age in shift.revoked.iter().map(age_of) {
            let bytes = granted.remove(&age);
            waiting.entry(age).or_insert_with(|| bytes.unwrap());
        }
        for age in shift.granted.iter().map(age_of) {
            granted.insert(age, waiting.remove(&age).unwrap());
        }
        assert_eq!(staging.used_bytes(), granted.values().sum::<u64>());
        assert!(staging.used_bytes() <= 1000);
        assert_eq!(staging.waiting(), waiting.len());
    }
    for age in granted.into_keys().chain(waiting.into_keys()) {
        staging.release(age);
    }
    assert_eq!((staging.used_bytes(), staging.waiting()), (0, 0));
}
