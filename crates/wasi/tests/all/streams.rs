//! Streams, arguments, clocks, random bytes, waiting, ending.

use weft_object::{Blob, Handle};
use weft_wasi::{ClockRule, Errno, Invocation, InvocationError, Preopen, Process, Stop};

use crate::guest::{Guest, READ, ROOT};
use crate::shelf::{Shelf, file, nodes};

#[test]
fn input_is_read_and_output_kept() {
    let mut guest = Guest::with_stdin(b"two words");
    assert_eq!(guest.read(0, 4).unwrap(), b"two ");
    assert_eq!(guest.read(0, 100).unwrap(), b"words");
    assert_eq!(guest.read(0, 100).unwrap(), b"");
    guest.write(1, b"to ").unwrap();
    guest.write(2, b"careful").unwrap();
    guest.write(1, b"all").unwrap();
    assert_eq!(guest.read(1, 1), Err(Errno::Badf));
    assert_eq!(guest.write(0, b"x"), Err(Errno::Badf));
    assert_eq!(guest.seek(0, 0, 1), Err(Errno::Spipe));
    assert_eq!(guest.call("fd_tell", &[1, 0]), Err(Errno::Spipe));
    assert_eq!(guest.pread(0, 1, 0), Err(Errno::Spipe));
    assert_eq!(guest.pwrite(1, b"x", 0), Err(Errno::Spipe));
    assert_eq!(guest.fstat(1).unwrap().filetype, 0);
    guest.close(1).unwrap();
    assert_eq!(guest.write(1, b"x"), Err(Errno::Badf));
    let (finished, _) = guest.finish();
    assert_eq!(finished.stdout.bytes(), b"to all");
    assert_eq!(finished.stderr.bytes(), b"careful");
    assert!(finished.roots.is_empty());
}

#[test]
fn buffers_are_gathered_and_scattered() {
    let mut guest = Guest::with_stdin(b"abcdef");
    let list: Vec<u8> =
        [0x5000u32, 2, 0x5010, 0, 0x5020, 3].iter().flat_map(|n| n.to_le_bytes()).collect();
    let [at, _] = guest.put(0x2000, &list);
    guest.call("fd_read", &[0, at, 3, 0]).unwrap();
    assert_eq!(guest.u32_at(0), 5);
    assert_eq!(&guest.memory[0x5000..0x5002], b"ab");
    assert_eq!(&guest.memory[0x5020..0x5023], b"cde");
    guest.call("fd_write", &[1, at, 3, 0]).unwrap();
    assert_eq!(guest.u32_at(0), 5);
    assert_eq!(guest.call("fd_write", &[1, at, 1025, 0]), Err(Errno::Inval), "too many");
    assert_eq!(guest.finish().0.stdout.bytes(), b"abcde");
}

#[test]
fn arguments_and_environment_are_as_given() {
    let arguments = vec![b"prog".to_vec(), b"".to_vec(), b"\xff".to_vec()];
    let environment = vec![b"A=1".to_vec(), b"B=".to_vec()];
    let invocation = Invocation { arguments, environment, ..Invocation::default() };
    let mut guest = Guest::new(invocation, Shelf::default());
    guest.call("args_sizes_get", &[0, 4]).unwrap();
    assert_eq!((guest.u32_at(0), guest.u32_at(4)), (3, 8));
    guest.call("args_get", &[0x10, 0x40]).unwrap();
    assert_eq!([0x10, 0x14, 0x18].map(|at| guest.u32_at(at)), [0x40, 0x45, 0x46]);
    assert_eq!(&guest.memory[0x40..0x48], b"prog\0\0\xff\0");
    guest.call("environ_sizes_get", &[0, 4]).unwrap();
    assert_eq!((guest.u32_at(0), guest.u32_at(4)), (2, 7));
    guest.call("environ_get", &[0x10, 0x40]).unwrap();
    assert_eq!(&guest.memory[0x40..0x47], b"A=1\0B=\0");
    assert_eq!(guest.call("environ_get", &[0x10, 0xf_fffa]), Err(Errno::Fault));
}

#[test]
fn what_no_program_could_be_given_is_refused() {
    let check = |invocation: Invocation, text: &str| {
        assert_eq!(Process::new(invocation).unwrap_err().to_string(), text);
    };
    let none = Invocation::default;
    check(
        Invocation { arguments: vec![b"a\0b".to_vec()], ..none() },
        "argument 0 has a NUL byte; remove it",
    );
    check(
        Invocation { environment: vec![b"A=".to_vec(), b"A".to_vec()], ..none() },
        "environment entry 1 has no `=`; write KEY=VALUE",
    );
    check(
        Invocation { environment: vec![b"A=\0".to_vec()], ..none() },
        "environment entry 0 has a NUL byte; remove it",
    );
    let root = Handle::of_blob(b"text");
    let preopens = vec![Preopen { path: b"/".to_vec(), root }];
    let error = Process::new(Invocation { preopens, ..none() }).unwrap_err();
    assert_eq!(error, InvocationError::Root(root));
    let text = format!("{root} is a blob, not a directory; give a tree");
    assert_eq!(error.to_string(), text);
}

#[test]
fn clocks_go_by_their_rule() {
    let clock = ClockRule { start_ns: 1_000_000, step_ns: 10 };
    let mut guest = Guest::new(Invocation { clock, ..Invocation::default() }, Shelf::default());
    guest.call("clock_res_get", &[0, 0]).unwrap();
    assert_eq!(guest.u64_at(0), 10);
    for (id, expected) in [(0, 1_000_000), (1, 1_000_010), (0, 1_000_020)] {
        guest.call("clock_time_get", &[id, 0, 0]).unwrap();
        assert_eq!(guest.u64_at(0), expected);
    }
    assert_eq!(guest.call("clock_time_get", &[2, 0, 0]), Err(Errno::Badf), "processor time");
    assert_eq!(guest.call("clock_res_get", &[4, 0]), Err(Errno::Inval));
}

#[test]
fn random_bytes_follow_from_the_seed_alone() {
    let bytes = |seed, cuts: &[u64]| {
        let seed = Invocation::seed_of(seed);
        let mut guest = Guest::new(Invocation { seed, ..Invocation::default() }, Shelf::default());
        let mut at = 0x100;
        for len in cuts {
            guest.call("random_get", &[at, *len]).unwrap();
            at += len;
        }
        guest.memory[0x100..0x100 + 100].to_vec()
    };
    assert_eq!(bytes(1, &[100]), bytes(1, &[1, 23, 24, 0, 25, 27]));
    assert_ne!(bytes(1, &[100]), bytes(2, &[100]));
    let input = [&b"weft/1 wasi random"[..], &Invocation::seed_of(1), &1u64.to_le_bytes()].concat();
    let block = Handle::of_blob(&input);
    assert_eq!(bytes(1, &[100])[24..48], block.as_bytes()[..24], "as docs/wasi.md says");
}

fn subscription(userdata: u64, tag: u8, subject: u32, timeout: u64, flags: u16) -> Vec<u8> {
    let mut raw = vec![0; 48];
    raw[..8].copy_from_slice(&userdata.to_le_bytes());
    raw[8] = tag;
    raw[16..20].copy_from_slice(&subject.to_le_bytes());
    raw[24..32].copy_from_slice(&timeout.to_le_bytes());
    raw[40..42].copy_from_slice(&flags.to_le_bytes());
    raw
}

/// Userdata, errno, type, bytes and flags of each event.
fn poll(guest: &mut Guest, subscriptions: &[Vec<u8>]) -> Vec<(u64, u32, u8, u64, u32)> {
    guest.put(0x1000, &subscriptions.concat());
    guest.call("poll_oneoff", &[0x1000, 0x4000, subscriptions.len() as u64, 0]).unwrap();
    let event = |n| {
        let at = 0x4000 + 32 * n;
        let kind = guest.memory[at as usize + 10];
        let (errno, flags) = (guest.u32_at(at + 8) & 0xffff, guest.u32_at(at + 24));
        (guest.u64_at(at), errno, kind, guest.u64_at(at + 16), flags)
    };
    (0..guest.u32_at(0)).map(event).collect()
}

fn now(guest: &mut Guest) -> u64 {
    guest.call("clock_time_get", &[1, 0, 0]).unwrap();
    guest.u64_at(0)
}

#[test]
fn waiting_takes_virtual_time_alone() {
    let clock = ClockRule { start_ns: 1000, step_ns: 0 };
    let mut guest = Guest::new(Invocation { clock, ..Invocation::default() }, Shelf::default());
    let clocks = [
        subscription(1, 0, 1, 500, 0),
        subscription(2, 0, 0, 1500, 1),
        subscription(3, 0, 1, 501, 0),
    ];
    assert_eq!(poll(&mut guest, &clocks), [(1, 0, 0, 0, 0), (2, 0, 0, 0, 0)]);
    assert_eq!(now(&mut guest), 1500);
    let past = [subscription(1, 0, 1, 900, 1), subscription(2, 0, 1, 1, 0)];
    assert_eq!(poll(&mut guest, &past), [(1, 0, 0, 0, 0)]);
    assert_eq!(now(&mut guest), 1500, "time does not go back");
    assert_eq!(poll(&mut guest, &[subscription(1, 0, 1, u64::MAX, 0)]).len(), 1);
    assert_eq!(now(&mut guest), u64::MAX);
}

#[test]
fn streams_and_files_are_ready_at_once() {
    let mut shelf = Shelf::default();
    let root = shelf.directory(&nodes(&[("a", file(b"text"))]));
    let preopens = vec![Preopen { path: b"/".to_vec(), root }];
    let stdin = Blob::new(b"four".to_vec());
    let mut guest = Guest::new(Invocation { preopens, stdin, ..Invocation::default() }, shelf);
    let before = now(&mut guest);
    let fd = guest.open("a", 0, READ).unwrap();
    guest.read(fd, 1).unwrap();
    let all = [
        subscription(1, 0, 1, 1_000_000, 0),
        subscription(2, 1, 0, 0, 0),
        subscription(3, 2, 1, 0, 0),
        subscription(4, 1, fd, 0, 0),
    ];
    let events = poll(&mut guest, &all);
    assert_eq!(now(&mut guest), before + 1000, "nobody waited");
    assert_eq!(events[0], (2, 0, 1, 4, 0));
    assert_eq!((events[1].0, events[1].1, events[1].2), (3, 0, 2));
    assert_eq!(events[2], (4, 0, 1, 3, 0));
    assert_eq!(events.len(), 3);
    let mut refused = |wrong: Vec<u8>| {
        guest.put(0x1000, &[subscription(1, 0, 1, 1_000_000, 0), wrong].concat());
        guest.call("poll_oneoff", &[0x1000, 0x4000, 2, 0])
    };
    assert_eq!(refused(subscription(5, 2, fd, 0, 0)), Err(Errno::Badf), "not open for writing");
    assert_eq!(refused(subscription(6, 1, 77, 0, 0)), Err(Errno::Badf));
    assert_eq!(refused(subscription(6, 2, 77, 0, 0)), Err(Errno::Badf));
    assert_eq!(refused(subscription(7, 0, 9, 0, 0)), Err(Errno::Inval), "no such clock");
    assert_eq!(now(&mut guest), before + 2000, "nor was there a wait in what is refused");
    guest.read(0, 9).unwrap();
    assert_eq!(poll(&mut guest, &[subscription(2, 1, 0, 0, 0)]), [(2, 0, 1, 0, 1)], "at its end");
    assert_eq!(guest.call("poll_oneoff", &[0, 0, 0, 0]), Err(Errno::Inval));
    assert_eq!(guest.call("poll_oneoff", &[0, 0, 1025, 0]), Err(Errno::Inval));
    guest.put(0x1000, &subscription(1, 3, 0, 0, 0));
    assert_eq!(guest.call("poll_oneoff", &[0x1000, 0x4000, 1, 0]), Err(Errno::Inval));
}

#[test]
fn a_program_ends_with_its_code_and_nothing_else_is_there() {
    let mut guest = Guest::within(&nodes(&[]));
    assert_eq!(guest.stop("proc_exit", &[300]), Err(Stop::Exit(300)));
    assert_eq!(guest.call("proc_raise", &[6]), Err(Errno::Nosys));
    guest.call("sched_yield", &[]).unwrap();
    for (name, count) in [("sock_accept", 3), ("sock_recv", 6), ("sock_send", 5)] {
        assert_eq!(guest.call(name, &vec![3; count]), Err(Errno::Notsup), "{name}");
    }
    assert_eq!(guest.call("sock_shutdown", &[1, 0]), Err(Errno::Notsock));
    assert_eq!(guest.call("sock_shutdown", &[77, 0]), Err(Errno::Badf));
}

#[test]
fn preopened_directories_say_their_path() {
    let mut shelf = Shelf::default();
    let root = shelf.directory(&nodes(&[]));
    let preopen = |path: &str| Preopen { path: path.into(), root };
    let preopens = vec![preopen("/"), preopen("/data")];
    let mut guest = Guest::new(Invocation { preopens, ..Invocation::default() }, shelf);
    guest.call("fd_prestat_get", &[4, 0]).unwrap();
    assert_eq!((guest.u32_at(0), guest.u32_at(4)), (0, 5));
    guest.call("fd_prestat_dir_name", &[4, 0x50, 5]).unwrap();
    assert_eq!(&guest.memory[0x50..0x56], b"/data\0");
    assert_eq!(guest.call("fd_prestat_dir_name", &[4, 0x50, 4]), Err(Errno::Nametoolong));
    assert_eq!(guest.call("fd_prestat_get", &[5, 0]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_prestat_get", &[0, 0]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_prestat_dir_name", &[0, 0, 9]), Err(Errno::Notdir));
    let opened = guest.open(".", 0, READ).unwrap();
    let get = [opened.into(), 0];
    assert_eq!(guest.call("fd_prestat_get", &get), Err(Errno::Badf), "opened, not given");
    guest.close(ROOT).unwrap();
    assert_eq!(guest.call("fd_prestat_get", &[3, 0]), Err(Errno::Badf));
}
