//! What was in the directory before the start: read, listed, changed.
//!
//! `/dir/given` holds `file` ("given\n"), `empty`, `run` (executable,
//! "#!run\n"), `link` to `file`, `sub/deep/file` ("deep\n") and `sub/many` with
//! 300 files `000` to `299`, each of its own name.

use crate::check::{Check, DIR, Done, get, names, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, holds, same};

pub const CHECKS: &[Check] = &[
    ("given_read", read),
    ("given_list", list),
    ("given_stat", stat),
    ("given_link", link),
    ("given_write", write),
    ("given_append", append),
    ("given_move", move_around),
    ("given_remove", remove),
];

fn read() -> Done {
    same!(get("given/file")?, b"given\n");
    same!(get("given/empty")?, b"");
    same!(get("given/sub/deep/file")?, b"deep\n");
    same!(get("given/sub/many/150")?, b"150");
    fails!(Open::read().at(DIR, "given/sub/many/300"), Errno::NOENT);
    fails!(Open::read().at(DIR, "given/file/below"), Errno::NOTDIR);
    Ok(())
}

fn list() -> Done {
    same!(names("given")?, ["empty", "file", "link", "run", "sub"]);
    same!(names("given/sub")?, ["deep", "many"]);
    let many = names("given/sub/many")?;
    same!(many.len(), 300);
    same!((many[0].as_str(), many[299].as_str()), ("000", "299"));
    Ok(())
}

fn stat() -> Done {
    let file = raw::stat_at(DIR, "given/file")?;
    same!((file.kind, file.size, file.links), (raw::REGULAR, 6, 1));
    same!(raw::stat_at(DIR, "given/sub")?.kind, raw::DIRECTORY);
    same!(raw::link_stat_at(DIR, "given/link")?.kind, raw::SYMLINK);
    let fd = Open::read().at(DIR, "given/file")?;
    same!(raw::stat(fd)?.inode, file.inode);
    raw::close(fd)?;
    Ok(())
}

fn link() -> Done {
    same!(get("given/link")?, b"given\n");
    let mut buffer = [0; 16];
    let count = raw::readlink(DIR, "given/link", &mut buffer)?;
    same!(buffer[..count], *b"file");
    Ok(())
}

fn write() -> Done {
    let fd = Open::both().at(DIR, "given/file")?;
    same!(raw::pwrite(fd, b"G", 0)?, 1);
    let mut buffer = [0; 8];
    same!(raw::read(fd, &mut buffer)?, 6);
    same!(buffer[..6], *b"Given\n");
    raw::close(fd)?;
    put("given/new", b"new")?;
    put("given/sub/many/150", b"changed")?;
    same!(get("given/sub/many/150")?, b"changed");
    same!(get("given/sub/many/151")?, b"151");
    same!(names("given/sub/many")?.len(), 300);
    Ok(())
}

fn append() -> Done {
    let fd = Open::write().append().at(DIR, "given/sub/deep/file")?;
    raw::write(fd, b"more\n")?;
    raw::close(fd)?;
    same!(get("given/sub/deep/file")?, b"deep\nmore\n");
    let fd = Open::both().at(DIR, "given/run")?;
    raw::set_size(fd, 2)?;
    raw::close(fd)?;
    same!(get("given/run")?, b"#!");
    Ok(())
}

fn move_around() -> Done {
    raw::rename(DIR, "given/sub/many", DIR, "given/moved")?;
    same!(names("given/sub")?, ["deep"]);
    same!(get("given/moved/007")?, b"007");
    raw::rename(DIR, "given/file", DIR, "given/moved/000")?;
    same!(get("given/moved/000")?, b"given\n");
    // What the link named is no longer there.
    fails!(Open::read().at(DIR, "given/link"), Errno::NOENT);
    Ok(())
}

fn remove() -> Done {
    fails!(raw::remove_directory(DIR, "given/sub"), Errno::NOTEMPTY);
    raw::unlink(DIR, "given/sub/deep/file")?;
    raw::remove_directory(DIR, "given/sub/deep")?;
    for name in names("given/sub/many")? {
        raw::unlink(DIR, &format!("given/sub/many/{name}"))?;
    }
    raw::remove_directory(DIR, "given/sub/many")?;
    raw::remove_directory(DIR, "given/sub")?;
    raw::unlink(DIR, "given/link")?;
    same!(names("given")?, ["empty", "file", "run"]);
    holds!(get("given/file")? == b"given\n");
    Ok(())
}
