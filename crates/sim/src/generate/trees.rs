use weft_object::Handle;
use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};

use super::{Generator, identify, programs, strict};
use crate::world::Content;

impl Generator {
    /// A Thunk that comes to a Tree of at least two numbers.
    pub(super) fn tree(&mut self, depth: u32) -> Handle {
        let depth = depth.saturating_sub(1);
        match self.rng.below(6) {
            0 => {
                let add = self.world.put_blob(programs::add().procedure());
                let argument = strict(self.number(depth));
                self.apply(&programs::fork(), &[add, argument])
            }
            1 => {
                let whole = self.data_tree(depth);
                let target = self.rng.pick(&[whole, identify(whole)]);
                self.world.selection([target, Handle::of_u64(0), Handle::of_u64(2)])
            }
            2 => {
                let inner = self.data_tree(depth);
                let whole = self.world.put_tree([Handle::of_u64(0), inner]);
                let target = self.rng.pick(&[whole, whole.lower().unwrap_or(whole)]);
                self.world.selection([target, Handle::of_u64(1)])
            }
            3 => {
                let data = self.data_tree(depth);
                identify(data.lower().unwrap_or(data))
            }
            _ => identify(self.data_tree(depth)),
        }
    }

    /// A Tree of at least two numbers and of Encodes that come to numbers.
    pub(super) fn data_tree(&mut self, depth: u32) -> Handle {
        let depth = depth.saturating_sub(1);
        let width = match self.left > 20 && self.rng.chance(50) {
            true => 60,
            false => 2 + self.rng.below(4),
        };
        let entries: Vec<Handle> = (0..width)
            .map(|at| match self.rng.below(3) {
                0 => Handle::of_u64(at),
                _ => strict(self.number(depth)),
            })
            .collect();
        self.world.put_tree(entries)
    }

    /// A number in a file of a directory, found by its path.
    pub(super) fn file(&mut self) -> Handle {
        let names = ["a", "b b", "notes.txt", "x", "zz"];
        let name = self.rng.pick(&names);
        let mut files: Vec<Entry> = names
            .iter()
            .enumerate()
            .map(|(at, name)| entry(name, FileKind::File, Handle::of_u64(at as u64)))
            .collect();
        let large = self.world.put_blob(vec![b'l'; 300]);
        files.push(entry("large", FileKind::File, large.lower().unwrap_or(large)));
        let below = self.directory(files.clone());
        let subdirectory = match self.rng.chance(500) {
            true => below,
            false => below.lower().unwrap_or(below),
        };
        files.push(entry("sub", FileKind::Directory, subdirectory));
        let root = self.directory(files);
        let path = match self.rng.chance(500) {
            true => name.to_string(),
            false => format!("sub/{name}"),
        };
        let path = self.world.put_blob(path);
        let target = match self.rng.below(3) {
            0 => root,
            1 => root.lower().unwrap_or(root),
            _ => identify(root.lower().unwrap_or(root)),
        };
        self.world.selection([target, Handle::of_blob(b"path"), path])
    }

    fn directory(&mut self, entries: Vec<Entry>) -> Handle {
        let content = &mut self.world.content;
        let built = build::<DirectoryError>(entries, |handle, part| {
            let part = match part {
                Part::Index(blob) => Content::Blob(blob),
                Part::Node(tree) => Content::Tree(tree),
            };
            content.insert(handle, part);
            Ok(())
        });
        // The names above are distinct and each child is of its kind.
        built.unwrap_or_else(|error| panic!("{error}"))
    }
}

fn entry(name: &str, kind: FileKind, child: Handle) -> Entry {
    let name = Name::new(name.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    Entry { name, kind, mode: 0o644, child }
}
