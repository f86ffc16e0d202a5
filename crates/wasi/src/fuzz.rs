//! Random calls, and what must hold after them.

use std::collections::BTreeMap;

use weft_object::directory::{Entry, FileKind, Name};
use weft_object::{Blob, Content, Handle};

use crate::finish::build_directory;
use crate::{
    CALLS, Directories, Errno, Invocation, Limits, Preopen, Process, Source, Stop, Wasm, apply,
};

const MEMORY: usize = 0x2000;
/// Below lie paths, above whatever the input has.
const SCRATCH: u32 = 0x800;

const PATHS: [&[u8]; 16] = [
    b"a", b"d", b"d/b", b"d/c", b"s", b"d/s/a", b"new", b"d/new", b".", b"..", b"/a", b"d/..",
    b"new/new", b"\xff", b"", b"d/",
];

/// The fuzz target for calls: takes any bytes as a sequence of calls with their
/// arguments, and panics on a broken promise.
///
/// No call may panic, and in the end the result, the observations and the edits
/// must say the same.
pub fn fuzz_calls(data: &[u8]) {
    let (mut shelf, root) = input();
    let limits = Limits { written_bytes: 1 << 16, descriptors: 12 };
    let preopens = [&b"/"[..], b"/again"].map(|path| Preopen { path: path.to_vec(), root });
    let invocation = Invocation {
        arguments: vec![b"program".to_vec()],
        environment: vec![b"A=B".to_vec()],
        stdin: Blob::new(b"input".to_vec()),
        preopens: preopens.to_vec(),
        limits,
        ..Invocation::default()
    };
    let Ok(mut process) = Process::new(invocation) else { panic!("the invocation is one") };
    let mut memory = memory(data);
    let mut bytes = data.iter().copied();
    while let Some(number) = bytes.next() {
        let number = usize::from(number) % CALLS.len();
        let arguments = arguments(number, &mut bytes);
        match process.call(&mut shelf, &mut memory, number, &arguments) {
            Ok(errno) => check_errno(number, errno),
            Err(Stop::Exit(_)) => break,
            Err(stop) => panic!("{}: {stop}", CALLS[number].name),
        }
    }
    check_end(process, shelf, root);
}

fn check_errno(number: usize, errno: Errno) {
    let call = &CALLS[number];
    let told = matches!(errno, Errno::Success | Errno::Fault) || call.errnos.contains(&errno);
    assert!(told, "{} answered {errno:?}, which its row does not list", call.name);
}

fn check_end(mut process: Process, mut shelf: Shelf, root: Handle) {
    let finished = match process.finish(&mut shelf) {
        Ok(finished) => finished,
        Err(stop) => panic!("finishing: {stop}"),
    };
    for (handle, content) in &finished.content {
        assert_eq!(content.handle(), *handle, "content under its own name");
    }
    let written = finished.stdout.bytes().len() + finished.stderr.bytes().len();
    assert!(written <= 1 << 16, "output within the limit");
    let roots = [root, root];
    let mut directories = Directories::new(&roots);
    for observation in finished.observations.unwrap_or_default() {
        let answer = directories.ask(&mut shelf, &observation.asked);
        assert_eq!(answer, Ok(observation.answer), "its own input answers the same");
    }
    match apply(&finished.edits, &roots, &mut shelf) {
        Ok(Some(applied)) => assert_eq!(applied.roots, finished.roots, "edits are the result"),
        other => panic!("edits of the input: {other:?}"),
    }
}

/// The arguments of a call: mostly such as might make sense, by their names.
fn arguments(number: usize, bytes: &mut impl Iterator<Item = u8>) -> Vec<u64> {
    let mut path_len = 0;
    let mut out = Vec::new();
    for (name, wasm) in CALLS[number].params {
        let byte = bytes.next().unwrap_or(0);
        let low = u64::from(byte);
        let raw = |bytes: &mut dyn Iterator<Item = u8>| {
            bytes.take(8).fold(0, |all: u64, byte| all << 8 | u64::from(byte))
        };
        let value = match *name {
            _ if byte >= 0xf8 => raw(bytes),
            "fd" | "old_fd" | "new_fd" | "to" => low % 14,
            "path" | "old_path" | "new_path" => {
                let at = low as usize % PATHS.len();
                path_len = PATHS[at].len() as u64;
                16 * at as u64
            }
            "path_len" | "old_path_len" | "new_path_len" => path_len,
            "oflags" | "dirflags" | "flags" | "old_flags" | "fdflags" | "id" | "whence" => low % 32,
            "iovs_len" | "nsubscriptions" => low % 4,
            "rights_base" => low << 1 & 0x42,
            "buf_len" | "len" | "size" | "offset" | "cookie" => low,
            _ => u64::from(SCRATCH) + 16 * low,
        };
        out.push(match wasm {
            Wasm::I32 => u64::from(value as u32),
            Wasm::I64 => value,
        });
    }
    out
}

/// Paths at known places; the rest is what the data has, its last bytes first,
/// so that lists of buffers among it are different from the calls.
fn memory(data: &[u8]) -> Vec<u8> {
    let mut memory = vec![0; MEMORY];
    for (at, path) in PATHS.iter().enumerate() {
        memory[16 * at..][..path.len()].copy_from_slice(path);
    }
    for (place, byte) in memory[SCRATCH as usize..].iter_mut().zip(data.iter().rev()) {
        *place = *byte;
    }
    memory
}

struct Shelf(BTreeMap<Handle, Content>);

impl Source for Shelf {
    fn content(&mut self, handle: &Handle) -> Result<Content, Stop> {
        self.0.get(handle).cloned().ok_or(Stop::Missing(*handle))
    }
}

/// A directory with two files, a symlink and a directory that has the same.
fn input() -> (Shelf, Handle) {
    let long = Blob::new(vec![b'x'; 100]);
    let mut content = vec![(long.handle(), Content::Blob(long.clone()))];
    let entry = |name: &[u8], kind, mode, child| {
        let name = Name::new(name);
        name.ok().map(|name| Entry { name, kind, mode, child })
    };
    let file = |name, child| entry(name, FileKind::File, 0o644, child);
    let link = |target| entry(b"s", FileKind::Symlink, 0o777, Handle::of_blob(target));
    let below = [file(b"b", long.handle()), file(b"c", Handle::of_blob(b"c")), link(b"..")];
    let below = build_directory(below.into_iter().flatten().collect(), &mut content);
    let below = below.ok().and_then(|below| entry(b"d", FileKind::Directory, 0o755, below));
    let root = [file(b"a", long.handle()), below, link(b"d/b")];
    match build_directory(root.into_iter().flatten().collect(), &mut content) {
        Ok(root) => (Shelf(content.into_iter().collect()), root),
        Err(error) => panic!("the directory is one: {error}"),
    }
}
