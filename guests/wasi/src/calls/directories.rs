//! Making, listing and removing directories.

use std::collections::BTreeSet;

use crate::check::{Check, DIR, Done, names, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, holds, same};

pub const CHECKS: &[Check] = &[
    ("directory_create", create),
    ("directory_remove", remove),
    ("directory_list", list),
    ("directory_list_many", list_many),
    ("directory_list_small_buffer", small_buffer),
    ("directory_list_cookies", cookies),
    ("directory_list_while_it_changes", while_it_changes),
    ("directory_unlink", unlink),
    ("directory_unlink_open_file", unlink_open_file),
    ("directory_remove_open", remove_open),
];

fn create() -> Done {
    raw::create_directory(DIR, "directory_create")?;
    same!(raw::stat_at(DIR, "directory_create")?.kind, raw::DIRECTORY);
    fails!(raw::create_directory(DIR, "directory_create"), Errno::EXIST);
    fails!(raw::create_directory(DIR, "directory_missing/below"), Errno::NOENT);
    put("directory_create/file", b"")?;
    fails!(raw::create_directory(DIR, "directory_create/file"), Errno::EXIST);
    fails!(raw::create_directory(DIR, "directory_create/file/below"), Errno::NOTDIR);
    fails!(raw::create_directory(DIR, "../directory_create"), Errno::PERM, Errno::NOTCAPABLE);
    fails!(raw::create_directory(DIR, ""), Errno::NOENT, Errno::INVAL);
    raw::create_directory(DIR, "directory_create/slash/")?;
    same!(names("directory_create")?, ["file", "slash"]);
    Ok(())
}

fn remove() -> Done {
    raw::create_directory(DIR, "directory_remove")?;
    raw::create_directory(DIR, "directory_remove/inner")?;
    put("directory_remove/inner/file", b"")?;
    fails!(raw::remove_directory(DIR, "directory_remove/inner"), Errno::NOTEMPTY);
    fails!(raw::remove_directory(DIR, "directory_remove/inner/file"), Errno::NOTDIR);
    fails!(raw::remove_directory(DIR, "directory_remove/missing"), Errno::NOENT);
    raw::unlink(DIR, "directory_remove/inner/file")?;
    raw::remove_directory(DIR, "directory_remove/inner")?;
    same!(names("directory_remove")?, [""; 0]);
    // Some hosts do not like the slash.
    if let Err(errno) = raw::remove_directory(DIR, "directory_remove/") {
        same!(errno, Errno::INVAL);
        raw::remove_directory(DIR, "directory_remove")?;
    }
    fails!(raw::stat_at(DIR, "directory_remove"), Errno::NOENT);
    Ok(())
}

fn list() -> Done {
    raw::create_directory(DIR, "directory_list")?;
    raw::create_directory(DIR, "directory_list/sub")?;
    put("directory_list/file", b"")?;
    raw::symlink("file", DIR, "directory_list/link")?;
    let fd = Open::directory().at(DIR, "directory_list")?;
    let entries = raw::entries(fd, 4096)?;
    let kind = |name: &str| {
        entries.iter().find(|entry| entry.name == name).map(|entry| (entry.kind, entry.inode))
    };
    let inode = |path: &str| raw::link_stat_at(fd, path).map(|stat| stat.inode);
    same!(kind("sub"), Some((raw::DIRECTORY, inode("sub")?)));
    same!(kind("file"), Some((raw::REGULAR, inode("file")?)));
    same!(kind("link"), Some((raw::SYMLINK, inode("link")?)));
    same!(kind(".").map(|(kind, _)| kind), Some(raw::DIRECTORY));
    same!(kind("..").map(|(kind, _)| kind), Some(raw::DIRECTORY));
    same!(entries.len(), 5);
    raw::close(fd)?;
    put("directory_list_file", b"")?;
    let fd = Open::read().at(DIR, "directory_list_file")?;
    fails!(raw::readdir(fd, &mut [0; 100], 0), Errno::NOTDIR, Errno::BADF, Errno::NOTCAPABLE);
    raw::close(fd)?;
    Ok(())
}

/// A directory of 1,200 files.
fn crowd(path: &str) -> Result<BTreeSet<String>, Errno> {
    raw::create_directory(DIR, path)?;
    let fd = Open::directory().at(DIR, path)?;
    let mut names = BTreeSet::new();
    for number in 0..1200 {
        let name = format!("file {number:05} {}", "x".repeat(number % 40));
        raw::close(Open::write().create().at(fd, &name)?)?;
        names.insert(name);
    }
    raw::close(fd)?;
    names.extend([".".to_owned(), "..".to_owned()]);
    Ok(names)
}

fn list_many() -> Done {
    let wanted = crowd("directory_many")?;
    let fd = Open::directory().at(DIR, "directory_many")?;
    for buffer_bytes in [300, 4096, 1 << 20] {
        let found = raw::entries(fd, buffer_bytes)?;
        same!(found.len(), wanted.len());
        let found: BTreeSet<_> = found.into_iter().map(|entry| entry.name).collect();
        holds!(found == wanted);
    }
    raw::close(fd)?;
    Ok(())
}

fn small_buffer() -> Done {
    raw::create_directory(DIR, "directory_small")?;
    put("directory_small/a-name-of-some-length", b"")?;
    let fd = Open::directory().at(DIR, "directory_small")?;
    // A buffer that is too small is filled to the last byte.
    for room in [1, 23, 24, 30] {
        let mut buffer = vec![0; room];
        same!(raw::readdir(fd, &mut buffer, 0)?, room);
    }
    same!(raw::readdir(fd, &mut [], 0)?, 0);
    raw::close(fd)?;
    Ok(())
}

fn cookies() -> Done {
    crowd("directory_cookies")?;
    let fd = Open::directory().at(DIR, "directory_cookies")?;
    let all = raw::entries(fd, 1 << 20)?;
    same!(all.len(), 1202);
    for from in [0, 1, 2, 600, 1200, 1201] {
        let mut buffer = vec![0; 1 << 17];
        let count = raw::readdir(fd, &mut buffer, all[from].next)?;
        let rest: usize = all[from + 1..].iter().map(|entry| 24 + entry.name.len()).sum();
        same!(count, rest);
        if let Some(next) = all.get(from + 1) {
            holds!(buffer[24..].starts_with(next.name.as_bytes()));
        }
    }
    raw::close(fd)?;
    Ok(())
}

fn while_it_changes() -> Done {
    let wanted = crowd("directory_changes")?;
    let fd = Open::directory().at(DIR, "directory_changes")?;
    // As a program removes a directory: what it was told of goes away.
    let mut seen = BTreeSet::new();
    let (mut buffer, mut cookie) = (vec![0; 2000], 0);
    loop {
        let count = raw::readdir(fd, &mut buffer, cookie)?;
        let found = raw::parse(&buffer[..count]);
        for entry in &found {
            cookie = entry.next;
            holds!(seen.insert(entry.name.clone()));
            if !entry.name.starts_with('.') {
                raw::unlink(fd, &entry.name)?;
            }
        }
        if count < buffer.len() {
            break;
        }
    }
    raw::close(fd)?;
    same!(seen.len(), wanted.len());
    same!(names("directory_changes")?, [""; 0]);
    Ok(())
}

fn unlink() -> Done {
    put("directory_unlink", b"")?;
    raw::unlink(DIR, "directory_unlink")?;
    fails!(raw::unlink(DIR, "directory_unlink"), Errno::NOENT);
    raw::create_directory(DIR, "directory_unlink")?;
    fails!(raw::unlink(DIR, "directory_unlink"), Errno::ISDIR, Errno::PERM);
    put("directory_unlink/file", b"")?;
    fails!(raw::unlink(DIR, "directory_unlink/file/"), Errno::NOTDIR);
    fails!(raw::unlink(DIR, "directory_unlink/file/below"), Errno::NOTDIR);
    fails!(raw::unlink(DIR, "../other/x"), Errno::PERM, Errno::NOTCAPABLE);
    Ok(())
}

fn unlink_open_file() -> Done {
    put("directory_open", b"still here")?;
    let fd = Open::both().at(DIR, "directory_open")?;
    raw::unlink(DIR, "directory_open")?;
    fails!(raw::stat_at(DIR, "directory_open"), Errno::NOENT);
    let mut buffer = [0; 10];
    same!(raw::read(fd, &mut buffer)?, 10);
    same!(buffer, *b"still here");
    same!(raw::write(fd, b" and on")?, 7);
    same!(raw::stat(fd)?.size, 17);
    same!(raw::stat(fd)?.links, 0);
    // The name is free for another file.
    put("directory_open", b"new")?;
    same!(raw::stat(fd)?.size, 17);
    raw::close(fd)?;
    same!(crate::check::get("directory_open")?, b"new");
    Ok(())
}

fn remove_open() -> Done {
    raw::create_directory(DIR, "directory_gone")?;
    let fd = Open::directory().at(DIR, "directory_gone")?;
    raw::remove_directory(DIR, "directory_gone")?;
    fails!(Open::write().create().at(fd, "file"), Errno::NOENT);
    fails!(raw::create_directory(fd, "sub"), Errno::NOENT);
    same!(raw::fdstat(fd)?.kind, raw::DIRECTORY);
    raw::close(fd)?;
    fails!(raw::stat_at(DIR, "directory_gone"), Errno::NOENT);
    Ok(())
}
