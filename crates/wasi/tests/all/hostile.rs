//! Calls with anything as arguments.

use proptest::prelude::*;
use weft_wasi::{CALLS, Errno, fuzz_calls};

use crate::guest::{Guest, ROOT};
use crate::shelf::{file, nodes};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::cases(3000)))]

    #[test]
    fn no_sequence_of_calls_breaks_a_promise(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_calls(&data);
    }

    #[test]
    fn paths_met_often_break_no_promise(
        data in prop::collection::vec(
            prop::sample::select(vec![3, 4, 5, 0, 1, 2, 6, 7, 27, 30, 31, 33, 34, 35, 36, 26, 21]),
            0..400,
        ),
    ) {
        fuzz_calls(&data);
    }
}

/// Every argument at the end of what it could be, each call.
#[test]
fn extreme_arguments_are_errors_and_no_panic() {
    let all = nodes(&[("a", file(b"text"))]);
    for value in [0, 1, 3, 0xf_ffff, 0x10_0000, 0x7fff_ffff, 0xffff_fff8, 0xffff_ffff] {
        let mut guest = Guest::within(&all);
        for call in CALLS {
            let wide = |wasm| match wasm {
                weft_wasi::Wasm::I32 => value,
                weft_wasi::Wasm::I64 => value << 32 | value,
            };
            let arguments: Vec<u64> = call.params.iter().map(|(_, wasm)| wide(*wasm)).collect();
            let _ = guest.stop(call.name, &arguments);
        }
    }
}

#[test]
fn addresses_outside_are_faults() {
    let mut guest = Guest::within(&nodes(&[("a", file(b"text"))]));
    let end = 0x10_0000;
    let root = u64::from(ROOT);
    let [a, one] = guest.put(0x2000, b"a");
    let open = |result| [root, 0, a, one, 0, 2, 0, 0, result];
    assert_eq!(guest.call("path_open", &open(end - 3)), Err(Errno::Fault));
    assert_eq!(guest.call("path_open", &open(end - 4)), Ok(()), "the last place there is");
    assert_eq!(guest.u32_at(end as u32 - 4), 4, "the failed call took no descriptor");
    assert_eq!(guest.call("random_get", &[end - 1, 2]), Err(Errno::Fault));
    assert_eq!(guest.call("random_get", &[end, 0]), Ok(()));
    assert_eq!(guest.call("random_get", &[0xffff_ffff, 0xffff_ffff]), Err(Errno::Fault));
    assert_eq!(guest.call("fd_filestat_get", &[4, end - 63]), Err(Errno::Fault));
    assert_eq!(guest.call("path_unlink_file", &[root, end, 1]), Err(Errno::Fault));
    let list: Vec<u8> = [0u32, 0x8000_0000, 0, 0x8000_0000].map(u32::to_le_bytes).concat();
    let [list, _] = guest.put(0x3000, &list);
    assert_eq!(guest.call("fd_read", &[4, list, 2, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("fd_read", &[4, end - 4, 1, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("fd_readdir", &[root, end - 1, 2, 0, 0]), Err(Errno::Fault));
    assert_eq!(guest.call("poll_oneoff", &[end - 47, 0, 1, 0]), Err(Errno::Fault));
}

#[test]
fn buffers_longer_than_a_number_together_are_refused() {
    // Each lies in memory; their sum has more than 32 bits.
    let mut guest = Guest::within(&nodes(&[]));
    guest.memory.resize(1 << 28, 0);
    let list: Vec<u8> = (0..17).flat_map(|_| [0u32, 1 << 28]).flat_map(u32::to_le_bytes).collect();
    let [list, _] = guest.put(0x3000, &list);
    assert_eq!(guest.call("fd_write", &[1, list, 17, 0]), Err(Errno::Inval));
}
