//! Reading, writing and where.

use crate::check::{Check, DIR, Done, get, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, same};

pub const CHECKS: &[Check] = &[
    ("file_read_and_write", read_and_write),
    ("file_vectors", vectors),
    ("file_at_an_offset", at_an_offset),
    ("file_seek", seek),
    ("file_seek_unknown", seek_unknown),
    ("file_hole", hole),
    ("file_large", large),
    ("file_set_size", set_size),
    ("file_allocate", allocate),
    ("file_advise_and_sync", advise_and_sync),
    ("file_advise_unknown", advise_unknown),
    ("file_two_descriptors", two_descriptors),
    ("file_std", with_std),
];

fn read_and_write() -> Done {
    let fd = Open::both().create().at(DIR, "file_read")?;
    same!(raw::read(fd, &mut [0; 8])?, 0);
    same!(raw::write(fd, b"hello world")?, 11);
    same!(raw::tell(fd)?, 11);
    same!(raw::seek(fd, 6, raw::FROM_START)?, 6);
    let mut buffer = [0; 8];
    same!(raw::read(fd, &mut buffer)?, 5);
    same!(buffer, *b"world\0\0\0");
    same!(raw::read(fd, &mut buffer)?, 0);
    same!(raw::read(fd, &mut [])?, 0);
    same!(raw::write(fd, b"")?, 0);
    raw::seek(fd, 0, raw::FROM_START)?;
    same!(raw::write(fd, b"J")?, 1);
    raw::close(fd)?;
    same!(get("file_read")?, b"Jello world");
    Ok(())
}

fn vectors() -> Done {
    let fd = Open::both().create().at(DIR, "file_vectors")?;
    // A host may write less than all, but not nothing.
    match raw::write_two(fd, b"abc", b"defg")? {
        7 => {}
        count => {
            same!(count, 3);
            same!(raw::write(fd, b"defg")?, 4);
        }
    }
    raw::seek(fd, 0, raw::FROM_START)?;
    let (mut first, mut second) = ([0; 2], [0; 8]);
    match raw::read_two(fd, &mut first, &mut second)? {
        7 => same!(second, *b"cdefg\0\0\0"),
        count => same!(count, 2),
    }
    same!(first, *b"ab");
    raw::close(fd)?;
    Ok(())
}

fn at_an_offset() -> Done {
    put("file_offset", b"0123456789")?;
    let fd = Open::both().at(DIR, "file_offset")?;
    let mut buffer = [0; 4];
    same!(raw::pread(fd, &mut buffer, 3)?, 4);
    same!(buffer, *b"3456");
    same!(raw::pread(fd, &mut buffer, 8)?, 2);
    same!(raw::pread(fd, &mut buffer, 10)?, 0);
    same!(raw::pread(fd, &mut buffer, 1 << 40)?, 0);
    same!(raw::pwrite(fd, b"AB", 4)?, 2);
    // Neither moves the descriptor.
    same!(raw::tell(fd)?, 0);
    same!(raw::pwrite(fd, b"!", 12)?, 1);
    raw::close(fd)?;
    same!(get("file_offset")?, b"0123AB6789\0\0!");
    Ok(())
}

fn seek() -> Done {
    put("file_seek", b"0123456789")?;
    let fd = Open::both().at(DIR, "file_seek")?;
    same!(raw::seek(fd, -3, raw::FROM_END)?, 7);
    same!(raw::seek(fd, -2, raw::FROM_HERE)?, 5);
    same!(raw::seek(fd, 0, raw::FROM_HERE)?, 5);
    fails!(raw::seek(fd, -6, raw::FROM_HERE), Errno::INVAL);
    fails!(raw::seek(fd, -1, raw::FROM_START), Errno::INVAL);
    fails!(raw::seek(fd, -11, raw::FROM_END), Errno::INVAL);
    // A failure leaves the place as it was.
    same!(raw::tell(fd)?, 5);
    same!(raw::seek(fd, 90, raw::FROM_END)?, 100);
    same!(raw::read(fd, &mut [0; 4])?, 0);
    same!(raw::stat(fd)?.size, 10);
    raw::close(fd)?;
    fails!(raw::seek(fd, 0, raw::FROM_START), Errno::BADF);
    Ok(())
}

fn hole() -> Done {
    let fd = Open::both().create().at(DIR, "file_hole")?;
    raw::seek(fd, 70_000, raw::FROM_START)?;
    same!(raw::write(fd, b"end")?, 3);
    same!(raw::stat(fd)?.size, 70_003);
    raw::close(fd)?;
    let content = get("file_hole")?;
    same!(content.len(), 70_003);
    same!(content.iter().filter(|byte| **byte != 0).count(), 3);
    same!(content[70_000..], *b"end");
    Ok(())
}

fn seek_unknown() -> Done {
    put("file_whence", b"")?;
    let fd = Open::read().at(DIR, "file_whence")?;
    fails!(raw::seek(fd, 0, 7), Errno::INVAL);
    raw::close(fd)?;
    Ok(())
}

/// Bytes that differ from place to place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn large() -> Done {
    let mut content = pattern(3 << 20);
    put("file_large", &content)?;
    let fd = Open::both().at(DIR, "file_large")?;
    for at in [0, 4095, 65_535, 1 << 20, (3 << 20) - 2] {
        raw::pwrite(fd, b"!!", at as u64)?;
        content[at..at + 2].copy_from_slice(b"!!");
    }
    let mut buffer = vec![0; content.len() + 1];
    let mut count = 0;
    loop {
        match raw::read(fd, &mut buffer[count..])? {
            0 => break,
            more => count += more,
        }
    }
    raw::close(fd)?;
    // Not by `same!`, which would print six million bytes.
    same!(buffer[..count] == content[..], true);
    Ok(())
}

fn set_size() -> Done {
    put("file_size", b"0123456789")?;
    let fd = Open::both().at(DIR, "file_size")?;
    raw::seek(fd, 8, raw::FROM_START)?;
    raw::set_size(fd, 4)?;
    same!(raw::stat(fd)?.size, 4);
    same!(raw::tell(fd)?, 8);
    raw::set_size(fd, 6)?;
    raw::close(fd)?;
    same!(get("file_size")?, b"0123\0\0");
    let fd = Open::read().at(DIR, "file_size")?;
    let read_only = raw::set_size(fd, 1);
    fails!(read_only, Errno::INVAL, Errno::BADF, Errno::NOTCAPABLE, Errno::PERM);
    raw::close(fd)?;
    same!(get("file_size")?.len(), 6);
    Ok(())
}

fn allocate() -> Done {
    put("file_allocate", b"0123")?;
    let fd = Open::both().at(DIR, "file_allocate")?;
    match raw::allocate(fd, 0, 100) {
        Ok(()) => same!(raw::stat(fd)?.size, 100),
        // Some systems do not have it.
        Err(errno) => same!(errno, Errno::NOTSUP),
    }
    if raw::allocate(fd, 0, 10).is_ok() {
        same!(raw::stat(fd)?.size, 100);
    }
    fails!(raw::allocate(fd, 0, 0), Errno::INVAL, Errno::NOTSUP);
    raw::close(fd)?;
    same!(get("file_allocate")?[..4], *b"0123");
    Ok(())
}

fn advise_and_sync() -> Done {
    put("file_advise", b"0123")?;
    let fd = Open::both().at(DIR, "file_advise")?;
    for advice in 0..6 {
        raw::advise(fd, 0, 4, advice)?;
    }
    raw::sync(fd)?;
    raw::datasync(fd)?;
    raw::close(fd)?;
    fails!(raw::sync(fd), Errno::BADF);
    fails!(raw::advise(fd, 0, 4, 0), Errno::BADF);
    Ok(())
}

fn advise_unknown() -> Done {
    put("file_advice", b"")?;
    let fd = Open::read().at(DIR, "file_advice")?;
    fails!(raw::advise(fd, 0, 4, 9), Errno::INVAL);
    raw::close(fd)?;
    Ok(())
}

fn two_descriptors() -> Done {
    let writer = Open::write().create().at(DIR, "file_two")?;
    let reader = Open::read().at(DIR, "file_two")?;
    raw::write(writer, b"seen at once")?;
    let mut buffer = [0; 4];
    same!(raw::read(reader, &mut buffer)?, 4);
    same!(buffer, *b"seen");
    // Each has a place of its own, and there is one size.
    same!((raw::tell(reader)?, raw::tell(writer)?), (4, 12));
    raw::set_size(writer, 2)?;
    same!(raw::read(reader, &mut buffer)?, 0);
    same!(raw::stat(reader)?.size, 2);
    raw::close(reader)?;
    raw::close(writer)?;
    Ok(())
}

fn with_std() -> Done {
    use std::io::{Read, Seek, SeekFrom, Write};
    let work = || -> std::io::Result<String> {
        std::fs::create_dir_all("/dir/file_std/a/b")?;
        let path = "/dir/file_std/a/b/text";
        std::fs::write(path, "one\ntwo\n")?;
        let mut file = std::fs::OpenOptions::new().read(true).append(true).open(path)?;
        writeln!(file, "three")?;
        file.seek(SeekFrom::Start(4))?;
        let mut rest = String::new();
        file.read_to_string(&mut rest)?;
        std::fs::copy(path, "/dir/file_std/copy")?;
        std::fs::remove_dir_all("/dir/file_std/a")?;
        Ok(rest + &std::fs::read_to_string("/dir/file_std/copy")?)
    };
    same!(work().map_err(|error| error.to_string())?, "two\nthree\none\ntwo\nthree\n");
    Ok(())
}
