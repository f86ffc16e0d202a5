//! Pictures of computations, asked of the program.

use serde_json::Value;

use crate::world::World;

const FIB: &str = "apply(./fib.wasm, ./add.wasm, 9u64)";

fn world() -> World {
    let world = World::new();
    world.guest("add.wasm");
    world.guest("fib.wasm");
    world
}

#[test]
fn a_computation_is_drawn_with_what_ran() {
    let world = world();
    let ran = world.weft(["graph", "-q", "--run", "-o", "json", FIB]);
    let object: Value = serde_json::from_str(ran.text()).unwrap();
    // Every n once, and a sum for each n above 1.
    assert_eq!((&object["applications"], &object["ran"]), (&18.into(), &18.into()));
    assert_eq!((&object["unknown"], &object["more"]), (&0.into(), &false.into()));
    assert!(object["critical_ns"].as_u64().unwrap() <= object["run_ns"].as_u64().unwrap());
    let nodes = object["nodes"].as_array().unwrap();
    let calls = nodes.iter().filter(|node| node["sort"] == "value");
    assert_eq!(calls.clone().map(|node| node["count"].as_u64().unwrap()).sum::<u64>(), 18);
    assert_eq!(calls.filter(|node| node["result"] == true).count(), 1);
    // A second time what was kept is known, and the rest is found out again.
    let again = world.weft(["graph", "-q", "--run", "-o", "json", FIB]);
    let again: Value = serde_json::from_str(again.text()).unwrap();
    assert_eq!((&again["applications"], &again["unknown"]), (&18.into(), &0.into()));
    assert!(again["ran"].as_u64() < object["ran"].as_u64());
}

#[test]
fn a_picture_goes_where_it_is_wanted() {
    let world = world();
    let svg = world.weft(["graph", "-q", "--run", FIB]);
    assert!(svg.text().starts_with("<svg ") && svg.text().ends_with("</svg>\n"));
    assert!(svg.text().contains("18 applications, 18 ran now"), "{svg:?}");
    world.weft(["graph", "-q", "--to", "fib.svg", FIB]).ok();
    let file = std::fs::read_to_string(world.path("fib.svg")).unwrap();
    assert!(file.starts_with("<svg "), "{file}");
    let nowhere = world.weft(["graph", "-q", "--to", "no/where.svg", FIB]);
    nowhere.fails(1, &["cannot write no/where.svg: "]);
    let dot = world.weft(["graph", "-q", "-o", "dot", FIB]);
    assert!(dot.text().starts_with("digraph weft {\n"), "{dot:?}");
}

/// Of a result, the computation that made it is drawn.
#[test]
fn of_a_result_its_computation_is_drawn() {
    let world = world();
    world.weft(["eval", "-q", "--label", "sum", "apply(./add.wasm, 20u64, 22u64)"]).ok();
    let ran = world.weft(["graph", "-q", "--run", "-o", "json", "@sum"]);
    let object: Value = serde_json::from_str(ran.text()).unwrap();
    assert_eq!(
        (&object["applications"], &object["nodes"][0]["detail"]),
        (&1.into(), &"20u64, 22u64".into())
    );
    world.weft(["add", "--label", "input", "add.wasm"]).ok();
    let input = world.weft(["graph", "@input"]);
    input.fails(5, &["is an input: no computation is known that came to it"]);
}

#[test]
fn boxes_are_as_few_as_asked() {
    let world = world();
    let ran = world.weft(["graph", "-q", "--run", "--boxes", "4", "-o", "json", FIB]);
    let object: Value = serde_json::from_str(ran.text()).unwrap();
    let nodes = object["nodes"].as_array().unwrap();
    assert!(nodes.len() <= 6, "{nodes:?}");
    let counts = nodes.iter().filter(|node| node["sort"] != "input");
    assert_eq!(counts.map(|node| node["count"].as_u64().unwrap()).sum::<u64>(), 18);
}
