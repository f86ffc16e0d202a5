//! Descriptors themselves: what they are, and how they are moved and closed.

use crate::check::{Check, DIR, Done, put};
use crate::raw::{self, Errno, Open};
use crate::{fails, holds, same};

pub const CHECKS: &[Check] = &[
    ("descriptor_stat", stat),
    ("descriptor_rights", rights),
    ("descriptor_renumber", renumber),
    ("descriptor_renumber_refused", renumber_refused),
    ("descriptor_close_streams", close_streams),
    ("descriptor_streams", streams),
    ("descriptor_sockets", sockets),
];

fn stat() -> Done {
    put("descriptor_stat", b"")?;
    let fd = Open::both().at(DIR, "descriptor_stat")?;
    let stat = raw::fdstat(fd)?;
    same!((stat.kind, stat.flags), (raw::REGULAR, 0));
    // Reading and writing.
    same!(stat.rights & 0b100_0010, 0b100_0010);
    raw::close(fd)?;
    let stat = raw::fdstat(DIR)?;
    same!(stat.kind, raw::DIRECTORY);
    // Opening and listing.
    same!(stat.rights & (1 << 13 | 1 << 14), 1 << 13 | 1 << 14);
    fails!(raw::fdstat(fd), Errno::BADF);
    Ok(())
}

fn rights() -> Done {
    put("descriptor_rights", b"text")?;
    let fd = Open::both().at(DIR, "descriptor_rights")?;
    let before = raw::fdstat(fd)?;
    let write = 1 << 6;
    // Rights can be given up, never taken; some hosts have done away with them.
    if raw::set_rights(fd, before.rights & !write, before.inheriting) != Err(Errno::NOTSUP) {
        same!(raw::fdstat(fd)?.rights, before.rights & !write);
        fails!(raw::write(fd, b"no"), Errno::NOTCAPABLE, Errno::BADF, Errno::PERM);
        let back = raw::set_rights(fd, before.rights, before.inheriting);
        fails!(back, Errno::NOTCAPABLE);
    }
    same!(raw::read(fd, &mut [0; 8])?, 4);
    raw::close(fd)?;
    Ok(())
}

fn renumber() -> Done {
    put("descriptor_a", b"aaa")?;
    put("descriptor_b", b"b")?;
    let first = Open::read().at(DIR, "descriptor_a")?;
    let second = Open::read().at(DIR, "descriptor_b")?;
    raw::seek(first, 1, raw::FROM_START)?;
    raw::renumber(first, second)?;
    fails!(raw::tell(first), Errno::BADF);
    same!(raw::tell(second)?, 1);
    same!(raw::stat(second)?.size, 3);
    // The number is free again.
    same!(Open::read().at(DIR, "descriptor_b")?, first);
    raw::renumber(second, second)?;
    same!(raw::stat(second)?.size, 3);
    raw::close(first)?;
    raw::close(second)?;
    Ok(())
}

fn renumber_refused() -> Done {
    put("descriptor_c", b"")?;
    let fd = Open::read().at(DIR, "descriptor_c")?;
    fails!(raw::renumber(fd, 5000), Errno::BADF);
    fails!(raw::renumber(5000, fd), Errno::BADF);
    same!(raw::tell(fd)?, 0);
    raw::close(fd)?;
    Ok(())
}

fn close_streams() -> Done {
    raw::close(0)?;
    fails!(raw::read(0, &mut [0; 1]), Errno::BADF);
    fails!(raw::close(0), Errno::BADF);
    put("descriptor_d", b"instead")?;
    let fd = Open::read().at(DIR, "descriptor_d")?;
    raw::renumber(fd, 6000).err().ok_or("there is no descriptor of that number")?;
    raw::close(fd)?;
    Ok(())
}

fn streams() -> Done {
    for fd in 0..3 {
        holds!(raw::fdstat(fd)?.kind != raw::DIRECTORY);
        raw::stat(fd)?;
        fails!(raw::prestat(fd), Errno::BADF, Errno::NOTSUP, Errno::INVAL);
        fails!(Open::read().at(fd, "x"), Errno::NOTDIR, Errno::NOTCAPABLE, Errno::BADF);
    }
    same!(raw::write(2, b"")?, 0);
    Ok(())
}

fn sockets() -> Done {
    put("descriptor_e", b"")?;
    let fd = Open::both().at(DIR, "descriptor_e")?;
    for fd in [fd, 700] {
        let refusals = [Errno::NOTSUP, Errno::NOTSOCK, Errno::BADF, Errno::NOTCAPABLE];
        for refused in
            [raw::sock_accept(fd), raw::sock_recv(fd), raw::sock_send(fd), raw::sock_shutdown(fd)]
        {
            holds!(refused.is_err_and(|errno| refusals.contains(&errno)));
        }
    }
    raw::close(fd)?;
    Ok(())
}
