//! Random programs: calls on few paths, so that they meet.

use proptest::prelude::*;
use weft_wasi::Errno;

use crate::guest::{APPEND, Answer, CREAT, DIRECTORY, EXCL, Guest, READ, ROOT, Stat, TRUNC, WRITE};
use crate::shelf::{Node, Nodes};

/// Paths that programs name; most are often there.
pub(crate) const PATHS: [&str; 24] = [
    "a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "e", "e/a", "s", "s/a", "d/s", "d/../a",
    "d/e/../b", "d/", "a/", "s/", ".", "d/.", "../a", "/a", "", "d/e/s", "s/../b",
];

/// What symlinks say.
pub(crate) const TARGETS: [&str; 9] = ["a", "d", "s", "d/e", "../a", "e/a", "d/", "/a", "b"];

/// Some places of the input.
const PLACES: [&str; 11] =
    ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/s", "e/a", "s", "d/s"];

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Stat(&'static str),
    Lstat(&'static str),
    Read(&'static str),
    ReadPart(&'static str, u64),
    Size(&'static str),
    Touch(&'static str),
    Write(&'static str, Vec<u8>),
    Append(&'static str, Vec<u8>),
    Patch(&'static str, Vec<u8>, u64),
    Resize(&'static str, u64),
    New(&'static str, Vec<u8>),
    Unlink(&'static str),
    Rmdir(&'static str),
    Mkdir(&'static str),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    Symlink(&'static str, &'static str),
    Readlink(&'static str),
    List(&'static str),
    /// Opens a file and keeps it open.
    Hold(&'static str),
    /// Reads from what is held.
    ReadHeld(u64),
    /// Writes to what is held.
    WriteHeld(Vec<u8>),
    /// Opens a directory and keeps it open.
    HoldDirectory(&'static str),
    /// Takes a step where paths begin at the directory that is held.
    Within(Box<Op>),
    /// Moves something from the first directory to the second.
    Move(&'static str, &'static str),
    /// Takes a step in the second directory.
    Second(Box<Op>),
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let path = prop::sample::select(&PATHS[..]);
    prop_oneof![
        8 => simple_op(),
        1 => path.prop_map(Op::HoldDirectory),
        2 => simple_op().prop_map(|op| Op::Within(Box::new(op))),
    ]
}

/// Where there are two directories.
pub(crate) fn op_of_two() -> impl Strategy<Value = Op> {
    let path = || prop::sample::select(&PATHS[..]);
    prop_oneof![
        8 => op(),
        1 => (path(), path()).prop_map(|(from, to)| Op::Move(from, to)),
        1 => simple_op().prop_map(|op| Op::Second(Box::new(op))),
    ]
}

fn simple_op() -> impl Strategy<Value = Op> {
    let path = || prop::sample::select(&PATHS[..]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..50);
    let small = || 0..60u64;
    prop_oneof![
        path().prop_map(Op::Stat),
        path().prop_map(Op::Lstat),
        path().prop_map(Op::Read),
        (path(), small()).prop_map(|(path, at)| Op::ReadPart(path, at)),
        path().prop_map(Op::Size),
        path().prop_map(Op::Touch),
        (path(), bytes()).prop_map(|(path, bytes)| Op::Write(path, bytes)),
        (path(), bytes()).prop_map(|(path, bytes)| Op::Append(path, bytes)),
        (path(), bytes(), small()).prop_map(|(path, bytes, at)| Op::Patch(path, bytes, at)),
        (path(), small()).prop_map(|(path, size)| Op::Resize(path, size)),
        (path(), bytes()).prop_map(|(path, bytes)| Op::New(path, bytes)),
        path().prop_map(Op::Unlink),
        path().prop_map(Op::Rmdir),
        path().prop_map(Op::Mkdir),
        (path(), path()).prop_map(|(from, to)| Op::Rename(from, to)),
        (path(), path()).prop_map(|(from, to)| Op::Link(from, to)),
        (prop::sample::select(&TARGETS[..]), path())
            .prop_map(|(target, path)| Op::Symlink(target, path)),
        path().prop_map(Op::Readlink),
        path().prop_map(Op::List),
        path().prop_map(Op::Hold),
        small().prop_map(Op::ReadHeld),
        bytes().prop_map(Op::WriteHeld),
    ]
}

/// A random directory: a place below a file or link is left out.
pub(crate) fn input() -> impl Strategy<Value = Nodes> {
    let node = prop_oneof![
        4 => (prop::sample::select(vec![0o644, 0o755, 0o600]), contents())
            .prop_map(|(mode, bytes)| Node::File(mode, bytes)),
        1 => prop::sample::select(&TARGETS[..]).prop_map(|to| Node::Link(to.into())),
        2 => Just(Node::Directory),
    ];
    let place = prop::sample::select(&PLACES[..]);
    prop::collection::vec((place, node), 0..10).prop_map(|list| {
        let mut all = Nodes::new();
        for (path, node) in list {
            place_node(&mut all, path, node);
        }
        all
    })
}

/// Literals and others, few of them, so that some are equal.
pub(crate) fn contents() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), 0..4u8).prop_map(|(long, byte)| vec![byte; if long { 40 } else { 3 }])
}

/// Puts a node in a directory, with the directories above it, in place of what
/// is in the way.
pub(crate) fn place_node(all: &mut Nodes, path: &str, node: Node) {
    remove_node(all, path);
    for (at, _) in path.match_indices('/') {
        if all.get(&path[..at]) != Some(&Node::Directory) {
            all.insert(path[..at].to_owned(), Node::Directory);
        }
    }
    all.insert(path.to_owned(), node);
}

pub(crate) fn remove_node(all: &mut Nodes, path: &str) {
    let below = format!("{path}/");
    all.retain(|other, _| other != path && !other.starts_with(&below));
}

/// What a program has open, as it goes on.
#[derive(Default)]
pub(crate) struct Held {
    file: Option<u32>,
    directory: Option<u32>,
}

fn shown<T: std::fmt::Debug>(answer: Answer<T>) -> String {
    match answer {
        Ok(value) => format!("{value:?}"),
        Err(errno) => errno.name().into(),
    }
}

/// What a model can say of a file too.
pub(crate) type Facts = (u8, u64, u64);

fn facts(stat: Stat) -> Facts {
    (stat.filetype, stat.size, stat.links)
}

impl Guest {
    /// Performs one step; what came of it.
    pub(crate) fn perform(&mut self, op: &Op, held: &mut Held) -> String {
        match op {
            Op::Stat(path) => shown(self.stat(path).map(facts)),
            Op::Lstat(path) => shown(self.lstat(path).map(facts)),
            Op::Read(path) => shown(self.load(path)),
            Op::ReadPart(path, at) => {
                shown(self.with(path, 0, READ, 0, |guest, fd| guest.pread(fd, 10, *at)))
            }
            Op::Size(path) => shown(self.with(path, 0, READ, 0, |guest, fd| guest.seek(fd, 0, 2))),
            Op::Touch(path) => shown(self.with(path, CREAT, WRITE, 0, |_, _| Ok(()))),
            Op::Write(path, bytes) => {
                let write = |guest: &mut Self, fd| guest.write(fd, bytes);
                shown(self.with(path, CREAT | TRUNC, WRITE, 0, write))
            }
            Op::Append(path, bytes) => {
                shown(self.with(path, 0, WRITE, APPEND, |guest, fd| guest.write(fd, bytes)))
            }
            Op::Patch(path, bytes, at) => {
                shown(self.with(path, 0, WRITE, 0, |guest, fd| guest.pwrite(fd, bytes, *at)))
            }
            Op::Resize(path, size) => shown(self.with(path, 0, WRITE, 0, |guest, fd| {
                guest.call("fd_filestat_set_size", &[fd.into(), *size])
            })),
            Op::New(path, bytes) => {
                let write = |guest: &mut Self, fd| guest.write(fd, bytes);
                shown(self.with(path, CREAT | EXCL, WRITE, 0, write))
            }
            Op::Unlink(path) => shown(self.unlink(path)),
            Op::Rmdir(path) => shown(self.rmdir(path)),
            Op::Mkdir(path) => shown(self.mkdir(path)),
            Op::Rename(from, to) => shown(self.rename(from, to)),
            Op::Link(from, to) => shown(self.link(from, to)),
            Op::Symlink(target, path) => shown(self.symlink(target, path)),
            Op::Readlink(path) => shown(self.readlink(path, 99)),
            Op::List(path) => shown(self.with(path, 2, READ, 0, |guest, fd| {
                let mut names = guest.names(fd);
                names.sort();
                Ok(names)
            })),
            Op::Hold(path) => shown(self.hold(path, held)),
            Op::ReadHeld(len) => {
                shown(held.file.ok_or(Errno::Badf).and_then(|fd| self.read(fd, *len)))
            }
            Op::WriteHeld(bytes) => {
                shown(held.file.ok_or(Errno::Badf).and_then(|fd| self.write(fd, bytes)))
            }
            Op::HoldDirectory(path) => shown(self.hold_directory(path, held)),
            Op::Within(op) => match held.directory {
                Some(fd) => self.perform_from(fd, op, held),
                None => Errno::Badf.name().into(),
            },
            Op::Move(from, to) => shown(self.rename_in(ROOT, from, ROOT + 1, to)),
            Op::Second(op) => self.perform_from(ROOT + 1, op, held),
        }
    }

    fn perform_from(&mut self, fd: u32, op: &Op, held: &mut Held) -> String {
        self.start = fd;
        let answer = self.perform(op, held);
        self.start = ROOT;
        answer
    }

    fn hold_directory(&mut self, path: &str, held: &mut Held) -> Answer<()> {
        let fd = self.open(path, DIRECTORY, READ)?;
        if let Some(fd) = held.directory.replace(fd) {
            self.close(fd)?;
        }
        Ok(())
    }

    fn hold(&mut self, path: &str, held: &mut Held) -> Answer<()> {
        let fd = self.open(path, 0, READ | WRITE)?;
        if let Some(fd) = held.file.replace(fd) {
            self.close(fd)?;
        }
        Ok(())
    }

    fn with<T>(
        &mut self,
        path: &str,
        oflags: u32,
        rights: u64,
        fdflags: u32,
        then: impl FnOnce(&mut Self, u32) -> Answer<T>,
    ) -> Answer<T> {
        let fd = self.open_with((self.start, 1), path, oflags, rights, fdflags)?;
        let answer = then(self, fd);
        self.close(fd)?;
        answer
    }
}
