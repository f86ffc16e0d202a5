//! A machine with little address space: no pool, and growth that the limit
//! permits and the machine does not provide.

use std::process::Command;
use std::sync::Arc;

use weft_engine::NoAnswerKind::HostMemory;
use weft_engine::{Config, Engine, Outcome, RunBounds};
use weft_object::Handle;

use crate::harness::{Case, config};

const VARIABLE: &str = "WEFT_TEST_SCARCE";

/// Applies things in an engine of its own; under [`VARIABLE`] where address
/// space is scarce.
#[test]
fn here() {
    let scarce = std::env::var_os(VARIABLE).is_some();
    let engine = Arc::new(Engine::new(config()).unwrap());
    assert_eq!(engine.pool_refused().is_some(), scarce, "{:?}", engine.pool_refused());
    let add = Case::binary(include_bytes!("../../../../guests/bin/add.wasm"))
        .argument(Handle::of_u64(40))
        .argument(Handle::of_u64(2))
        .on(&engine);
    assert_eq!(add.number(), 42);
    // 3 GiB, permitted by limit and maximum.
    let grow = Case::body("(call $num (memory.grow (i32.const 49152)))").limit(4 << 30).on(&engine);
    match grow.apply().outcome {
        Outcome::Value(value) => assert!(!scarce && value == Handle::of_u64(1), "{value:?}"),
        Outcome::NoAnswer { kind: HostMemory, .. } => assert!(scarce),
        other => panic!("{other:?}"),
    }
    assert_eq!(add.number(), 42);
    // What a generous bound permits and the machine does not provide: a copy
    // beside a memory of 900 MiB, and a Tree of 2 GiB.
    if scarce {
        let bounds = RunBounds { made_max_bytes: u64::MAX, ..config().bounds };
        let engine = Arc::new(Engine::new(Config { bounds, ..config() }).unwrap());
        for (pages, make) in [
            (14400, "(call $blob_new (i32.const 0) (i32.const 900000000))"),
            (4096, "(call $tree_new (i32.const 0) (i32.const 0x4000000))"),
        ] {
            let body = format!("(drop (memory.grow (i32.const {pages}))) {make}");
            let case = Case::body(&body).limit(1 << 30).on(&engine);
            let Outcome::NoAnswer { kind, detail } = case.apply().outcome else { panic!() };
            assert_eq!(kind, HostMemory, "{detail}");
            assert!(detail.contains("for what the function makes"), "{detail}");
        }
    }
    assert_eq!(add.number(), 42);
}

#[cfg(target_os = "linux")]
#[test]
fn with_little_address_space() {
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 2000000 && exec \"$0\" --exact scarce::here --test-threads 1"])
        .arg(std::env::current_exe().unwrap())
        .env(VARIABLE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{text}");
}
