//! Open files: places, sizes, flags, rights.

use weft_wasi::{Errno, Limits};

use crate::guest::{APPEND, CREAT, DIRECTORY, EXCL, Guest, READ, ROOT, TRUNC, WRITE};
use crate::shelf::{Node, file, link, nodes};

const LONG: &[u8] = b"more than thirty bytes, so that it is no literal";

#[test]
fn a_file_is_read_in_pieces_and_ends() {
    let mut guest = Guest::within(&nodes(&[("a", file(LONG))]));
    let fd = guest.open("a", 0, READ).unwrap();
    assert_eq!(guest.read(fd, 4).unwrap(), b"more");
    assert_eq!(guest.read(fd, 100).unwrap(), &LONG[4..]);
    assert_eq!(guest.read(fd, 100).unwrap(), b"");
    assert_eq!(guest.pread(fd, 4, 5).unwrap(), b"than");
    assert_eq!(guest.pread(fd, 4, u64::MAX).unwrap(), b"");
    assert_eq!(guest.seek(fd, -4, 2).unwrap(), LONG.len() as u64 - 4);
    assert_eq!(guest.read(fd, 100).unwrap(), b"eral");
    assert_eq!(guest.seek(fd, -1, 0), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, -1000, 1), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, 0, 3), Err(Errno::Inval));
    assert_eq!(guest.seek(fd, 0, 1).unwrap(), LONG.len() as u64, "a failed seek moves nothing");
    assert_eq!(guest.write(fd, b"x"), Err(Errno::Badf), "opened for reading");
}

#[test]
fn a_file_is_written_over_and_past_its_end() {
    let mut guest = Guest::within(&nodes(&[("a", Node::File(0o755, LONG.to_vec()))]));
    let fd = guest.open("a", 0, READ | WRITE).unwrap();
    assert_eq!(guest.write(fd, b"less").unwrap(), 4);
    assert_eq!(guest.pwrite(fd, b"!", 50).unwrap(), 1);
    assert_eq!(guest.fstat(fd).unwrap().size, 51);
    let mut expected = [b"less", &LONG[4..]].concat();
    expected.resize(50, 0);
    expected.push(b'!');
    assert_eq!(guest.pread(fd, 100, 0).unwrap(), expected);
    assert_eq!(guest.seek(fd, 0, 1).unwrap(), 4, "pwrite moves nothing");
    assert_eq!(guest.pwrite(fd, b"", 1000).unwrap(), 0);
    assert_eq!(guest.fstat(fd).unwrap().size, 51, "nothing was written there");
    assert_eq!(guest.result_tree(), nodes(&[("a", Node::File(0o755, expected))]));
}

#[test]
fn what_appends_writes_at_the_end_always() {
    let mut guest = Guest::within(&nodes(&[("a", file(b"one"))]));
    let fd = guest.open_with((ROOT, 0), "a", 0, READ | WRITE, APPEND).unwrap();
    assert_eq!(guest.read(fd, 1).unwrap(), b"o");
    guest.write(fd, b" two").unwrap();
    assert_eq!(guest.seek(fd, 0, 1).unwrap(), 7);
    guest.pwrite(fd, b" three", 0).unwrap();
    guest.call("fd_fdstat_set_flags", &[fd.into(), 0]).unwrap();
    guest.pwrite(fd, b"O", 0).unwrap();
    assert_eq!(guest.load("a").unwrap(), b"One two three");
    assert_eq!(guest.call("fd_fdstat_set_flags", &[fd.into(), 2]), Err(Errno::Inval), "dsync");
}

#[test]
fn sizes_are_set_and_allocated() {
    let mut guest = Guest::within(&nodes(&[("a", file(LONG))]));
    let fd = guest.open("a", 0, READ | WRITE).unwrap();
    guest.call("fd_filestat_set_size", &[fd.into(), 4]).unwrap();
    guest.call("fd_allocate", &[fd.into(), 2, 4]).unwrap();
    assert_eq!(guest.pread(fd, 9, 0).unwrap(), b"more\0\0");
    guest.call("fd_allocate", &[fd.into(), 0, 2]).unwrap();
    assert_eq!(guest.fstat(fd).unwrap().size, 6, "allocating never shortens");
    assert_eq!(guest.call("fd_allocate", &[fd.into(), 0, 0]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_allocate", &[fd.into(), u64::MAX, 2]), Err(Errno::Fbig));
    let read_only = guest.open("a", 0, READ).unwrap();
    let set_size = [read_only.into(), 1];
    assert_eq!(guest.call("fd_filestat_set_size", &set_size), Err(Errno::Inval));
    assert_eq!(guest.call("fd_filestat_set_size", &[ROOT.into(), 1]), Err(Errno::Badf));
    guest.open("a", TRUNC, WRITE).unwrap();
    assert_eq!(guest.fstat(fd).unwrap().size, 0);
}

#[test]
fn opening_obeys_its_flags() {
    let mut guest = Guest::within(&nodes(&[
        ("a", file(b"text")),
        ("d", Node::Directory),
        ("to_a", link("a")),
        ("to_none", link("none")),
    ]));
    assert_eq!(guest.open("none", 0, READ), Err(Errno::Noent));
    assert_eq!(guest.open("a", CREAT | EXCL, WRITE), Err(Errno::Exist));
    assert_eq!(guest.open("a", DIRECTORY, READ), Err(Errno::Notdir));
    assert_eq!(guest.open("a/", 0, READ), Err(Errno::Notdir));
    assert_eq!(guest.open("d", 0, READ | WRITE), Err(Errno::Isdir));
    assert_eq!(guest.open("d", DIRECTORY, READ | WRITE), Err(Errno::Isdir));
    assert_eq!(guest.open("d", CREAT, READ), Err(Errno::Isdir));
    assert_eq!(guest.open("d", CREAT | DIRECTORY, READ), Err(Errno::Inval));
    assert_eq!(guest.open("a", 16, READ), Err(Errno::Inval), "an unknown flag");
    assert_eq!(guest.open_with((ROOT, 2), "a", 0, READ, 0), Err(Errno::Inval));
    assert_eq!(guest.open_with((ROOT, 0), "a", 0, READ, 32), Err(Errno::Inval));
    assert_eq!(guest.open_with((ROOT, 0), "to_a", 0, READ, 0), Err(Errno::Loop));
    assert_eq!(guest.open("to_none", CREAT | EXCL, WRITE), Err(Errno::Exist));
    assert_eq!(guest.open("new/", CREAT, WRITE), Err(Errno::Isdir));
    assert_eq!(guest.open_with((1, 0), "a", 0, READ, 0), Err(Errno::Badf));
    assert_eq!(guest.open("to_a", EXCL, READ), Ok(4), "alone it means nothing");
    let fd = guest.open("to_none", CREAT, WRITE).unwrap();
    assert_eq!(guest.write(fd, b"made").unwrap(), 4);
    assert_eq!(guest.open_with((fd, 0), "a", 0, READ, 0), Err(Errno::Notdir));
    assert_eq!(guest.load("none").unwrap(), b"made");
}

#[test]
fn without_rights_a_file_can_be_read_and_a_new_one_written() {
    let mut guest = Guest::within(&nodes(&[("a", file(b"text"))]));
    let fd = guest.open("a", 0, 0).unwrap();
    assert_eq!(guest.read(fd, 9).unwrap(), b"text");
    let fd = guest.open("b", CREAT, 0).unwrap();
    assert_eq!(guest.write(fd, b"more").unwrap(), 4);
    let fd = guest.open("a", 0, WRITE).unwrap();
    assert_eq!(guest.read(fd, 9), Err(Errno::Badf));
}

#[test]
fn descriptors_are_the_lowest_and_bounded() {
    let limits = Limits { descriptors: 6, ..Limits::default() };
    let mut guest = Guest::limited(&nodes(&[("a", file(b"text"))]), limits);
    assert_eq!(guest.open("a", 0, READ), Ok(4));
    assert_eq!(guest.open("a", 0, READ), Ok(5));
    assert_eq!(guest.open("a", 0, READ), Err(Errno::Mfile));
    assert_eq!(guest.open("new", CREAT, WRITE), Err(Errno::Mfile));
    assert_eq!(guest.stat("new"), Err(Errno::Noent), "it was not made either");
    guest.close(4).unwrap();
    assert_eq!(guest.close(4), Err(Errno::Badf));
    assert_eq!(guest.open("a", 0, READ), Ok(4));
    guest.read(5, 2).unwrap();
    guest.call("fd_renumber", &[5, 4]).unwrap();
    assert_eq!(guest.read(4, 9).unwrap(), b"xt", "with its place");
    assert_eq!(guest.read(5, 9), Err(Errno::Badf));
    assert_eq!(guest.call("fd_renumber", &[4, 5]), Err(Errno::Badf));
    assert_eq!(guest.call("fd_renumber", &[5, 4]), Err(Errno::Badf));
    guest.call("fd_renumber", &[4, 4]).unwrap();
}

#[test]
fn past_the_limit_there_is_no_room() {
    let limits = Limits { written_bytes: 4000, ..Limits::default() };
    let all = nodes(&[("big", file(&[7; 3000])), ("a", file(LONG))]);
    let mut guest = Guest::limited(&all, limits);
    let big = guest.open("big", 0, READ | WRITE).unwrap();
    let a = guest.open("a", 0, READ | WRITE).unwrap();
    guest.write(big, b"x").unwrap();
    assert_eq!(guest.write(1, &[1; 2000]), Err(Errno::Nospc), "the big file counts in full");
    assert_eq!(guest.write(a, b"y").unwrap(), 1);
    assert_eq!(guest.call("fd_filestat_set_size", &[a.into(), 1 << 40]), Err(Errno::Nospc));
    assert_eq!(guest.pwrite(a, b"x", 1 << 62), Err(Errno::Nospc));
    assert_eq!(guest.pwrite(a, b"xy", u64::MAX - 1), Err(Errno::Fbig));
    assert_eq!(guest.pread(a, 100, 0).unwrap(), [b"y", &LONG[1..]].concat());
    guest.call("fd_filestat_set_size", &[big.into(), 10]).unwrap();
    assert_eq!(guest.write(1, &[1; 2000]), Ok(2000), "what was cut off is free again");
    guest.close(big).unwrap();
    guest.unlink("big").unwrap();
    for n in 0..7 {
        guest.mkdir(&format!("d{n}")).unwrap();
    }
    assert_eq!(guest.mkdir("d7"), Err(Errno::Nospc), "names count too");
    guest.rmdir("d0").unwrap();
    guest.mkdir("d7").unwrap();
}

#[test]
fn what_is_open_outlives_its_name() {
    let mut guest = Guest::within(&nodes(&[("a", file(LONG)), ("b", file(b"b"))]));
    let fd = guest.open("a", 0, READ | WRITE).unwrap();
    guest.unlink("a").unwrap();
    assert_eq!(guest.stat("a"), Err(Errno::Noent));
    assert_eq!(guest.read(fd, 4).unwrap(), b"more");
    guest.write(fd, b"!").unwrap();
    assert_eq!(guest.fstat(fd).unwrap().links, 0);
    let other = guest.open("b", 0, READ).unwrap();
    guest.save("new", b"new").unwrap();
    guest.rename("new", "b").unwrap();
    assert_eq!(guest.read(other, 9).unwrap(), b"b");
    assert_eq!(guest.result_tree(), nodes(&[("b", file(b"new"))]));
}

#[test]
fn links_share_a_file_until_the_end() {
    let mut guest = Guest::within(&nodes(&[("a", file(LONG)), ("s", link("a"))]));
    guest.link("a", "b").unwrap();
    assert_eq!(guest.stat("a").unwrap().links, 2);
    assert_eq!(guest.stat("a"), guest.stat("b"));
    let fd = guest.open("b", 0, WRITE).unwrap();
    guest.write(fd, b"both").unwrap();
    let bytes = [b"both", &LONG[4..]].concat();
    assert_eq!(guest.load("a").unwrap(), bytes);
    guest.unlink("a").unwrap();
    assert_eq!(guest.fstat(fd).unwrap().links, 1);
    guest.link("b", "a").unwrap();
    guest.link("s", "t").unwrap();
    assert_eq!(guest.readlink("t", 99).unwrap(), b"a", "a link itself is linked");
    let expected = [("a", file(&bytes)), ("b", file(&bytes)), ("s", link("a")), ("t", link("a"))];
    assert_eq!(guest.result_tree(), nodes(&expected));
}

#[test]
fn times_are_set_within_the_run() {
    let mut guest = Guest::within(&nodes(&[("a", file(LONG)), ("s", link("a"))]));
    let start = 1_577_836_800_000_000_000;
    assert_eq!(guest.stat("a").unwrap().times, [start; 3]);
    let fd = guest.open("a", 0, WRITE).unwrap();
    guest.call("fd_filestat_set_times", &[fd.into(), 5, 7, 1 | 4]).unwrap();
    assert_eq!(guest.stat("a").unwrap().times, [5, 7, start]);
    guest.call("clock_time_get", &[0, 0, 0]).unwrap();
    guest.call("fd_filestat_set_times", &[fd.into(), 5, 7, 2]).unwrap();
    assert_eq!(guest.stat("a").unwrap().times, [start + 1000, 7, start + 1000]);
    for flags in [3, 12, 16] {
        let set_times = [fd.into(), 0, 0, flags];
        assert_eq!(guest.call("fd_filestat_set_times", &set_times), Err(Errno::Inval));
    }
    guest.write(fd, b"x").unwrap();
    assert_eq!(guest.stat("a").unwrap().times[1], start + 1000);
    let [at, len] = guest.put(0x2000, b"s");
    guest.call("path_filestat_set_times", &[3, 0, at, len, 0, 9, 4]).unwrap();
    assert_eq!(guest.lstat("s").unwrap().times[1], 9, "of the link itself");
    assert_eq!(guest.stat("s").unwrap().times[1], start + 1000);
}

#[test]
fn what_a_descriptor_is() {
    let mut guest = Guest::within(&nodes(&[("a", file(LONG)), ("d", Node::Directory)]));
    let all = (1 << 30) - 1;
    let a = guest.open_with((ROOT, 0), "a", 0, READ, 16).unwrap();
    guest.call("fd_fdstat_set_flags", &[a.into(), 4]).unwrap();
    assert_eq!(guest.call("fd_fdstat_set_flags", &[ROOT.into(), 4]), Err(Errno::Badf));
    let d = guest.open("d", DIRECTORY, READ).unwrap();
    let directory = 0x07b7_fe00;
    for (fd, kind, flags, base) in
        [(0, 0, 0, READ), (1, 0, 0, WRITE), (a, 4, 20, all & !WRITE), (d, 3, 0, directory)]
    {
        guest.call("fd_fdstat_get", &[fd.into(), 0x200]).unwrap();
        assert_eq!(guest.memory[0x200], kind, "kind of {fd}");
        assert_eq!(guest.u32_at(0x200) >> 16, flags, "flags of {fd}");
        assert_eq!(guest.u64_at(0x208), base, "rights of {fd}");
    }
    assert_eq!(guest.u64_at(0x210) & (READ | WRITE), READ | WRITE, "what is below may be both");
    assert_eq!(guest.read(d, 1), Err(Errno::Badf));
    assert_eq!(guest.write(d, b"x"), Err(Errno::Badf));
    assert_eq!(guest.seek(d, 0, 0), Err(Errno::Badf));
    guest.call("fd_advise", &[a.into(), 0, 0, 5]).unwrap();
    assert_eq!(guest.call("fd_advise", &[a.into(), 0, 0, 6]), Err(Errno::Inval));
    assert_eq!(guest.call("fd_advise", &[d.into(), 0, 0, 0]), Err(Errno::Badf));
    for sync in ["fd_sync", "fd_datasync"] {
        guest.call(sync, &[a.into()]).unwrap();
        assert_eq!(guest.call(sync, &[d.into()]), Err(Errno::Badf));
        assert_eq!(guest.call(sync, &[1]), Err(Errno::Badf));
    }
    assert_eq!(guest.call("fd_fdstat_set_rights", &[a.into(), 0, 0]), Err(Errno::Notsup));
    assert_eq!(guest.call("fd_fdstat_set_rights", &[99, 0, 0]), Err(Errno::Badf));
}

#[test]
fn what_is_gone_is_free_again() {
    let limits = Limits { written_bytes: 3000, ..Limits::default() };
    let mut guest = Guest::limited(&nodes(&[("a", file(&[1; 2000]))]), limits);
    for _ in 0..20 {
        guest.save("new", &[7; 2000]).unwrap();
        guest.unlink("new").unwrap();
        guest.symlink(&"x".repeat(2000), "new").unwrap();
        guest.unlink("new").unwrap();
        guest.save("one", &[7; 1000]).unwrap();
        guest.save("other", &[7; 1000]).unwrap();
        guest.rename("one", "other").unwrap();
        guest.unlink("other").unwrap();
    }
    let held = guest.open("held", CREAT, WRITE).unwrap();
    guest.write(held, &[7; 2000]).unwrap();
    guest.unlink("held").unwrap();
    assert_eq!(guest.save("new", &[7; 2000]), Err(Errno::Nospc), "still open");
    guest.close(held).unwrap();
    guest.save("new", &[7; 2000]).unwrap();
    guest.unlink("new").unwrap();
    let a = guest.open("a", 0, WRITE).unwrap();
    guest.write(a, b"x").unwrap();
    assert_eq!(guest.save("new", &[7; 2000]), Err(Errno::Nospc));
    guest.call("fd_renumber", &[ROOT.into(), a.into()]).unwrap();
    let start = guest.start;
    guest.start = a;
    guest.unlink("a").unwrap();
    guest.save("new", &[7; 2000]).unwrap();
    guest.start = start;
}
