//! The modules that are applied, and how requests for them are built.

use weft_object::Handle;

/// `add(a, b)`, as a user writes it in Rust. It has a memory, which it does not
/// touch.
pub(crate) const ADD: &[u8] = include_bytes!("../../guests/bin/add.wasm");

/// `wordcount("count", blob)`, `wordcount("merge", table...)`,
/// `wordcount("top", table, n)`
pub(crate) const WORDCOUNT: &[u8] = include_bytes!("../../guests/bin/wordcount.wasm");

/// `count(n, total)`: n + total, by n tail calls.
pub(crate) const COUNT: &[u8] = include_bytes!("../guests/count.wasm");

/// `add_memory(a, b)`: a word of the 4 KiB that it writes.
pub(crate) const ADD_MEMORY: &[u8] = include_bytes!("../guests/add_memory.wasm");

/// `chase(n, path, node)`: what is found n steps below a node.
pub(crate) const CHASE: &[u8] = include_bytes!("../guests/chase.wasm");

/// `spin(turns, seed)`: takes time in proportion.
pub(crate) const SPIN: &[u8] = include_bytes!("../guests/spin.wasm");

/// A reactor of which an image is made: `init`, `touch` and `hold`.
pub(crate) const IMAGE: &[u8] = include_bytes!("../guests/image.wasm");

/// What its memory comes to.
pub(crate) const IMAGE_BYTES: u64 = 32 << 20;

/// The lower half of what its `init` leaves at an address that is a multiple of 8.
pub(crate) fn image_word(at: u32) -> u32 {
    image_value(at) as u32
}

fn image_value(at: u32) -> u64 {
    u64::from(at + 1).wrapping_mul(6_364_136_223_846_793_005)
}

/// The same module with what `init` leaves as its data, as who makes images by
/// rewriting modules has it.
pub(crate) fn image_with_data() -> Vec<u8> {
    fn leb(mut number: usize, out: &mut Vec<u8>) {
        while number >= 0x80 {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
    let data: Vec<u8> =
        (0..IMAGE_BYTES as u32).step_by(8).flat_map(|at| image_value(at).to_le_bytes()).collect();
    // One segment, in memory 0, at 0.
    let mut section = vec![1, 0, 0x41, 0, 0x0b];
    leb(data.len(), &mut section);
    section.extend_from_slice(&data);
    let mut module = IMAGE.to_vec();
    module.push(11);
    leb(section.len(), &mut module);
    module.extend_from_slice(&section);
    module
}

/// `blob(a, b)`: a Blob of the 1 KiB that it writes.
pub(crate) const BLOB: &[u8] = include_bytes!("../guests/blob.wasm");

/// `fib(n, salt, add)`: by additions of what it asks itself for.
pub(crate) const FIB: &[u8] = include_bytes!("../guests/fib.wasm");

/// The same for the interface of Fixpoint, of these two and of [`ADD`].
pub(crate) const FIXPOINT_ADD: &[u8] = include_bytes!("../guests/fixpoint_add.wasm");
pub(crate) const FIXPOINT_BLOB: &[u8] = include_bytes!("../guests/fixpoint_blob.wasm");
pub(crate) const FIXPOINT_FIB: &[u8] = include_bytes!("../guests/fixpoint_fib.wasm");

const COLD: &[u8] = include_bytes!("../guests/cold.wasm");

/// One of many modules of a kilobyte that differ in a number: `cold(a, b)`.
pub(crate) fn cold(number: u64) -> Vec<u8> {
    const REPLACED: &[u8; 8] = b"replaced";
    let mut module = COLD.to_vec();
    if let Some(at) = module.windows(8).position(|bytes| bytes == REPLACED) {
        module[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    module
}

/// What names Trees: a session, or the code that checks it.
pub(crate) type Put<'a> = &'a mut dyn FnMut(&[Handle]) -> Handle;

/// The Thunk that applies a procedure to two numbers, without limits.
pub(crate) fn of_two(put: Put<'_>, procedure: Handle, (a, b): (u64, u64)) -> Handle {
    let entries = [Handle::EMPTY, procedure, Handle::of_u64(a), Handle::of_u64(b)];
    thunk(put(&entries))
}

/// The number of Fibonacci that is asked for: by so many and one applications of
/// [`FIB`], and additions.
pub(crate) const FIB_OF: u64 = 8;

/// The Thunk that applies [`FIB`] or its like.
pub(crate) fn fib(put: Put<'_>, fib: Handle, (n, salt): (u64, u64), add: Handle) -> Handle {
    let [n, salt] = [n, salt].map(Handle::of_u64);
    thunk(put(&[Handle::EMPTY, fib, n, salt, add]))
}

/// The Tree that asks for a sum for each pair.
pub(crate) fn fork(put: Put<'_>, add: Handle, pairs: &[(u64, u64)]) -> Handle {
    let asked: Vec<Handle> = pairs.iter().map(|pair| strict(of_two(put, add, *pair))).collect();
    put(&asked)
}

/// How many entries each Tree has that [`chase`] goes through, and how many of
/// them lie below each other.
pub(crate) const FANOUT: u64 = 8;
pub(crate) const LEVELS: u64 = 5;

/// Trees of Trees of numbers, which count from 0 from the left to the right.
pub(crate) fn levels(put: Put<'_>) -> Handle {
    fn below(put: Put<'_>, first: u64, levels: u32) -> Handle {
        let Some(less) = levels.checked_sub(1) else { return Handle::of_u64(first) };
        let each = FANOUT.pow(less);
        let entries: Vec<Handle> =
            (0..FANOUT).map(|at| below(&mut *put, first + at * each, less)).collect();
        put(&entries)
    }
    below(put, 0, LEVELS as u32)
}

/// The Thunk that follows a path from the root, of which it is given a Ref.
pub(crate) fn chase(put: Put<'_>, module: Handle, root: Handle, path: u64) -> Handle {
    let root = root.lower().unwrap_or(root);
    let numbers = [Handle::of_u64(LEVELS), Handle::of_u64(path)];
    thunk(put(&[Handle::EMPTY, module, numbers[0], numbers[1], root]))
}

/// The Tree that asks for two results, by Thunks.
pub(crate) fn both(put: Put<'_>, thunks: [Handle; 2]) -> Handle {
    put(&thunks.map(strict))
}

/// The sum of `first` and all `more`, each addition an argument of the next.
pub(crate) fn chain(put: Put<'_>, add: Handle, first: u64, more: &[u64]) -> Handle {
    let mut sum = Handle::of_u64(first);
    for number in more {
        let entries = [Handle::EMPTY, add, sum, Handle::of_u64(*number)];
        sum = strict(thunk(put(&entries)));
    }
    sum.thunk().unwrap_or(sum)
}

/// The most frequent words of all texts: each counted alone, the tables merged.
///
/// The memory limit is there to make the same texts new arguments.
pub(crate) fn wordcount(put: Put<'_>, module: Handle, texts: &[Handle], limit: u64) -> Handle {
    let limits = Handle::of_u64(limit);
    let mut apply = |verb: &[u8], arguments: &[Handle]| {
        let entries = [&[limits, module, Handle::of_blob(verb)], arguments].concat();
        thunk(put(&entries))
    };
    let tables: Vec<Handle> = texts.iter().map(|text| strict(apply(b"count", &[*text]))).collect();
    let table = strict(apply(b"merge", &tables));
    apply(b"top", &[table, Handle::of_u64(WORDS)])
}

/// How many words [`wordcount`] asks for.
pub(crate) const WORDS: u64 = 20;

// Both are given what they take by the functions above.
fn thunk(tree: Handle) -> Handle {
    tree.application().unwrap_or(tree)
}

fn strict(thunk: Handle) -> Handle {
    thunk.strict().unwrap_or(thunk)
}
