//! A program that makes calls, without being one.

use weft_object::Blob;
use weft_wasi::{CALLS, Errno, Finished, Invocation, Limits, Preopen, Process, Stop, Wasm};

use crate::shelf::{Nodes, Shelf};

pub(crate) const CREAT: u32 = 1;
pub(crate) const DIRECTORY: u32 = 2;
pub(crate) const EXCL: u32 = 4;
pub(crate) const TRUNC: u32 = 8;
pub(crate) const READ: u64 = 1 << 1;
pub(crate) const WRITE: u64 = 1 << 6;
pub(crate) const APPEND: u32 = 1;
/// The first preopened directory.
pub(crate) const ROOT: u32 = 3;

/// Where results and texts of the calls lie.
const RESULT: u32 = 0x100;
const FIRST: u32 = 0x1000;
const SECOND: u32 = 0x8000;
const BUFFER: u32 = 0x1_0000;
const MEMORY: usize = 0x10_0000;

pub(crate) struct Guest {
    pub(crate) process: Process,
    pub(crate) shelf: Shelf,
    pub(crate) memory: Vec<u8>,
    /// Where paths begin: the first directory, unless one says otherwise.
    pub(crate) start: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) number: u64,
    pub(crate) filetype: u8,
    pub(crate) links: u64,
    pub(crate) size: u64,
    pub(crate) times: [u64; 3],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dirent {
    pub(crate) next: u64,
    pub(crate) number: u64,
    pub(crate) filetype: u8,
    pub(crate) name: String,
}

pub(crate) type Answer<T> = Result<T, Errno>;

impl Guest {
    pub(crate) fn new(invocation: Invocation, shelf: Shelf) -> Self {
        let process = Process::new(invocation).unwrap();
        Self { process, shelf, memory: vec![0; MEMORY], start: ROOT }
    }

    /// A program in this directory.
    pub(crate) fn within(all: &Nodes) -> Self {
        Self::limited(all, Limits::default())
    }

    pub(crate) fn limited(all: &Nodes, limits: Limits) -> Self {
        let mut shelf = Shelf::default();
        let root = shelf.directory(all);
        let preopens = vec![Preopen { path: b"/".to_vec(), root }];
        Self::new(Invocation { preopens, limits, ..Invocation::default() }, shelf)
    }

    pub(crate) fn with_stdin(bytes: &[u8]) -> Self {
        let stdin = Blob::new(bytes.to_vec());
        Self::new(Invocation { stdin, ..Invocation::default() }, Shelf::default())
    }

    /// Makes a call by its name, with as many arguments as it has.
    pub(crate) fn stop(&mut self, name: &str, arguments: &[u64]) -> Result<Errno, Stop> {
        let at = CALLS.iter().position(|call| call.name == name).unwrap();
        assert_eq!(CALLS[at].params.len(), arguments.len(), "arguments of {name}");
        for ((_, wasm), argument) in CALLS[at].params.iter().zip(arguments) {
            assert!(*wasm == Wasm::I64 || *argument <= u64::from(u32::MAX));
        }
        self.process.call(&mut self.shelf, &mut self.memory, at, arguments)
    }

    pub(crate) fn call(&mut self, name: &str, arguments: &[u64]) -> Answer<()> {
        match self.stop(name, arguments).unwrap() {
            Errno::Success => Ok(()),
            errno => Err(errno),
        }
    }

    pub(crate) fn put(&mut self, at: u32, bytes: &[u8]) -> [u64; 2] {
        self.memory[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        [u64::from(at), bytes.len() as u64]
    }

    pub(crate) fn u32_at(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.memory[at as usize..at as usize + 4].try_into().unwrap())
    }

    pub(crate) fn u64_at(&self, at: u32) -> u64 {
        u64::from_le_bytes(self.memory[at as usize..at as usize + 8].try_into().unwrap())
    }

    pub(crate) fn open_with(
        &mut self,
        (fd, lookup): (u32, u32),
        path: &str,
        oflags: u32,
        rights: u64,
        fdflags: u32,
    ) -> Answer<u32> {
        let [at, len] = self.put(FIRST, path.as_bytes());
        let (fd, lookup, result) = (fd.into(), lookup.into(), RESULT.into());
        let flags = u64::from(oflags);
        self.call(
            "path_open",
            &[fd, lookup, at, len, flags, rights, rights, fdflags.into(), result],
        )?;
        Ok(self.u32_at(RESULT))
    }

    /// Opens below where paths begin, following links.
    pub(crate) fn open(&mut self, path: &str, oflags: u32, rights: u64) -> Answer<u32> {
        self.open_with((self.start, 1), path, oflags, rights, 0)
    }

    pub(crate) fn close(&mut self, fd: u32) -> Answer<()> {
        self.call("fd_close", &[fd.into()])
    }

    fn iovec(&mut self, at: u32, len: u64) -> [u64; 2] {
        let raw = [at.to_le_bytes(), (len as u32).to_le_bytes()].concat();
        [self.put(SECOND, &raw)[0], 1]
    }

    pub(crate) fn read(&mut self, fd: u32, len: u64) -> Answer<Vec<u8>> {
        let [list, count] = self.iovec(BUFFER, len);
        self.call("fd_read", &[fd.into(), list, count, RESULT.into()])?;
        Ok(self.result())
    }

    fn result(&self) -> Vec<u8> {
        self.memory[BUFFER as usize..][..self.u32_at(RESULT) as usize].to_vec()
    }

    pub(crate) fn pread(&mut self, fd: u32, len: u64, at: u64) -> Answer<Vec<u8>> {
        let [list, count] = self.iovec(BUFFER, len);
        self.call("fd_pread", &[fd.into(), list, count, at, RESULT.into()])?;
        Ok(self.result())
    }

    pub(crate) fn write(&mut self, fd: u32, bytes: &[u8]) -> Answer<u32> {
        self.put(BUFFER, bytes);
        let [list, count] = self.iovec(BUFFER, bytes.len() as u64);
        self.call("fd_write", &[fd.into(), list, count, RESULT.into()])?;
        Ok(self.u32_at(RESULT))
    }

    pub(crate) fn pwrite(&mut self, fd: u32, bytes: &[u8], at: u64) -> Answer<u32> {
        self.put(BUFFER, bytes);
        let [list, count] = self.iovec(BUFFER, bytes.len() as u64);
        self.call("fd_pwrite", &[fd.into(), list, count, at, RESULT.into()])?;
        Ok(self.u32_at(RESULT))
    }

    pub(crate) fn seek(&mut self, fd: u32, offset: i64, whence: u64) -> Answer<u64> {
        self.call("fd_seek", &[fd.into(), offset as u64, whence, RESULT.into()])?;
        Ok(self.u64_at(RESULT))
    }

    /// A call that takes one path.
    pub(crate) fn at(&mut self, name: &str, path: &str) -> Answer<()> {
        self.at_in(name, self.start, path)
    }

    pub(crate) fn at_in(&mut self, name: &str, fd: u32, path: &str) -> Answer<()> {
        let [at, len] = self.put(FIRST, path.as_bytes());
        self.call(name, &[fd.into(), at, len])
    }

    pub(crate) fn mkdir(&mut self, path: &str) -> Answer<()> {
        self.at("path_create_directory", path)
    }

    pub(crate) fn rmdir(&mut self, path: &str) -> Answer<()> {
        self.at("path_remove_directory", path)
    }

    pub(crate) fn unlink(&mut self, path: &str) -> Answer<()> {
        self.at("path_unlink_file", path)
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Answer<()> {
        self.rename_in(self.start, from, self.start, to)
    }

    pub(crate) fn rename_in(&mut self, a: u32, from: &str, b: u32, to: &str) -> Answer<()> {
        let [from, from_len] = self.put(FIRST, from.as_bytes());
        let [to, to_len] = self.put(SECOND, to.as_bytes());
        self.call("path_rename", &[a.into(), from, from_len, b.into(), to, to_len])
    }

    pub(crate) fn link(&mut self, from: &str, to: &str) -> Answer<()> {
        let [from, from_len] = self.put(FIRST, from.as_bytes());
        let [to, to_len] = self.put(SECOND, to.as_bytes());
        let fd = self.start.into();
        self.call("path_link", &[fd, 0, from, from_len, fd, to, to_len])
    }

    pub(crate) fn symlink(&mut self, target: &str, path: &str) -> Answer<()> {
        let [from, from_len] = self.put(FIRST, target.as_bytes());
        let [to, to_len] = self.put(SECOND, path.as_bytes());
        self.call("path_symlink", &[from, from_len, self.start.into(), to, to_len])
    }

    pub(crate) fn readlink(&mut self, path: &str, len: u64) -> Answer<Vec<u8>> {
        let [at, path_len] = self.put(FIRST, path.as_bytes());
        let (buffer, result) = (BUFFER.into(), RESULT.into());
        self.call("path_readlink", &[self.start.into(), at, path_len, buffer, len, result])?;
        Ok(self.result())
    }

    fn stat_at(&self, at: u32) -> Stat {
        assert_eq!(self.memory[at as usize + 17..at as usize + 24], [0; 7], "padding is zero");
        Stat {
            number: self.u64_at(at + 8),
            filetype: self.memory[at as usize + 16],
            links: self.u64_at(at + 24),
            size: self.u64_at(at + 32),
            times: [40, 48, 56].map(|offset| self.u64_at(at + offset)),
        }
    }

    pub(crate) fn fstat(&mut self, fd: u32) -> Answer<Stat> {
        self.call("fd_filestat_get", &[fd.into(), RESULT.into()])?;
        Ok(self.stat_at(RESULT))
    }

    pub(crate) fn stat_with(&mut self, lookup: u64, path: &str) -> Answer<Stat> {
        let [at, len] = self.put(FIRST, path.as_bytes());
        self.call("path_filestat_get", &[self.start.into(), lookup, at, len, RESULT.into()])?;
        Ok(self.stat_at(RESULT))
    }

    pub(crate) fn stat(&mut self, path: &str) -> Answer<Stat> {
        self.stat_with(1, path)
    }

    pub(crate) fn lstat(&mut self, path: &str) -> Answer<Stat> {
        self.stat_with(0, path)
    }

    /// One buffer of a listing, and whether it was full.
    pub(crate) fn readdir(
        &mut self,
        fd: u32,
        len: u64,
        cookie: u64,
    ) -> Answer<(Vec<Dirent>, bool)> {
        let (buffer, result) = (BUFFER.into(), RESULT.into());
        self.call("fd_readdir", &[fd.into(), buffer, len, cookie, result])?;
        let used = self.u32_at(RESULT);
        let mut entries = Vec::new();
        let mut at = BUFFER;
        while BUFFER + used >= at + 24 {
            let name_len = self.u32_at(at + 16);
            if BUFFER + used < at + 24 + name_len {
                break;
            }
            let name = &self.memory[at as usize + 24..][..name_len as usize];
            entries.push(Dirent {
                next: self.u64_at(at),
                number: self.u64_at(at + 8),
                filetype: self.memory[at as usize + 20],
                name: String::from_utf8(name.to_vec()).unwrap(),
            });
            at += 24 + name_len;
        }
        Ok((entries, u64::from(used) == len))
    }

    /// All names of a directory, without `.` and `..`.
    pub(crate) fn names(&mut self, fd: u32) -> Vec<String> {
        let mut names = Vec::new();
        let mut cookie = 0;
        loop {
            let (entries, full) = self.readdir(fd, 600, cookie).unwrap();
            cookie = entries.last().map_or(cookie, |entry| entry.next);
            names.extend(entries.into_iter().map(|entry| entry.name));
            if !full {
                names.retain(|name| name != "." && name != "..");
                return names;
            }
        }
    }

    /// Writes a whole file.
    pub(crate) fn save(&mut self, path: &str, bytes: &[u8]) -> Answer<()> {
        let fd = self.open(path, CREAT | TRUNC, WRITE)?;
        let written = self.write(fd, bytes);
        self.close(fd)?;
        assert_eq!(written?, bytes.len() as u32);
        Ok(())
    }

    /// Reads a whole file.
    pub(crate) fn load(&mut self, path: &str) -> Answer<Vec<u8>> {
        let fd = self.open(path, 0, READ)?;
        let bytes = self.read(fd, 0x8_0000);
        self.close(fd)?;
        bytes
    }

    /// Ends the run; what is new is put on the shelf.
    pub(crate) fn finish(mut self) -> (Finished, Shelf) {
        let finished = self.process.finish(&mut self.shelf).unwrap();
        self.shelf.keep(finished.content.clone());
        (finished, self.shelf)
    }

    /// Ends the run; all that is in the first directory.
    pub(crate) fn result_tree(self) -> Nodes {
        let (finished, shelf) = self.finish();
        shelf.read(&finished.roots[0])
    }
}
