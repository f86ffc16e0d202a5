//! Map-reduce over Trees and directories, as thunks.
//!
//! Every piece is an application of its own with nothing in it but what it
//! needs: after one file changed, its map and the reductions above it run, and
//! everything else is found.

use alloc::vec::Vec;

use crate::directory::{Entry, Index};
use crate::{Handle, Kind, call, fail, number};

/// How many results one reduction takes. Few enough that reductions of a wide
/// directory run in parallel and a change redoes little, many enough that the
/// results are not copied often.
pub const FAN_IN: usize = 16;

/// The Tree of strict calls of `f`, one for each entry.
pub fn map(limits: Handle, f: Handle, entries: &[Handle]) -> Vec<Handle> {
    entries.iter().map(|entry| call(limits, f, &[*entry]).strict()).collect()
}

/// The Thunk that reduces all results to one: `g` of up to [`FAN_IN`] of them,
/// and again of what that gives.
pub fn reduce(limits: Handle, g: Handle, mut results: Vec<Handle>) -> Handle {
    while results.len() > FAN_IN {
        results = results.chunks(FAN_IN).map(|group| call(limits, g, group).strict()).collect();
    }
    call(limits, g, &results)
}

/// What is called again, once the index of a node is there: a procedure with
/// the arguments that it had.
pub struct Again<'a> {
    pub limits: Handle,
    pub procedure: Handle,
    pub arguments: &'a [Handle],
}

impl Again<'_> {
    fn call(&self, more: &[Handle]) -> Handle {
        let mut arguments = self.arguments.to_vec();
        arguments.extend_from_slice(more);
        call(self.limits, self.procedure, &arguments)
    }

    /// The first step into a directory: asks for its index and nothing else.
    /// The directory goes on as a Ref, whatever it was given as.
    pub fn enter(&self, directory: Handle) -> Handle {
        let directory = match directory.kind() {
            Kind::Tree => directory.lowered(),
            Kind::TreeRef => directory,
            _ => fail("not a directory"),
        };
        self.call(&[directory, directory.select(0).strict()])
    }

    /// The second step: `f` of each file, the whole again of each directory
    /// below, and the reduction of it all by `g`. Symlinks are passed over.
    pub fn fold(&self, f: Handle, g: Handle, directory: Handle, index: Handle) -> Handle {
        let index = Index::parse(index.bytes());
        let mut results = Vec::with_capacity(index.len());
        for at in 0..index.len() {
            let child = directory.select(at as u64 + 1);
            match index.entry(at) {
                Entry::File => results.push(call(self.limits, f, &[child.strict()]).strict()),
                Entry::Node => results.push(self.call(&[child.shallow()]).strict()),
                Entry::Symlink => {}
            }
        }
        reduce(self.limits, g, results)
    }
}

/// The sum of numbers, as Weft's examples count.
pub fn sum(numbers: &[Handle]) -> Handle {
    number(numbers.iter().fold(0, |sum, number| sum.wrapping_add(number.number())))
}
