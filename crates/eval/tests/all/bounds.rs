//! How large the graph may become, and who has to go.

use weft_eval::{Event, Key, Machine, MachineStat, NoAnswerKind, Outcome};
use weft_object::Handle;

use crate::script::{MIB, Script, is_load, number, strict};

fn script(graph_bytes: u64) -> Script {
    let mut script = Script::new(1024 * MIB);
    script.machine = Machine::with_graph_bytes(1024 * MIB, graph_bytes);
    script
}

/// So many things, each of which must be loaded first.
fn slow(script: &mut Script, range: std::ops::Range<u8>) -> Vec<Handle> {
    let one = |seed| {
        let blob = script.host.blob(vec![seed; 100]);
        script.host.absent.insert(blob);
        strict(script.host.apply("length", &[blob]))
    };
    range.map(one).collect()
}

fn kind_of(script: &Script, id: u64) -> Option<NoAnswerKind> {
    match script.answers.get(&id)? {
        Outcome::NoAnswer(reason) => Some(reason.kind),
        _ => None,
    }
}

#[test]
fn the_youngest_requests_go_first_and_only_as_many_as_it_takes() {
    let mut script = script(100_000);
    let first = slow(&mut script, 0..1)[0];
    // What it shares with the first one stays.
    let wide = slow(&mut script, 0..200);
    let wide = script.host.tree(&wide);
    let last = slow(&mut script, 201..202)[0];
    // The numbers are the asker's and say nothing of who came first.
    script.request(9, first);
    script.request(5, wide);
    script.request(7, last);
    script.perform_all_but(is_load);
    assert_eq!(kind_of(&script, 7), Some(NoAnswerKind::Exhausted));
    assert_eq!(kind_of(&script, 5), Some(NoAnswerKind::Exhausted));
    assert!(!script.answers.contains_key(&9));
    let stat = script.machine.stat();
    assert!((1..=6).contains(&stat.keys) && stat.graph_bytes < 10_000, "{stat:?}");
    script.perform_all();
    assert_eq!(script.answers[&9], Outcome::Value(number(100)));
}

#[test]
fn what_is_within_the_bound_is_let_be() {
    let mut script = script(10_000_000);
    let wide = slow(&mut script, 0..200);
    let wide = script.host.tree(&wide);
    script.request(1, wide);
    script.perform_all_but(is_load);
    let stat = script.machine.stat();
    assert!(stat.keys > 400 && stat.graph_bytes > 400 * stat.keys as u64, "{stat:?}");
    script.perform_all();
    assert_eq!(script.answers[&1].value().unwrap().length(), Some(200));
}

/// Whoever waits for one another keeps one another wanted; when nobody else
/// does, that is over at once.
#[test]
fn what_goes_round_in_circles_is_dropped_with_its_last_request() {
    let mut script = script(10_000_000);
    let first = slow(&mut script, 0..1)[0].thunk().unwrap();
    let ring = script.host.apply("ring", &[number(0), first]);
    script.request(1, ring);
    script.perform_all_but(is_load);
    assert!(script.machine.stat().keys > 4);
    script.tell(Event::Cancel { id: 1 });
    assert_eq!(kind_of(&script, 1), Some(NoAnswerKind::Cancelled));
    assert_eq!(script.machine.stat(), MachineStat::default());
    assert!(script.interrupted.iter().any(|key| matches!(key, Key::Content(_))));
}
