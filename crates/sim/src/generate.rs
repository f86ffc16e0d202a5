//! Computations by seed.
//!
//! Most of what is made comes to a number, so that it can be put into more. A
//! seed decides how much goes wrong: in half of all cases nothing does, because
//! only what succeeds can be held to the set of applications that ran.

mod cycles;
mod failures;
mod numbers;
mod programs;
mod trees;

pub use cycles::{SHAPES, ring};

use weft_object::Handle;

use crate::rng::Rng;
use crate::world::World;

/// Some computations, what they are made of, and the machine they meet.
#[derive(Clone, Debug)]
pub struct Case {
    /// All content.
    pub world: World,
    /// What is asked for.
    pub requests: Vec<Handle>,
    /// Whether some runs are given too little fuel. Who of several askers with
    /// different fuel gets which answer depends on the order.
    pub fuel: bool,
}

/// The case of a seed.
#[must_use]
pub fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let capacity_bytes = rng.pick(&[1 << 40, 1 << 40, 900 << 20, 520 << 20, 300 << 20, 130 << 20]);
    let bad = rng.pick(&[0, 0, 0, 20, 80, 200]);
    let mut generator = Generator {
        fuel: rng.chance(100),
        left: rng.pick(&[6, 15, 30, 60]),
        rng,
        world: World::new(capacity_bytes),
        pool: Vec::new(),
        bad,
    };
    let count = 1 + generator.rng.below(4);
    let mut requests: Vec<Handle> = Vec::new();
    for _ in 0..count {
        let again = generator.rng.chance(150) && !requests.is_empty();
        let request = match again {
            true => generator.rng.pick(&requests),
            false => generator.request(),
        };
        requests.push(request);
    }
    Case { world: generator.world, requests, fuel: generator.fuel }
}

struct Generator {
    rng: Rng,
    world: World,
    /// Thunks that come to numbers, or to nothing at all; to be used again.
    pool: Vec<Handle>,
    /// How many more to make, roughly.
    left: u32,
    /// How often something is wrong, in a thousand.
    bad: u32,
    fuel: bool,
}

const DEPTH: u32 = 7;

impl Generator {
    fn request(&mut self) -> Handle {
        match self.rng.below(8) {
            0 => {
                let tree = self.tree(DEPTH);
                tree.shallow().unwrap_or(tree)
            }
            1 => self.tree(DEPTH),
            2 => self.data_tree(DEPTH),
            _ => self.number(DEPTH),
        }
    }

    /// The first entry of an application: absent, a number, or all of it.
    fn limits(&mut self) -> Handle {
        let none = Handle::EMPTY;
        let memory = [1 << 20, 65_536, 65_537, 256 << 20, 64 << 20, 3 << 20];
        let full = if self.fuel { 3 } else { 1 };
        match self.rng.below(8) {
            0 => Handle::of_u64(self.rng.pick(&memory)),
            at if at <= full => {
                let memory = [none, Handle::of_u64(self.rng.pick(&memory))];
                let mut fields = vec![self.rng.pick(&memory)];
                fields.push(Handle::of_u64(self.rng.below(1000)));
                fields.push(none);
                fields.push(self.rng.pick(&[none, Handle::of_u64(0)]));
                if self.fuel {
                    fields.push(Handle::of_u64(self.rng.below(20)));
                }
                fields.truncate(1 + self.rng.below(5) as usize);
                self.world.put_tree(fields)
            }
            _ => none,
        }
    }

    /// A Thunk that applies a program, sometimes through closures.
    fn apply(&mut self, program: &programs::Program, arguments: &[Handle]) -> Handle {
        let limits = self.limits();
        let mut procedure = self.world.put_blob(program.procedure());
        let mut arguments = arguments;
        while self.rng.chance(150) {
            let bound = self.rng.below(1 + arguments.len() as u64) as usize;
            let (closed, open) = arguments.split_at(bound);
            let mut closure = vec![procedure];
            closure.extend(closed);
            procedure = self.world.put_tree(closure);
            arguments = open;
        }
        let mut entries = vec![limits, procedure];
        entries.extend(arguments);
        self.world.application(entries)
    }
}

fn strict(thunk: Handle) -> Handle {
    thunk.strict().unwrap_or(thunk)
}

fn shallow(thunk: Handle) -> Handle {
    thunk.shallow().unwrap_or(thunk)
}

fn identify(data: Handle) -> Handle {
    data.identification().unwrap_or(data)
}
