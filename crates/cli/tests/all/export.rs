//! What one sends to a colleague: `export` and `import`.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::world::{Ran, WEFT, World, ran};

const COUNT: &str = "apply(./wordcount.wasm, \"top\", strict(apply(./wordcount.wasm, \"walk\", \
                     ref(@src))), 3u64)";

/// Somebody who has files and a computation over them.
fn sender() -> World {
    let world = World::new();
    world.guest("wordcount.wasm");
    world.write("src/a.txt", "some words of more than thirty bytes, some of them twice");
    world.write("src/deep/b.txt", "more words, which are twice as many as there were before");
    world.write("src/big", vec![b'w'; 3 << 20]);
    world.weft(["add", "--label", "src", "src"]).ok();
    world.weft(["label", "count", COUNT]).ok();
    world
}

fn send(from: &World, to: &World, file: &str) {
    fs::copy(from.path(file), to.path(file)).unwrap();
}

fn json(ran: &Ran) -> Value {
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn a_directory_arrives_as_it_was() {
    let (here, there) = (sender(), World::new());
    let exported = here.weft(["export", "@src", "src.weft"]);
    assert!(exported.text().starts_with("6 objects, 3.0 MiB"), "{exported:?}");
    send(&here, &there, "src.weft");
    let handle = there.weft(["import", "src.weft", "--label", "src"]).handle().to_owned();
    assert!(here.weft(["labels"]).text().contains(&format!("{handle} src\n")));
    there.weft(["get", "@src", "out"]).ok();
    let same = there.command("diff").arg("-r").arg(here.path("src")).arg("out").status().unwrap();
    assert!(same.success());
    // What was sent is never overwritten, and without a name it is there too.
    here.weft(["export", "@src", "src.weft"]).fails(1, &["src.weft exists already"]);
    there.weft(["label", "--delete", "src"]).ok();
    let digits = &handle[1..9];
    assert!(there.weft(["ls", digits]).text().contains("deep/"));
}

#[test]
fn it_goes_through_a_pipe_and_through_a_holder() {
    let (here, there) = (sender(), World::new());
    let script = format!(
        "{WEFT} export @src - | (cd {} && {WEFT} import -o json -)",
        there.path("").display()
    );
    let piped = ran(here.command("sh").args(["-c", &script]).output().unwrap());
    let object = json(piped.ok());
    assert_eq!((&object["objects"], &object["results"]), (&Value::from(6), &Value::from(0)));
    let again = here.weft(["export", "--output", "json", "@src", "file"]);
    let told = json(again.ok());
    for name in ["handle", "objects", "results", "left_out", "bytes"] {
        assert_eq!(object[name], told[name], "{name}");
    }
    assert_eq!(fs::metadata(here.path("file")).unwrap().len(), told["bytes"]);
    let cut = format!("{WEFT} export @src - | head -c 1000 > /dev/null; exit ${{PIPESTATUS[0]}}");
    let cut = ran(here.command("bash").args(["-c", &cut]).output().unwrap());
    cut.fails(1, &["nobody reads the export to its end"]);
}

#[test]
fn a_computation_is_evaluated_where_it_arrives() {
    let (here, there) = (sender(), World::new());
    here.weft(["export", "@count", "count.weft"]).ok();
    let wanted = here.weft(["eval", "-q", "-o", "raw", "@count"]).text().to_owned();
    send(&here, &there, "count.weft");
    there.weft(["import", "--label", "count", "count.weft"]).ok();
    let answer = there.json("@count");
    assert_ne!(answer["cost"]["applied"], 0, "{answer}");
    assert_eq!(there.weft(["eval", "-q", "-o", "raw", "@count"]).text(), wanted);
}

#[test]
fn results_are_taken_only_on_trust() {
    let (here, there) = (sender(), World::new());
    let wanted = here.weft(["eval", "-q", "-o", "raw", "@count"]).text().to_owned();
    let exported = here.weft(["export", "--results", "@count", "all.weft"]);
    assert!(exported.text().contains(" results, "), "{exported:?}");
    send(&here, &there, "all.weft");
    let unsure = there.weft(["import", "--label", "count", "all.weft"]);
    assert_eq!(unsure.code, Some(0));
    let words =
        " results in it were left out, which are only somebody's word; `--trust` takes them";
    assert!(unsure.stderr.contains(words), "{unsure:?}");
    assert_ne!(there.json("@count")["cost"]["applied"], 0);

    let third = World::new();
    send(&here, &third, "all.weft");
    let object =
        json(third.weft(["import", "-o", "json", "--trust", "--label", "count", "all.weft"]).ok());
    assert!(object["results"].as_u64().unwrap() > 1 && object["left_out"] == 0, "{object}");
    assert_eq!(third.json("@count")["cost"]["applied"], 0, "all of it was known");
    assert_eq!(third.weft(["eval", "-q", "-o", "raw", "@count"]).text(), wanted);
    // Passed on, it is the same file.
    third.weft(["export", "--results", "@count", "again.weft"]).ok();
    let again = third.weft(["import", "-o", "json", "--trust", "again.weft"]);
    assert_eq!(json(again.ok())["results"], object["results"]);
}

#[test]
fn a_file_that_is_not_right_is_refused_and_named() {
    let here = sender();
    here.weft(["export", "@src", "good"]).ok();
    let good = fs::read(here.path("good")).unwrap();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let there = World::new();
    let last = good.len() - 1;
    let cases = [
        (good[..last].to_vec(), "too early; get it again"),
        (good[..100].to_vec(), "ends after 100 bytes"),
        (
            changed(8, 9),
            "an export of version 9, and this program knows version 1; use the program",
        ),
        (changed(last, !good[last]), "is not what was written"),
        (changed(1_000_000, b'!'), "get it again"),
        (b"hello".to_vec(), "no file that `weft export` made"),
        (Vec::new(), "no file that `weft export` made"),
        ([&good[..], b"\n"].concat(), "something follows the end"),
    ];
    for (bytes, words) in cases {
        there.write("bad", bytes);
        let ran = there.weft(["import", "--label", "bad", "bad"]);
        ran.fails(1, &["bad: ", words, "nothing was taken but content without a name"]);
        assert_eq!(there.weft(["labels"]).text(), "");
    }
    there.weft(["import", "nowhere"]).fails(1, &["cannot read nowhere"]);
    there.weft(["import", "."]).fails(1, &["is a directory and no export"]);
    there.weft(["import", "--label", "beef", "bad"]).fails(2, &["hex digits"]);
    here.weft(["export", "@nothing", "new"]).fails(5, &["there is no label nothing"]);
    here.weft(["export", "@src", "no/such/place"]).fails(1, &["no/such/place"]);
    assert!(!here.path("new").exists());
    // As much as was taken is of use when the whole file comes.
    there.write("good", &good);
    there.weft(["import", "good"]).handle();
}

/// To export what is there takes no right to write.
#[test]
fn export_only_reads() {
    let here = sender();
    let mut holder = here.start(&["eval", "-q", "--deadline", "60s", "@count"], Stdio::null());
    here.weft(["export", "@src", "one.weft"]).ok();
    holder.wait().unwrap();
    here.weft(["export", "@src", "two.weft"]).ok();
    assert_eq!(fs::read(here.path("one.weft")).unwrap(), fs::read(here.path("two.weft")).unwrap());
}
