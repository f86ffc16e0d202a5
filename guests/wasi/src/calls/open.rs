//! Opening: what the flags do, and what is refused.

use crate::check::{Check, DIR, Done, get, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, holds, same};

pub const CHECKS: &[Check] = &[
    ("open_missing", missing),
    ("open_create", create),
    ("open_exclusive", exclusive),
    ("open_exclusive_link", exclusive_link),
    ("open_truncate", truncate),
    ("open_append", append),
    ("open_directory", directory),
    ("open_through_a_file", through_a_file),
    ("open_trailing_slash", trailing_slash),
    ("open_odd_names", odd_names),
    ("open_escapes", escapes),
    ("open_dots_inside", dots_inside),
    ("open_rights", rights),
    ("open_lowest_number", lowest_number),
    ("open_many", many),
];

fn missing() -> Done {
    fails!(Open::read().at(DIR, "open_missing"), Errno::NOENT);
    fails!(Open::read().at(DIR, "open_missing/below"), Errno::NOENT);
    fails!(Open::write().create().at(DIR, "open_missing/below"), Errno::NOENT);
    fails!(Open::read().at(DIR, ""), Errno::NOENT, Errno::INVAL);
    fails!(Open::read().at(99, "open_missing"), Errno::BADF);
    Ok(())
}

fn create() -> Done {
    let fd = Open::write().create().at(DIR, "open_create")?;
    same!(raw::stat(fd)?.size, 0);
    same!(raw::write(fd, b"one")?, 3);
    raw::close(fd)?;
    // What is there stays as it is.
    let fd = Open::write().create().at(DIR, "open_create")?;
    raw::close(fd)?;
    same!(get("open_create")?, b"one");
    Ok(())
}

fn exclusive() -> Done {
    let how = Open::write().create().exclusive();
    raw::close(how.at(DIR, "open_exclusive")?)?;
    fails!(how.at(DIR, "open_exclusive"), Errno::EXIST);
    raw::create_directory(DIR, "open_exclusive_dir")?;
    fails!(how.at(DIR, "open_exclusive_dir"), Errno::EXIST);
    Ok(())
}

fn exclusive_link() -> Done {
    raw::symlink("open_exclusive_nothing", DIR, "open_exclusive_link")?;
    let how = Open::write().create().exclusive();
    fails!(how.at(DIR, "open_exclusive_link"), Errno::EXIST);
    fails!(raw::stat_at(DIR, "open_exclusive_nothing"), Errno::NOENT);
    Ok(())
}

fn truncate() -> Done {
    put("open_truncate", b"a long text")?;
    let fd = Open::write().truncate().at(DIR, "open_truncate")?;
    same!(raw::stat(fd)?.size, 0);
    raw::write(fd, b"ab")?;
    raw::close(fd)?;
    same!(get("open_truncate")?, b"ab");
    fails!(Open::write().truncate().at(DIR, "open_truncate_missing"), Errno::NOENT);
    Ok(())
}

fn append() -> Done {
    put("open_append", b"one")?;
    let fd = Open::both().append().at(DIR, "open_append")?;
    same!(raw::fdstat(fd)?.flags & raw::APPEND, raw::APPEND);
    raw::write(fd, b" two")?;
    raw::seek(fd, 0, raw::FROM_START)?;
    raw::write(fd, b" three")?;
    same!(raw::tell(fd)?, 13);
    same!(get("open_append")?, b"one two three");
    // Without the flag, writing goes on where the descriptor stands.
    raw::set_flags(fd, 0)?;
    same!(raw::fdstat(fd)?.flags & raw::APPEND, 0);
    raw::seek(fd, 0, raw::FROM_START)?;
    raw::write(fd, b"ONE")?;
    raw::close(fd)?;
    same!(get("open_append")?, b"ONE two three");
    Ok(())
}

fn directory() -> Done {
    raw::create_directory(DIR, "open_directory")?;
    let fd = Open::directory().at(DIR, "open_directory")?;
    same!(raw::fdstat(fd)?.kind, raw::DIRECTORY);
    raw::close(Open::write().create().at(fd, "below")?)?;
    same!(raw::stat_at(DIR, "open_directory/below")?.kind, raw::REGULAR);
    fails!(raw::read(fd, &mut [0; 4]), Errno::ISDIR, Errno::BADF, Errno::NOTCAPABLE);
    fails!(raw::write(fd, b"text"), Errno::ISDIR, Errno::BADF, Errno::NOTCAPABLE);
    fails!(raw::seek(fd, 0, raw::FROM_START), Errno::BADF, Errno::NOTCAPABLE, Errno::ISDIR);
    raw::close(fd)?;
    fails!(Open::write().at(DIR, "open_directory"), Errno::ISDIR);
    fails!(Open::directory().at(DIR, "open_directory/below"), Errno::NOTDIR);
    fails!(Open::directory().at(DIR, "open_directory/missing"), Errno::NOENT);
    Ok(())
}

fn through_a_file() -> Done {
    put("open_through", b"a file")?;
    fails!(Open::read().at(DIR, "open_through/below"), Errno::NOTDIR);
    fails!(Open::write().create().at(DIR, "open_through/below"), Errno::NOTDIR);
    let fd = Open::read().at(DIR, "open_through")?;
    fails!(Open::read().at(fd, "below"), Errno::NOTDIR, Errno::NOTCAPABLE, Errno::BADF);
    raw::close(fd)?;
    Ok(())
}

fn trailing_slash() -> Done {
    raw::create_directory(DIR, "open_slash")?;
    put("open_slash/file", b"")?;
    raw::close(Open::directory().at(DIR, "open_slash/")?)?;
    raw::close(Open::read().at(DIR, "open_slash//file")?)?;
    raw::close(Open::read().at(DIR, "./open_slash/./file")?)?;
    fails!(Open::read().at(DIR, "open_slash/file/"), Errno::NOTDIR);
    Ok(())
}

fn odd_names() -> Done {
    for name in ["open odd", "open_ödd", "open_\n", "open_\\", "open_:*?"] {
        put(name, name.as_bytes())?;
        same!(get(name)?, name.as_bytes());
    }
    fails!(Open::read().at_bytes(DIR, b"open_\xff"), Errno::ILSEQ, Errno::INVAL, Errno::NOENT);
    fails!(Open::read().at(DIR, "open_\0"), Errno::ILSEQ, Errno::INVAL, Errno::NOENT);
    let long = "n".repeat(300);
    let how = Open::write().create();
    fails!(how.at(DIR, &long), Errno::NAMETOOLONG);
    Ok(())
}

fn escapes() -> Done {
    for path in ["..", "../dir", "../other", "open_escapes/../..", "/", "/dir", "/etc/passwd"] {
        fails!(Open::read().at(DIR, path), Errno::PERM, Errno::NOTCAPABLE, Errno::NOENT);
        fails!(raw::stat_at(DIR, path), Errno::PERM, Errno::NOTCAPABLE, Errno::NOENT);
    }
    fails!(Open::write().create().at(DIR, "../open_escapes"), Errno::PERM, Errno::NOTCAPABLE);
    Ok(())
}

fn dots_inside() -> Done {
    raw::create_directory(DIR, "open_dots")?;
    raw::create_directory(DIR, "open_dots/inner")?;
    put("open_dots/file", b"dots")?;
    same!(get("open_dots/inner/../file")?, b"dots");
    same!(get("open_dots/../open_dots/inner/.././file")?, b"dots");
    fails!(Open::read().at(DIR, "open_dots/missing/../file"), Errno::NOENT);
    // A descriptor is a root of its own.
    let fd = Open::directory().at(DIR, "open_dots/inner")?;
    fails!(Open::read().at(fd, "../file"), Errno::PERM, Errno::NOTCAPABLE);
    raw::close(fd)?;
    Ok(())
}

fn rights() -> Done {
    put("open_rights", b"text")?;
    let fd = Open::read().at(DIR, "open_rights")?;
    fails!(raw::write(fd, b"no"), Errno::BADF, Errno::NOTCAPABLE, Errno::PERM);
    raw::close(fd)?;
    let fd = Open::write().at(DIR, "open_rights")?;
    fails!(raw::read(fd, &mut [0; 4]), Errno::BADF, Errno::NOTCAPABLE, Errno::PERM);
    raw::close(fd)?;
    same!(get("open_rights")?, b"text");
    Ok(())
}

fn lowest_number() -> Done {
    let how = Open::read();
    put("open_lowest", b"")?;
    let first = how.at(DIR, "open_lowest")?;
    let second = how.at(DIR, "open_lowest")?;
    holds!(first != second && first > DIR && second > DIR);
    raw::close(first)?;
    fails!(raw::tell(first), Errno::BADF);
    fails!(raw::close(first), Errno::BADF);
    raw::close(second)?;
    Ok(())
}

fn many() -> Done {
    put("open_many", b"x")?;
    let mut fds = Vec::new();
    for _ in 0..200 {
        fds.push(Open::read().at(DIR, "open_many")?);
    }
    let mut sorted = fds.clone();
    sorted.sort_unstable();
    sorted.dedup();
    same!(sorted.len(), 200);
    for fd in fds {
        same!(raw::read(fd, &mut [0; 2])?, 1);
        raw::close(fd)?;
    }
    Ok(())
}
