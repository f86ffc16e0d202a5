//! Hard links and symbolic links.

use crate::check::{Check, DIR, Done, get, names, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, same};

pub const CHECKS: &[Check] = &[
    ("link_hard", hard),
    ("link_hard_refused", hard_refused),
    ("link_read", read),
    ("link_follow", follow),
    ("link_in_the_middle", in_the_middle),
    ("link_dangling", dangling),
    ("link_loop", cycle),
    ("link_absolute", absolute),
    ("link_escape", escape),
    ("link_replaced", replaced),
    ("link_refused", refused),
];

fn hard() -> Done {
    put("link_hard", b"one")?;
    raw::link(DIR, "link_hard", DIR, "link_hard_2")?;
    let (first, second) = (raw::stat_at(DIR, "link_hard")?, raw::stat_at(DIR, "link_hard_2")?);
    same!(first.inode, second.inode);
    same!((first.links, second.links), (2, 2));
    put("link_hard_2", b"changed")?;
    same!(get("link_hard")?, b"changed");
    raw::unlink(DIR, "link_hard")?;
    same!(get("link_hard_2")?, b"changed");
    same!(raw::stat_at(DIR, "link_hard_2")?.links, 1);
    Ok(())
}

fn hard_refused() -> Done {
    put("link_refused_file", b"")?;
    raw::create_directory(DIR, "link_refused_dir")?;
    fails!(raw::link(DIR, "link_refused_dir", DIR, "link_refused_x"), Errno::PERM);
    fails!(raw::link(DIR, "link_refused_file", DIR, "link_refused_dir"), Errno::EXIST);
    fails!(raw::link(DIR, "link_refused_no", DIR, "link_refused_x"), Errno::NOENT);
    let escape = raw::link(DIR, "link_refused_file", DIR, "../link_refused_x");
    fails!(escape, Errno::PERM, Errno::NOTCAPABLE);
    let slash = raw::link(DIR, "link_refused_file", DIR, "link_refused_x/");
    fails!(slash, Errno::NOENT, Errno::NOTDIR);
    // A link to a link is one to the link itself.
    raw::symlink("nowhere", DIR, "link_refused_sym")?;
    raw::link(DIR, "link_refused_sym", DIR, "link_refused_sym_2")?;
    same!(raw::link_stat_at(DIR, "link_refused_sym_2")?.kind, raw::SYMLINK);
    Ok(())
}

fn read() -> Done {
    raw::symlink("target of it", DIR, "link_read")?;
    let mut buffer = [b'.'; 16];
    same!(raw::readlink(DIR, "link_read", &mut buffer)?, 12);
    same!(buffer, *b"target of it....");
    // As much as there is room for.
    let mut small = [0; 6];
    same!(raw::readlink(DIR, "link_read", &mut small)?, 6);
    same!(small, *b"target");
    put("link_read_file", b"")?;
    fails!(raw::readlink(DIR, "link_read_file", &mut buffer), Errno::INVAL);
    fails!(raw::readlink(DIR, "link_read_missing", &mut buffer), Errno::NOENT);
    Ok(())
}

fn follow() -> Done {
    put("link_follow_file", b"through")?;
    raw::symlink("link_follow_file", DIR, "link_follow")?;
    same!(get("link_follow")?, b"through");
    same!(raw::stat_at(DIR, "link_follow")?.kind, raw::REGULAR);
    let itself = raw::link_stat_at(DIR, "link_follow")?;
    same!((itself.kind, itself.size), (raw::SYMLINK, 16));
    fails!(Open::read().no_follow().at(DIR, "link_follow"), Errno::LOOP);
    // Removing and renaming are about the link.
    raw::rename(DIR, "link_follow", DIR, "link_follow_2")?;
    same!(get("link_follow_2")?, b"through");
    raw::unlink(DIR, "link_follow_2")?;
    same!(get("link_follow_file")?, b"through");
    Ok(())
}

fn in_the_middle() -> Done {
    raw::create_directory(DIR, "link_middle")?;
    raw::create_directory(DIR, "link_middle/deep")?;
    put("link_middle/deep/file", b"found")?;
    put("link_middle/up", b"up")?;
    raw::symlink("link_middle/deep", DIR, "link_middle_dir")?;
    same!(get("link_middle_dir/file")?, b"found");
    same!(names("link_middle_dir")?, ["file"]);
    // The parent of what the link names, not of the link.
    same!(get("link_middle_dir/../up")?, b"up");
    // In the middle it is followed also where the last one is not.
    let fd = Open::read().no_follow().at(DIR, "link_middle_dir/file")?;
    raw::close(fd)?;
    raw::symlink("../link_middle/up", DIR, "link_middle/deep/back")?;
    fails!(get("link_middle/deep/back"), Errno::NOENT);
    raw::symlink("../up", DIR, "link_middle/deep/to_up")?;
    same!(get("link_middle/deep/to_up")?, b"up");
    Ok(())
}

fn dangling() -> Done {
    raw::symlink("link_dangling_target", DIR, "link_dangling")?;
    fails!(Open::read().at(DIR, "link_dangling"), Errno::NOENT);
    fails!(raw::stat_at(DIR, "link_dangling"), Errno::NOENT);
    same!(raw::link_stat_at(DIR, "link_dangling")?.kind, raw::SYMLINK);
    // What it names comes to be.
    put("link_dangling", b"made")?;
    same!(get("link_dangling_target")?, b"made");
    Ok(())
}

fn cycle() -> Done {
    raw::symlink("link_loop_b", DIR, "link_loop_a")?;
    raw::symlink("link_loop_a", DIR, "link_loop_b")?;
    fails!(Open::read().at(DIR, "link_loop_a"), Errno::LOOP);
    fails!(raw::stat_at(DIR, "link_loop_a/below"), Errno::LOOP);
    raw::symlink("link_loop_self", DIR, "link_loop_self")?;
    fails!(raw::stat_at(DIR, "link_loop_self"), Errno::LOOP);
    // A chain that ends is no loop.
    put("link_loop_0", b"end")?;
    for number in 0..8 {
        raw::symlink(&format!("link_loop_{number}"), DIR, &format!("link_loop_{}", number + 1))?;
    }
    same!(get("link_loop_8")?, b"end");
    Ok(())
}

fn absolute() -> Done {
    // Some systems refuse to make one; none may follow it.
    match raw::symlink("/dir/link_absolute_file", DIR, "link_absolute") {
        Ok(()) => fails!(get("link_absolute"), Errno::PERM, Errno::NOTCAPABLE),
        Err(errno) => same!(errno == Errno::PERM || errno == Errno::NOTCAPABLE, true),
    }
    Ok(())
}

fn escape() -> Done {
    raw::create_directory(DIR, "link_escape")?;
    for (target, name) in [("..", "up"), ("../..", "out"), ("../../other/x", "over")] {
        let name = format!("link_escape/{name}");
        match raw::symlink(target, DIR, &name) {
            Ok(()) if target == ".." => same!(raw::stat_at(DIR, &name)?.kind, raw::DIRECTORY),
            Ok(()) => fails!(raw::stat_at(DIR, &name), Errno::PERM, Errno::NOTCAPABLE),
            Err(errno) => same!(errno == Errno::PERM || errno == Errno::NOTCAPABLE, true),
        }
    }
    fails!(get("link_escape/up/../x"), Errno::PERM, Errno::NOTCAPABLE);
    Ok(())
}

fn replaced() -> Done {
    put("link_replaced_a", b"a")?;
    put("link_replaced_b", b"b")?;
    raw::symlink("link_replaced_a", DIR, "link_replaced")?;
    fails!(raw::symlink("link_replaced_b", DIR, "link_replaced"), Errno::EXIST);
    raw::symlink("link_replaced_b", DIR, "link_replaced_new")?;
    raw::rename(DIR, "link_replaced_new", DIR, "link_replaced")?;
    same!(get("link_replaced")?, b"b");
    same!(get("link_replaced_a")?, b"a");
    Ok(())
}

fn refused() -> Done {
    fails!(raw::symlink("x", DIR, "link_no/below"), Errno::NOENT);
    fails!(raw::symlink("", DIR, "link_empty"), Errno::NOENT, Errno::INVAL);
    fails!(raw::symlink("x", DIR, "../link_out"), Errno::PERM, Errno::NOTCAPABLE);
    raw::symlink(".", DIR, "link_refused_here")?;
    fails!(raw::remove_directory(DIR, "link_refused_here"), Errno::NOTDIR);
    Ok(())
}
