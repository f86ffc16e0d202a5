//! What is known of a file, and its times.

use crate::check::{Check, DIR, Done, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, holds, same};

pub const CHECKS: &[Check] = &[
    ("stat_fields", fields),
    ("stat_directory", directory),
    ("stat_missing", missing),
    ("stat_inodes", inodes),
    ("stat_set_times", set_times),
    ("stat_set_times_now", set_times_now),
    ("stat_set_times_at", set_times_at),
];

fn fields() -> Done {
    put("stat_fields", b"12345")?;
    let by_path = raw::stat_at(DIR, "stat_fields")?;
    same!((by_path.kind, by_path.size, by_path.links), (raw::REGULAR, 5, 1));
    holds!(by_path.modified > 0);
    let fd = Open::both().at(DIR, "stat_fields")?;
    same!(raw::stat(fd)?, by_path);
    raw::write(fd, b"123456")?;
    same!(raw::stat(fd)?.size, 6);
    holds!(raw::stat(fd)?.modified >= by_path.modified);
    raw::close(fd)?;
    Ok(())
}

fn directory() -> Done {
    raw::create_directory(DIR, "stat_directory")?;
    let by_path = raw::stat_at(DIR, "stat_directory")?;
    same!(by_path.kind, raw::DIRECTORY);
    same!(raw::stat_at(DIR, "stat_directory/")?, by_path);
    same!(raw::stat_at(DIR, "stat_directory/.")?, by_path);
    let fd = Open::directory().at(DIR, "stat_directory")?;
    same!(raw::stat(fd)?, by_path);
    raw::close(fd)?;
    same!(raw::stat(DIR)?.kind, raw::DIRECTORY);
    same!(raw::stat_at(DIR, ".")?, raw::stat(DIR)?);
    same!(raw::stat(DIR)?.device, by_path.device);
    Ok(())
}

fn missing() -> Done {
    fails!(raw::stat_at(DIR, "stat_missing"), Errno::NOENT);
    fails!(raw::stat(77), Errno::BADF);
    put("stat_missing_file", b"")?;
    fails!(raw::stat_at(DIR, "stat_missing_file/"), Errno::NOTDIR);
    fails!(raw::stat_at(DIR, "stat_missing_file/."), Errno::NOTDIR);
    Ok(())
}

fn inodes() -> Done {
    put("stat_inode_a", b"")?;
    put("stat_inode_b", b"")?;
    let inode = |path: &str| raw::stat_at(DIR, path).map(|stat| stat.inode);
    let first = inode("stat_inode_a")?;
    holds!(first != inode("stat_inode_b")?);
    holds!(first != inode(".")?);
    put("stat_inode_a", b"other content")?;
    same!(inode("stat_inode_a")?, first);
    Ok(())
}

fn set_times() -> Done {
    put("stat_times", b"")?;
    let fd = Open::both().at(DIR, "stat_times")?;
    let (early, late) = (1_000_000_000, 1_700_000_000_123_456_789);
    raw::set_times(fd, early, late, raw::ACCESSED | raw::MODIFIED)?;
    let stat = raw::stat(fd)?;
    same!((stat.accessed, stat.modified), (early, late));
    // A time without its flag does not count.
    raw::set_times(fd, 5, 2 * early, raw::MODIFIED)?;
    let stat = raw::stat_at(DIR, "stat_times")?;
    same!((stat.accessed, stat.modified), (early, 2 * early));
    raw::set_times(fd, 7, 7, 0)?;
    same!(raw::stat(fd)?.modified, 2 * early);
    let both = raw::MODIFIED | raw::MODIFIED_NOW;
    fails!(raw::set_times(fd, 0, 0, both), Errno::INVAL);
    raw::close(fd)?;
    Ok(())
}

fn set_times_now() -> Done {
    put("stat_now", b"")?;
    let fd = Open::both().at(DIR, "stat_now")?;
    raw::set_times(fd, 1000, 1000, raw::ACCESSED | raw::MODIFIED)?;
    let before = raw::time(raw::REALTIME)?;
    raw::set_times(fd, 0, 0, raw::MODIFIED_NOW)?;
    let after = raw::time(raw::REALTIME)?;
    let stat = raw::stat(fd)?;
    same!(stat.accessed, 1000);
    // The kernel's clock for files may lag behind by a tick.
    holds!(stat.modified + 20_000_000 >= before && stat.modified <= after);
    raw::close(fd)?;
    Ok(())
}

fn set_times_at() -> Done {
    put("stat_at", b"")?;
    raw::set_times_at(DIR, "stat_at", 2000, 3000, raw::ACCESSED | raw::MODIFIED)?;
    let stat = raw::stat_at(DIR, "stat_at")?;
    same!((stat.accessed, stat.modified), (2000, 3000));
    raw::create_directory(DIR, "stat_at_dir")?;
    raw::set_times_at(DIR, "stat_at_dir", 0, 4000, raw::MODIFIED)?;
    same!(raw::stat_at(DIR, "stat_at_dir")?.modified, 4000);
    let refused = raw::set_times_at(DIR, "stat_at_missing", 0, 0, raw::MODIFIED);
    fails!(refused, Errno::NOENT);
    let refused = raw::set_times_at(DIR, "../other", 0, 0, raw::MODIFIED);
    fails!(refused, Errno::PERM, Errno::NOTCAPABLE);
    Ok(())
}
