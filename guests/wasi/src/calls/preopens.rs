//! Directories that are open before the start.

use crate::check::{Check, DIR, Done, OTHER, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, same};

pub const CHECKS: &[Check] = &[
    ("preopen_names", names),
    ("preopen_apart", apart),
    ("preopen_closed", closed),
    ("preopen_std", with_std),
];

fn names() -> Done {
    same!(raw::prestat(DIR)?, 4);
    same!(raw::prestat_name(DIR, 4)?, "/dir");
    same!(raw::prestat(OTHER)?, 6);
    same!(raw::prestat_name(OTHER, 6)?, "/other");
    fails!(raw::prestat_name(DIR, 3), Errno::NAMETOOLONG, Errno::INVAL, Errno::NOBUFS);
    // How a program knows that there are no more.
    fails!(raw::prestat(OTHER + 1), Errno::BADF);
    fails!(raw::prestat_name(OTHER + 1, 4), Errno::BADF);
    Ok(())
}

fn apart() -> Done {
    put("preopen_apart", b"in dir")?;
    fails!(raw::stat_at(OTHER, "preopen_apart"), Errno::NOENT);
    raw::close(Open::write().create().at(OTHER, "preopen_apart")?)?;
    same!(raw::stat_at(DIR, "preopen_apart")?.size, 6);
    same!(raw::stat_at(OTHER, "preopen_apart")?.size, 0);
    fails!(raw::stat_at(DIR, "../other/preopen_apart"), Errno::PERM, Errno::NOTCAPABLE);
    match raw::link(DIR, "preopen_apart", OTHER, "preopen_link") {
        Ok(()) => same!(raw::stat_at(OTHER, "preopen_link")?.links, 2),
        Err(errno) => same!(errno, Errno::XDEV),
    }
    Ok(())
}

fn closed() -> Done {
    raw::close(OTHER)?;
    fails!(raw::stat_at(OTHER, "x"), Errno::BADF);
    fails!(raw::prestat(OTHER), Errno::BADF);
    put("preopen_closed", b"")?;
    Ok(())
}

fn with_std() -> Done {
    let work = || -> std::io::Result<Vec<u8>> {
        std::fs::create_dir("/other/preopen_std")?;
        std::fs::write("/other/preopen_std/file", "over there")?;
        std::fs::copy("/other/preopen_std/file", "/dir/preopen_std")?;
        std::fs::read("/dir/preopen_std")
    };
    same!(work().map_err(|error| error.to_string())?, b"over there");
    let outside = std::fs::read("/elsewhere/file").map_err(|error| error.kind());
    same!(outside.is_err(), true);
    Ok(())
}
