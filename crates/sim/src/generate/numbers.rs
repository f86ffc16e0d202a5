use weft_object::Handle;

use super::{Generator, identify, programs, shallow, strict};
use crate::toy::Expr;

impl Generator {
    /// A Thunk that comes to a number, unless something is wrong with it.
    pub(super) fn number(&mut self, depth: u32) -> Handle {
        if self.rng.chance(250) && !self.pool.is_empty() {
            return self.rng.pick(&self.pool);
        }
        let thunk = if depth == 0 || self.left == 0 {
            self.leaf()
        } else if self.rng.chance(self.bad) {
            self.wrong(depth - 1)
        } else {
            self.left -= 1;
            self.inner(depth - 1)
        };
        self.pool.push(thunk);
        thunk
    }

    fn leaf(&mut self) -> Handle {
        let value = self.rng.below(4);
        match self.rng.below(3) {
            0 => identify(Handle::of_u64(value)),
            1 => self.apply(&Expr::Number(value), &[]),
            _ => self.apply(&programs::add(), &[Handle::of_u64(value), Handle::of_u64(1)]),
        }
    }

    fn inner(&mut self, depth: u32) -> Handle {
        match self.rng.below(17) {
            0..=2 => {
                let (a, b) = (self.argument(depth), self.argument(depth));
                self.apply(&programs::add(), &[a, b])
            }
            3 => {
                let (a, b) = (self.argument(depth), self.argument(depth));
                let add = self.world.put_blob(programs::add().procedure());
                let program = self.rng.pick(&[programs::call_two, programs::call_encode])();
                self.apply(&program, &[add, a, b])
            }
            4 => {
                let steps = self.rng.pick(&[1, 2, 5, 30, 150]);
                let last = self.argument(depth);
                self.apply(&programs::count_down(), &[Handle::of_u64(steps), last])
            }
            5 => {
                let add = self.world.put_blob(programs::add().procedure());
                let n = Handle::of_u64(self.rng.below(9));
                self.apply(&programs::fibonacci(), &[n, add])
            }
            6 => {
                let tree = self.tree(depth);
                self.apply(&programs::sum_tree(), &[strict(tree)])
            }
            7 => {
                let data = self.data_tree(depth);
                self.apply(&programs::sum_tree(), &[data])
            }
            8 => {
                let bush = self.bush();
                self.apply(&programs::measure(), &[strict(bush)])
            }
            9 => {
                let tree = self.tree(depth);
                self.apply(&programs::measure(), &[shallow(tree)])
            }
            10 => {
                let (tree, index) = (self.tree(depth), self.index());
                self.world.selection([tree, index])
            }
            11 => {
                let (tree, index) = (self.data_tree(depth), self.index());
                let target = self.rng.pick(&[tree, tree.lower().unwrap_or(tree)]);
                self.apply(&programs::take(), &[target, index])
            }
            12 => self.bytes_of_blob(),
            13 => self.file(),
            14 => {
                let fuel = 5 + self.rng.below(20);
                let argument = self.argument(depth);
                self.apply(&programs::burn(fuel), &[argument])
            }
            15 => {
                let tree = self.tree(depth);
                self.digest(tree)
            }
            _ => {
                let argument = self.argument(depth);
                let program = self.rng.pick(&[programs::lazy, programs::tag])();
                let made = self.apply(&program, &[argument]);
                let how = self.rng.pick(&[strict, shallow]);
                self.apply(&programs::measure(), &[how(made)])
            }
        }
    }

    /// What stands among arguments for a number.
    fn argument(&mut self, depth: u32) -> Handle {
        match self.rng.below(6) {
            0 => Handle::of_u64(self.rng.below(5)),
            1 => shallow(self.number(depth)),
            _ => strict(self.number(depth)),
        }
    }

    fn index(&mut self) -> Handle {
        Handle::of_u64(self.rng.below(2))
    }

    fn bush(&mut self) -> Handle {
        let height = Handle::of_u64(self.rng.below(6));
        self.apply(&programs::bush(), &[height])
    }

    /// Eight bytes out of a larger Blob, by one or two selections.
    fn bytes_of_blob(&mut self) -> Handle {
        let first = self.rng.below(3) as u8;
        let blob = self.world.put_blob(vec![first; 200]);
        let target = match self.rng.below(3) {
            0 => blob,
            1 => blob.lower().unwrap_or(blob),
            _ => self.world.selection([blob, Handle::of_u64(8), Handle::of_u64(150)]),
        };
        let from = self.rng.below(100);
        match self.rng.chance(200) {
            true => self.world.selection([target, Handle::of_u64(from)]),
            false => self.world.selection([target, Handle::of_u64(from), Handle::of_u64(from + 8)]),
        }
    }

    /// What the first entry of a Tree is, in eight bytes.
    fn digest(&mut self, tree: Handle) -> Handle {
        let word = Handle::of_blob(b"digest");
        let digest = self.world.selection([tree, word, Handle::of_u64(0), Handle::of_u64(1)]);
        // The kind of an unevaluated number is nobody's business here.
        self.world.selection([digest, Handle::of_u64(0), Handle::of_u64(6)])
    }
}
