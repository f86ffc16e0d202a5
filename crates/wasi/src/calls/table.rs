//! The functions of WASI preview 1 as data: the one place where they are
//! listed.

use Errno::{
    Badf, Busy, Exist, Fbig, Ilseq, Inval, Isdir, Loop, Mfile, Nametoolong, Noent, Nospc, Nosys,
    Notdir, Notempty, Notsock, Notsup, Overflow, Perm, Spipe,
};
use Wasm::{I32, I64};

use super::{Done, Run, args, clock, fd, file, path, poll, process, readdir, stat, tree};
use crate::Errno;

/// The name of the module that a program imports from.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// A WebAssembly type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wasm {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

/// One function that a program may import.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The import's name within [`MODULE`].
    pub name: &'static str,
    /// Its parameters: name and type.
    pub params: &'static [(&'static str, Wasm)],
    /// Whether it answers with an errno, as an `i32`. The one that does not
    /// never returns.
    pub returns: bool,
    /// What it does, as one or more sentences without the final period.
    pub does: &'static str,
    /// The errnos that it may answer, beside [`Errno::Fault`] for an address
    /// outside of the memory.
    pub errnos: &'static [Errno],
    pub(crate) run: fn(&mut Run<'_>) -> Done,
}

const fn row(
    name: &'static str,
    params: &'static [(&'static str, Wasm)],
    does: &'static str,
    errnos: &'static [Errno],
    run: fn(&mut Run<'_>) -> Done,
) -> Call {
    Call { name, params, returns: true, does, errnos, run }
}

/// Every function of preview 1, in the order of the standard.
pub const CALLS: &[Call] = &[
    row(
        "args_get",
        &[("argv", I32), ("argv_buf", I32)],
        "Writes the arguments, each with a NUL at its end, and their addresses",
        &[],
        args::args_get,
    ),
    row(
        "args_sizes_get",
        &[("argc", I32), ("argv_buf_size", I32)],
        "Says how many arguments there are and how many bytes they need",
        &[Overflow],
        args::args_sizes_get,
    ),
    row(
        "environ_get",
        &[("environ", I32), ("environ_buf", I32)],
        "Writes the environment's entries as `args_get` does the arguments",
        &[],
        args::environ_get,
    ),
    row(
        "environ_sizes_get",
        &[("environc", I32), ("environ_buf_size", I32)],
        "Says how many entries the environment has and how many bytes they need",
        &[Overflow],
        args::environ_sizes_get,
    ),
    row(
        "clock_res_get",
        &[("id", I32), ("resolution", I32)],
        "Says by how much a reading moves the clock; 1 ns if by nothing",
        &[Badf, Inval],
        clock::clock_res_get,
    ),
    row(
        "clock_time_get",
        &[("id", I32), ("precision", I64), ("time", I32)],
        "Reads the clock, realtime or monotonic, which moves it by a step",
        &[Badf, Inval],
        clock::clock_time_get,
    ),
    row(
        "fd_advise",
        &[("fd", I32), ("offset", I64), ("len", I64), ("advice", I32)],
        "Does nothing, for a file",
        &[Badf, Inval],
        file::fd_advise,
    ),
    row(
        "fd_allocate",
        &[("fd", I32), ("offset", I64), ("len", I64)],
        "Makes a file at least so large, with zeros",
        &[Badf, Fbig, Inval, Nospc],
        file::fd_allocate,
    ),
    row(
        "fd_close",
        &[("fd", I32)],
        "Closes a descriptor, a preopened one too",
        &[Badf],
        fd::fd_close,
    ),
    row("fd_datasync", &[("fd", I32)], "Does nothing, for a file", &[Badf], file::fd_sync),
    row(
        "fd_fdstat_get",
        &[("fd", I32), ("stat", I32)],
        "Says what a descriptor is, its flags and rights. A stream is of unknown type, so no terminal",
        &[Badf],
        fd::fd_fdstat_get,
    ),
    row(
        "fd_fdstat_set_flags",
        &[("fd", I32), ("flags", I32)],
        "Sets or clears append and nonblock of a file; the latter changes nothing",
        &[Badf, Inval],
        fd::fd_fdstat_set_flags,
    ),
    row(
        "fd_fdstat_set_rights",
        &[("fd", I32), ("base", I64), ("inheriting", I64)],
        "Is not there: rights only say what a descriptor was opened for",
        &[Badf, Notsup],
        fd::fd_fdstat_set_rights,
    ),
    row(
        "fd_filestat_get",
        &[("fd", I32), ("stat", I32)],
        "Says kind, size, links, times and number of what is open; of a stream, nothing",
        &[Badf],
        stat::fd_filestat_get,
    ),
    row(
        "fd_filestat_set_size",
        &[("fd", I32), ("size", I64)],
        "Cuts a file off, or fills it with zeros",
        &[Badf, Fbig, Inval, Nospc],
        file::fd_filestat_set_size,
    ),
    row(
        "fd_filestat_set_times",
        &[("fd", I32), ("atim", I64), ("mtim", I64), ("fst_flags", I32)],
        "Sets times, for as long as the run lasts",
        &[Badf, Inval],
        stat::fd_filestat_set_times,
    ),
    row(
        "fd_pread",
        &[("fd", I32), ("iovs", I32), ("iovs_len", I32), ("offset", I64), ("nread", I32)],
        "Reads from a place in a file",
        &[Badf, Inval, Spipe],
        file::fd_pread,
    ),
    row(
        "fd_prestat_get",
        &[("fd", I32), ("prestat", I32)],
        "Says that a descriptor is a preopened directory and how long its path is",
        &[Badf, Overflow],
        fd::fd_prestat_get,
    ),
    row(
        "fd_prestat_dir_name",
        &[("fd", I32), ("path", I32), ("path_len", I32)],
        "Writes the path of a preopened directory, without a NUL",
        &[Badf, Nametoolong, Notdir],
        fd::fd_prestat_dir_name,
    ),
    row(
        "fd_pwrite",
        &[("fd", I32), ("iovs", I32), ("iovs_len", I32), ("offset", I64), ("nwritten", I32)],
        "Writes to a place in a file; at its end if the descriptor appends",
        &[Badf, Fbig, Inval, Nospc, Spipe],
        file::fd_pwrite,
    ),
    row(
        "fd_read",
        &[("fd", I32), ("iovs", I32), ("iovs_len", I32), ("nread", I32)],
        "Reads from standard input or a file, as much as there is room for",
        &[Badf, Inval],
        file::fd_read,
    ),
    row(
        "fd_readdir",
        &[("fd", I32), ("buf", I32), ("buf_len", I32), ("cookie", I64), ("bufused", I32)],
        "Lists a directory from a cookie on, the last entry cut off where the buffer ends",
        &[Badf, Notdir],
        readdir::fd_readdir,
    ),
    row(
        "fd_renumber",
        &[("fd", I32), ("to", I32)],
        "Moves a descriptor to the number of another open one, which is closed",
        &[Badf],
        fd::fd_renumber,
    ),
    row(
        "fd_seek",
        &[("fd", I32), ("offset", I64), ("whence", I32), ("newoffset", I32)],
        "Moves the place in a file, past its end too",
        &[Badf, Inval, Spipe],
        file::fd_seek,
    ),
    row("fd_sync", &[("fd", I32)], "Does nothing, for a file", &[Badf], file::fd_sync),
    row(
        "fd_tell",
        &[("fd", I32), ("offset", I32)],
        "Says the place in a file",
        &[Badf, Spipe],
        file::fd_tell,
    ),
    row(
        "fd_write",
        &[("fd", I32), ("iovs", I32), ("iovs_len", I32), ("nwritten", I32)],
        "Writes to standard output or error, or to a file",
        &[Badf, Fbig, Inval, Nospc],
        file::fd_write,
    ),
    row(
        "path_create_directory",
        &[("fd", I32), ("path", I32), ("path_len", I32)],
        "Makes a directory",
        &[Badf, Exist, Ilseq, Inval, Loop, Nametoolong, Noent, Nospc, Notdir, Perm],
        tree::path_create_directory,
    ),
    row(
        "path_filestat_get",
        &[("fd", I32), ("flags", I32), ("path", I32), ("path_len", I32), ("stat", I32)],
        "Says kind, size, links, times and number of what a path leads to",
        &[Badf, Ilseq, Inval, Loop, Nametoolong, Noent, Notdir, Perm],
        stat::path_filestat_get,
    ),
    row(
        "path_filestat_set_times",
        &[
            ("fd", I32),
            ("flags", I32),
            ("path", I32),
            ("path_len", I32),
            ("atim", I64),
            ("mtim", I64),
            ("fst_flags", I32),
        ],
        "Sets times, for as long as the run lasts",
        &[Badf, Ilseq, Inval, Loop, Nametoolong, Noent, Notdir, Perm],
        stat::path_filestat_set_times,
    ),
    row(
        "path_link",
        &[
            ("old_fd", I32),
            ("old_flags", I32),
            ("old_path", I32),
            ("old_path_len", I32),
            ("new_fd", I32),
            ("new_path", I32),
            ("new_path_len", I32),
        ],
        "Gives a file or symlink one more name; in the result they are two files",
        &[Badf, Exist, Ilseq, Inval, Loop, Nametoolong, Noent, Nospc, Notdir, Perm],
        tree::path_link,
    ),
    row(
        "path_open",
        &[
            ("fd", I32),
            ("dirflags", I32),
            ("path", I32),
            ("path_len", I32),
            ("oflags", I32),
            ("rights_base", I64),
            ("rights_inheriting", I64),
            ("fdflags", I32),
            ("opened", I32),
        ],
        "Opens a file or directory, makes or empties a file. What is opened with neither right can be read",
        &[Badf, Exist, Ilseq, Inval, Isdir, Loop, Mfile, Nametoolong, Noent, Nospc, Notdir, Perm],
        path::path_open,
    ),
    row(
        "path_readlink",
        &[
            ("fd", I32),
            ("path", I32),
            ("path_len", I32),
            ("buf", I32),
            ("buf_len", I32),
            ("bufused", I32),
        ],
        "Writes what a symlink says, cut off where the buffer ends",
        &[Badf, Ilseq, Inval, Loop, Nametoolong, Noent, Notdir, Perm],
        path::path_readlink,
    ),
    row(
        "path_remove_directory",
        &[("fd", I32), ("path", I32), ("path_len", I32)],
        "Removes an empty directory",
        &[Badf, Ilseq, Inval, Loop, Nametoolong, Noent, Notdir, Notempty, Perm],
        tree::path_remove_directory,
    ),
    row(
        "path_rename",
        &[
            ("fd", I32),
            ("old_path", I32),
            ("old_path_len", I32),
            ("new_fd", I32),
            ("new_path", I32),
            ("new_path_len", I32),
        ],
        "Gives something another name, from one preopened directory to another too, in place of a file or an empty directory",
        &[Badf, Busy, Ilseq, Inval, Isdir, Loop, Nametoolong, Noent, Nospc, Notdir, Notempty, Perm],
        tree::path_rename,
    ),
    row(
        "path_symlink",
        &[
            ("old_path", I32),
            ("old_path_len", I32),
            ("fd", I32),
            ("new_path", I32),
            ("new_path_len", I32),
        ],
        "Makes a symlink; what it says is not looked at, but is not absolute",
        &[Badf, Exist, Ilseq, Inval, Loop, Nametoolong, Noent, Nospc, Notdir, Perm],
        tree::path_symlink,
    ),
    row(
        "path_unlink_file",
        &[("fd", I32), ("path", I32), ("path_len", I32)],
        "Removes a file or symlink, which lives on where it is open",
        &[Badf, Ilseq, Inval, Isdir, Loop, Nametoolong, Noent, Notdir, Perm],
        tree::path_unlink_file,
    ),
    row(
        "poll_oneoff",
        &[("in", I32), ("out", I32), ("nsubscriptions", I32), ("nevents", I32)],
        "Waits. Streams and files are ready at once; for clocks alone, time jumps to the first. What cannot be waited for fails the call",
        &[Badf, Inval],
        poll::poll_oneoff,
    ),
    Call {
        returns: false,
        ..row("proc_exit", &[("rval", I32)], "Ends the program", &[], process::proc_exit)
    },
    row(
        "proc_raise",
        &[("sig", I32)],
        "Is not there: nobody could get the signal",
        &[Nosys],
        process::proc_raise,
    ),
    row("sched_yield", &[], "Does nothing", &[], process::sched_yield),
    row(
        "random_get",
        &[("buf", I32), ("buf_len", I32)],
        "Writes bytes that follow from the seed and from how many were written before",
        &[],
        process::random_get,
    ),
    row(
        "sock_accept",
        &[("fd", I32), ("flags", I32), ("opened", I32)],
        "Is not there",
        &[Notsup],
        process::no_sockets,
    ),
    row(
        "sock_recv",
        &[
            ("fd", I32),
            ("ri_data", I32),
            ("ri_data_len", I32),
            ("ri_flags", I32),
            ("ro_datalen", I32),
            ("ro_flags", I32),
        ],
        "Is not there",
        &[Notsup],
        process::no_sockets,
    ),
    row(
        "sock_send",
        &[
            ("fd", I32),
            ("si_data", I32),
            ("si_data_len", I32),
            ("si_flags", I32),
            ("so_datalen", I32),
        ],
        "Is not there",
        &[Notsup],
        process::no_sockets,
    ),
    row(
        "sock_shutdown",
        &[("fd", I32), ("how", I32)],
        "Says that a descriptor is no socket",
        &[Badf, Notsock],
        process::sock_shutdown,
    ),
];
