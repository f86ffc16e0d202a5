//! A machine with little address space: no pool, and growth that the limit
//! permits and the machine does not provide.

use std::process::Command;
use std::sync::Arc;

use weft_engine::NoAnswerKind::HostMemory;
use weft_engine::{Engine, Outcome};
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
