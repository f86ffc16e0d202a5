//! Renaming: over what, and from where to where.

use crate::check::{Check, DIR, Done, OTHER, get, names, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, same};

pub const CHECKS: &[Check] = &[
    ("rename_file", file),
    ("rename_over_file", over_file),
    ("rename_directory", directory),
    ("rename_over_directory", over_directory),
    ("rename_mixed", mixed),
    ("rename_into_itself", into_itself),
    ("rename_same", same_file),
    ("rename_open_file", open_file),
    ("rename_between_preopens", between_preopens),
    ("rename_escapes", escapes),
];

fn file() -> Done {
    put("rename_file", b"content")?;
    let before = raw::stat_at(DIR, "rename_file")?;
    raw::create_directory(DIR, "rename_file_dir")?;
    raw::rename(DIR, "rename_file", DIR, "rename_file_dir/new")?;
    fails!(raw::stat_at(DIR, "rename_file"), Errno::NOENT);
    same!(raw::stat_at(DIR, "rename_file_dir/new")?.inode, before.inode);
    same!(get("rename_file_dir/new")?, b"content");
    fails!(raw::rename(DIR, "rename_file", DIR, "rename_x"), Errno::NOENT);
    fails!(raw::rename(DIR, "rename_file_dir/new", DIR, "rename_no/x"), Errno::NOENT);
    Ok(())
}

fn over_file() -> Done {
    put("rename_over_a", b"a")?;
    put("rename_over_b", b"b")?;
    let fd = Open::read().at(DIR, "rename_over_b")?;
    raw::rename(DIR, "rename_over_a", DIR, "rename_over_b")?;
    same!(get("rename_over_b")?, b"a");
    // Who has the old one open reads on.
    let mut buffer = [0; 2];
    same!(raw::read(fd, &mut buffer)?, 1);
    same!(buffer[0], b'b');
    raw::close(fd)?;
    fails!(raw::stat_at(DIR, "rename_over_a"), Errno::NOENT);
    Ok(())
}

fn directory() -> Done {
    raw::create_directory(DIR, "rename_dir")?;
    raw::create_directory(DIR, "rename_dir/sub")?;
    put("rename_dir/sub/file", b"deep")?;
    let fd = Open::directory().at(DIR, "rename_dir/sub")?;
    raw::rename(DIR, "rename_dir", DIR, "rename_dir_new")?;
    same!(get("rename_dir_new/sub/file")?, b"deep");
    fails!(raw::stat_at(DIR, "rename_dir/sub/file"), Errno::NOENT);
    // A descriptor goes with its directory.
    same!(raw::stat_at(fd, "file")?.size, 4);
    raw::close(fd)?;
    Ok(())
}

fn over_directory() -> Done {
    for name in ["rename_d1", "rename_d2", "rename_d3", "rename_d1/a", "rename_d3/b"] {
        raw::create_directory(DIR, name)?;
    }
    raw::rename(DIR, "rename_d1", DIR, "rename_d2")?;
    same!(names("rename_d2")?, ["a"]);
    fails!(raw::rename(DIR, "rename_d2", DIR, "rename_d3"), Errno::NOTEMPTY, Errno::EXIST);
    same!(names("rename_d2")?, ["a"]);
    same!(names("rename_d3")?, ["b"]);
    Ok(())
}

fn mixed() -> Done {
    put("rename_mixed_file", b"")?;
    raw::create_directory(DIR, "rename_mixed_dir")?;
    fails!(raw::rename(DIR, "rename_mixed_file", DIR, "rename_mixed_dir"), Errno::ISDIR);
    fails!(raw::rename(DIR, "rename_mixed_dir", DIR, "rename_mixed_file"), Errno::NOTDIR);
    fails!(raw::rename(DIR, "rename_mixed_file/", DIR, "rename_mixed_x"), Errno::NOTDIR);
    fails!(
        raw::rename(DIR, "rename_mixed_file", DIR, "rename_mixed_x/"),
        Errno::NOTDIR,
        Errno::NOENT
    );
    raw::rename(DIR, "rename_mixed_dir/", DIR, "rename_mixed_dir2/")?;
    same!(raw::stat_at(DIR, "rename_mixed_dir2")?.kind, raw::DIRECTORY);
    Ok(())
}

fn into_itself() -> Done {
    raw::create_directory(DIR, "rename_self")?;
    raw::create_directory(DIR, "rename_self/sub")?;
    fails!(raw::rename(DIR, "rename_self", DIR, "rename_self/sub/below"), Errno::INVAL);
    fails!(raw::rename(DIR, "rename_self", DIR, "rename_self/sub"), Errno::INVAL, Errno::NOTEMPTY);
    fails!(raw::rename(DIR, "rename_self/sub", DIR, "rename_self"), Errno::NOTEMPTY, Errno::EXIST);
    same!(names("rename_self")?, ["sub"]);
    Ok(())
}

fn same_file() -> Done {
    put("rename_same", b"one")?;
    raw::rename(DIR, "rename_same", DIR, "rename_same")?;
    same!(get("rename_same")?, b"one");
    raw::link(DIR, "rename_same", DIR, "rename_same_link")?;
    // Two names of one file: nothing happens.
    raw::rename(DIR, "rename_same", DIR, "rename_same_link")?;
    same!(get("rename_same")?, b"one");
    same!(raw::stat_at(DIR, "rename_same_link")?.links, 2);
    Ok(())
}

fn open_file() -> Done {
    put("rename_open", b"one")?;
    let fd = Open::write().append().at(DIR, "rename_open")?;
    raw::rename(DIR, "rename_open", DIR, "rename_open_new")?;
    raw::write(fd, b" two")?;
    raw::close(fd)?;
    same!(get("rename_open_new")?, b"one two");
    Ok(())
}

fn between_preopens() -> Done {
    put("rename_between", b"moved")?;
    match raw::rename(DIR, "rename_between", OTHER, "rename_between") {
        Ok(()) => {
            fails!(raw::stat_at(DIR, "rename_between"), Errno::NOENT);
            same!(raw::stat_at(OTHER, "rename_between")?.size, 5);
        }
        Err(errno) => {
            same!(errno, Errno::XDEV);
            same!(get("rename_between")?, b"moved");
            fails!(raw::stat_at(OTHER, "rename_between"), Errno::NOENT);
        }
    }
    Ok(())
}

fn escapes() -> Done {
    put("rename_escapes", b"")?;
    let refused = raw::rename(DIR, "rename_escapes", DIR, "../rename_escapes");
    fails!(refused, Errno::PERM, Errno::NOTCAPABLE);
    let refused = raw::rename(DIR, "rename_escapes", DIR, "/rename_escapes");
    fails!(refused, Errno::PERM, Errno::NOTCAPABLE);
    let refused = raw::rename(DIR, "../other", DIR, "rename_other");
    fails!(refused, Errno::PERM, Errno::NOTCAPABLE);
    same!(get("rename_escapes")?, b"");
    Ok(())
}
