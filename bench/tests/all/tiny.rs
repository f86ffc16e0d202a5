//! That benches compute what they should. How long they take is no test.

use std::path::Path;

use weft_bench::{BenchError, NAMES, Options, PROMISES, Size, run};

/// With a directory for each test.
fn tiny() -> Options {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    Options { size: Size::Tiny, json: true, scratch, ..Options::default() }
}

fn lines(options: &Options) -> Vec<serde_json::Value> {
    let mut out = Vec::new();
    assert!(run(options, &mut out).unwrap());
    let text = String::from_utf8(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_bench_is_right_and_says_so_in_a_line() {
    let lines = lines(&tiny());
    let names: Vec<&str> = lines.iter().map(|line| line["name"].as_str().unwrap()).collect();
    assert_eq!(names, NAMES);
    // Nothing is left behind.
    assert_eq!(std::fs::read_dir(tiny().scratch).unwrap().count(), 0);
    for line in &lines {
        assert!(line["checked"].as_u64().unwrap() > 0, "{line}");
        assert!(line["ratio"].as_f64().unwrap() > 0.0, "{line}");
        let numbers = ["p50_ns", "memory_bytes"].map(|field| line[field].as_f64());
        assert!(numbers.iter().flatten().any(|number| *number >= 0.0), "{line}");
        assert!(line.get("promises").is_none(), "{line}");
        for skipped in line["skipped"].as_array().into_iter().flatten() {
            println!("skipped: {}", skipped.as_str().unwrap());
        }
    }
}

#[test]
fn another_seed_has_other_arguments_and_is_right_too() {
    let only = ["add", "chain_500", "wordcount"].map(String::from).to_vec();
    assert_eq!(lines(&Options { seed: 77, only, ..tiny() }).len(), 3);
}

#[test]
fn a_check_names_each_promise_and_whether_it_is_kept() {
    let only = vec!["fork_1m".to_owned()];
    let lines = lines(&Options { only, check: true, ..tiny() });
    let promises = lines[0]["promises"].as_array().unwrap();
    assert_eq!(promises.len(), 1);
    assert_eq!(promises[0]["promise"], "finishes");
    assert_eq!(promises[0]["kept"], true);
}

#[test]
fn a_table_has_a_row_for_each_bench() {
    let only = vec!["memo_hit".to_owned(), "idle_rss".to_owned()];
    let mut out = Vec::new();
    assert!(run(&Options { json: false, only, ..tiny() }, &mut out).unwrap());
    let text = String::from_utf8(out).unwrap();
    let rows: Vec<&str> = text.lines().collect();
    assert_eq!(rows.len(), 3, "{text}");
    assert!(rows[0].contains("p50") && rows[0].ends_with("ratio"), "{text}");
    assert!(rows[1].starts_with("memo_hit ") && rows[1].contains("HashMap lookup"), "{text}");
    assert!(rows[2].starts_with("idle_rss ") && rows[2].contains("MiB"), "{text}");
}

#[test]
fn what_does_not_exist_is_named_with_what_does() {
    let error = |options: &Options| match run(options, &mut Vec::new()) {
        Err(error @ BenchError::Unknown(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let unknown = error(&Options { only: vec!["ad".to_owned()], ..tiny() });
    assert!(unknown.contains("`ad`") && unknown.contains("memo_hit_named"), "{unknown}");
    for part in ["", "tail", "tail:x", "tale:3"] {
        let unknown = error(&Options { child: Some(part.to_owned()), ..tiny() });
        assert!(unknown.contains(part), "{unknown}");
    }
    assert!("huge".parse::<Size>().unwrap_err().to_string().contains("tiny, full and long"));
}

#[test]
fn every_promise_is_about_a_bench() {
    assert!(PROMISES.iter().all(|promise| NAMES.contains(&promise.bench)));
}

#[test]
fn a_child_that_does_not_answer_is_an_error() {
    let program = Some(vec!["/bin/false".into()]);
    let options = Options { program, only: vec!["idle_rss".to_owned()], ..tiny() };
    match run(&options, &mut Vec::new()) {
        Err(BenchError::Child { part, .. }) => assert_eq!(part, "idle:0"),
        other => panic!("{other:?}"),
    }
}
