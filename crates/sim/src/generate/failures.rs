use weft_object::Handle;

use super::{Generator, cycles, identify, programs, strict};
use crate::toy::Expr;

impl Generator {
    /// A Thunk with which something is wrong.
    pub(super) fn wrong(&mut self, depth: u32) -> Handle {
        let some = Handle::of_u64;
        match self.rng.below(16) {
            0 | 1 => {
                let message = format!("no {}", self.rng.below(5));
                self.apply(&Expr::Fail(message.into_bytes()), &[])
            }
            2 => self.apply(&Expr::Trap, &[]),
            3 => {
                // Too few arguments, after some of them were worked out.
                let number = strict(self.number(depth));
                self.apply(&programs::add(), &[number])
            }
            4 => self.ill_formed(),
            5 => {
                let tree = self.tree(depth);
                self.world.selection([tree, some(1000 + self.rng.below(3))])
            }
            6 => {
                let blob = self.world.put_blob(vec![7; 64]);
                let what = [
                    vec![blob, some(60), some(70)],
                    vec![blob, some(9), some(8)],
                    vec![blob, Handle::of_blob(b"path"), Handle::of_blob(b"a")],
                    vec![blob, Handle::of_blob(b"digest"), some(0), some(1)],
                    vec![blob, Handle::of_blob(b"no such word")],
                    vec![blob],
                    vec![],
                ];
                let which = self.rng.below(what.len() as u64) as usize;
                self.world.selection(what[which].clone())
            }
            7 => {
                let tree = self.data_tree(depth);
                let word = Handle::of_blob(b"path");
                let path = self.rng.pick(&["a", "", "a//b", "sub/none"]);
                self.world.selection([tree, word, Handle::of_blob(path.as_bytes())])
            }
            8 => self.lost(),
            9 => self.apply(&Expr::Exhaust, &[]),
            _ => cycles::any(&mut self.rng, &mut self.world),
        }
    }

    fn ill_formed(&mut self) -> Handle {
        let none = Handle::EMPTY;
        let add = self.world.put_blob(programs::add().procedure());
        let empty = self.world.put_tree([]);
        let six = self.world.put_tree([none; 6]);
        let flags = self.world.put_tree([none, none, none, Handle::of_u64(4)]);
        let short = self.world.put_tree([none, Handle::of_blob(b"abc")]);
        let long = self.world.put_blob(vec![b't'; 50]);
        let thunk = identify(add);
        let entries = [
            vec![],
            vec![none],
            vec![Handle::of_blob(b"abc"), add],
            vec![six, add],
            vec![flags, add],
            vec![short, add],
            vec![thunk, add],
            vec![none, empty],
            vec![none, thunk],
            vec![none, six.lower().unwrap_or(six)],
            vec![none, Handle::of_blob(b"t:?")],
            vec![none, long],
            vec![Handle::of_u64(u64::MAX), add, Handle::of_u64(1), Handle::of_u64(1)],
        ];
        let which = self.rng.below(entries.len() as u64) as usize;
        self.world.application(entries[which].clone())
    }

    /// Something that nobody has.
    fn lost(&mut self) -> Handle {
        let unique = self.rng.next().to_le_bytes();
        let blob = Handle::of_blob(&unique.repeat(6));
        let tree = Handle::of_tree(&[blob, Handle::of_u64(1)]);
        match self.rng.below(5) {
            0 => self.apply(&programs::measure(), &[blob]),
            1 => self.apply(&programs::measure(), &[tree]),
            2 => self.world.selection([blob.lower().unwrap_or(blob), Handle::of_u64(3)]),
            3 => self.world.selection([tree, Handle::of_u64(self.rng.below(3))]),
            _ => tree.application().unwrap_or(tree),
        }
    }
}
