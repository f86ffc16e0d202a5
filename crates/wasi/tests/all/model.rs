//! The slow, obvious file system: every path with what stands there.

use std::collections::BTreeMap;

use weft_wasi::Errno;

use crate::guest::{Answer, Guest};
use crate::program::{Facts, Held, Op, input, op};
use crate::shelf::{Node, Nodes};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Thing {
    Directory,
    /// Its number among the files or links, which hard links share.
    File(usize),
    Link(usize),
}

/// Paths from the root, that one not among them.
#[derive(Debug, Default)]
struct Model {
    all: BTreeMap<Vec<String>, Thing>,
    files: Vec<(u16, Vec<u8>)>,
    links: Vec<String>,
    held: Option<(usize, usize)>,
    /// The directory that is held: its path, unless it was removed.
    held_directory: Option<Option<Vec<String>>>,
    /// Where paths begin, and whether that was removed.
    base: Vec<String>,
    removed: bool,
}

/// Where a path leads: a place, and whether the path named that place or only
/// went there, and whether it must be a directory.
struct Spot {
    at: Vec<String>,
    named: bool,
    slash: bool,
}

fn shown<T: std::fmt::Debug>(answer: Answer<T>) -> String {
    match answer {
        Ok(value) => format!("{value:?}"),
        Err(errno) => errno.name().into(),
    }
}

impl Model {
    fn new(nodes: &Nodes) -> Self {
        let mut model = Self::default();
        for (path, node) in nodes {
            let path: Vec<String> = path.split('/').map(String::from).collect();
            for above in 1..path.len() {
                model.all.entry(path[..above].to_vec()).or_insert(Thing::Directory);
            }
            let thing = match node {
                Node::Directory => Thing::Directory,
                Node::File(mode, bytes) => model.new_file(*mode, bytes.clone()),
                Node::Link(target) => {
                    model.links.push(String::from_utf8(target.clone()).unwrap());
                    Thing::Link(model.links.len() - 1)
                }
            };
            model.all.insert(path, thing);
        }
        model
    }

    fn new_file(&mut self, mode: u16, bytes: Vec<u8>) -> Thing {
        self.files.push((mode, bytes));
        Thing::File(self.files.len() - 1)
    }

    fn tree(&self) -> Nodes {
        let node = |thing: &Thing| match thing {
            Thing::Directory => Node::Directory,
            Thing::File(file) => {
                let (mode, bytes) = self.files[*file].clone();
                Node::File(mode, bytes)
            }
            Thing::Link(link) => Node::Link(self.links[*link].clone().into_bytes()),
        };
        self.all.iter().map(|(path, thing)| (path.join("/"), node(thing))).collect()
    }

    fn thing(&self, at: &[String]) -> Option<Thing> {
        match at {
            _ if at == self.base => Some(Thing::Directory),
            _ => self.all.get(at).cloned(),
        }
    }

    fn walk(&self, path: &str, follow: bool) -> Answer<Spot> {
        if path.is_empty() {
            return Err(Errno::Noent);
        }
        if path.starts_with('/') {
            return Err(Errno::Perm);
        }
        let dot = path == "." || path.ends_with("/.");
        let mut slash = dot || path.ends_with('/');
        let mut todo: Vec<String> = parts(path);
        let mut at = self.base.clone();
        let mut hops = 0;
        while !todo.is_empty() {
            let part = todo.remove(0);
            if part == ".." {
                if at.len() == self.base.len() {
                    return Err(Errno::Perm);
                }
                at.pop();
                continue;
            }
            let last = todo.is_empty() && !dot;
            at.push(part);
            match self.thing(&at) {
                Some(Thing::Link(link)) if !last || follow => {
                    hops += 1;
                    if hops > 40 {
                        return Err(Errno::Loop);
                    }
                    let target = &self.links[link];
                    if target.starts_with('/') {
                        return Err(Errno::Perm);
                    }
                    slash |= todo.is_empty() && target.ends_with('/');
                    at.pop();
                    todo.splice(0..0, parts(target));
                }
                _ if last => return Ok(Spot { at, named: true, slash }),
                Some(Thing::Directory) => {}
                Some(_) => return Err(Errno::Notdir),
                None => return Err(Errno::Noent),
            }
        }
        Ok(Spot { at, named: false, slash })
    }

    /// What is there, of a path that is asked about.
    fn look(&self, path: &str, follow: bool) -> Answer<(Spot, Thing)> {
        let follow = follow || path.ends_with('/');
        let spot = self.walk(path, follow)?;
        let thing = self.thing(&spot.at).ok_or(Errno::Noent)?;
        match thing {
            Thing::Directory => Ok((spot, thing)),
            _ if spot.slash => Err(Errno::Notdir),
            _ => Ok((spot, thing)),
        }
    }

    fn file(&self, path: &str, write: bool) -> Answer<usize> {
        match self.look(path, true)?.1 {
            Thing::File(file) => Ok(file),
            Thing::Directory if write => Err(Errno::Isdir),
            _ => Err(Errno::Badf),
        }
    }

    fn opened(&mut self, path: &str, only_new: bool) -> Answer<usize> {
        let spot = self.walk(path, !only_new)?;
        match self.thing(&spot.at) {
            Some(_) if only_new => Err(Errno::Exist),
            Some(Thing::Directory) => Err(Errno::Isdir),
            Some(Thing::File(_)) if spot.slash => Err(Errno::Notdir),
            Some(Thing::File(file)) => Ok(file),
            Some(Thing::Link(_)) => Err(Errno::Loop),
            None if spot.slash => Err(Errno::Isdir),
            None if self.removed => Err(Errno::Noent),
            None => {
                let thing = self.new_file(0o644, Vec::new());
                self.all.insert(spot.at, thing);
                Ok(self.files.len() - 1)
            }
        }
    }

    fn facts(&self, thing: &Thing) -> Facts {
        let links = self.all.values().filter(|other| *other == thing).count() as u64;
        match thing {
            Thing::Directory => (3, 0, 1),
            Thing::File(file) => (4, self.files[*file].1.len() as u64, links),
            Thing::Link(link) => (7, self.links[*link].len() as u64, links),
        }
    }

    fn patch(&mut self, file: usize, bytes: &[u8], at: usize) -> u32 {
        let have = &mut self.files[file].1;
        if !bytes.is_empty() {
            have.resize(have.len().max(at + bytes.len()), 0);
            have[at..at + bytes.len()].copy_from_slice(bytes);
        }
        bytes.len() as u32
    }

    fn below(&self, at: &[String]) -> Vec<Vec<String>> {
        let below = |path: &&Vec<String>| path.len() > at.len() && path.starts_with(at);
        self.all.keys().filter(below).cloned().collect()
    }

    fn free(&self, path: &str) -> Answer<Vec<String>> {
        let spot = self.walk(path, false)?;
        match self.thing(&spot.at) {
            Some(Thing::Directory) => Err(Errno::Exist),
            Some(_) if spot.slash => Err(Errno::Notdir),
            Some(_) => Err(Errno::Exist),
            None if spot.slash || self.removed => Err(Errno::Noent),
            None => Ok(spot.at),
        }
    }

    fn mkdir(&mut self, path: &str) -> Answer<()> {
        let spot = self.walk(path, false)?;
        match self.thing(&spot.at) {
            Some(_) => Err(Errno::Exist),
            None if self.removed => Err(Errno::Noent),
            None => {
                self.all.insert(spot.at, Thing::Directory);
                Ok(())
            }
        }
    }

    fn unlink(&mut self, path: &str) -> Answer<()> {
        let spot = self.walk(path, false)?;
        match self.thing(&spot.at) {
            None => Err(Errno::Noent),
            Some(Thing::Directory) => Err(Errno::Isdir),
            Some(_) if spot.slash => Err(Errno::Notdir),
            Some(_) => {
                self.all.remove(&spot.at);
                Ok(())
            }
        }
    }

    fn rmdir(&mut self, path: &str) -> Answer<()> {
        let spot = self.walk(path, false)?;
        match self.thing(&spot.at) {
            None => Err(Errno::Noent),
            Some(Thing::Directory) if !spot.named => Err(Errno::Inval),
            Some(Thing::Directory) if !self.below(&spot.at).is_empty() => Err(Errno::Notempty),
            Some(Thing::Directory) => {
                self.all.remove(&spot.at);
                self.held_moves(&spot.at, None);
                Ok(())
            }
            Some(_) => Err(Errno::Notdir),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Answer<()> {
        let (from, to) = (self.walk(from, false)?, self.walk(to, false)?);
        let moved = self.thing(&from.at).ok_or(Errno::Noent)?;
        let there = self.thing(&to.at);
        if !from.named || !to.named {
            return Err(Errno::Busy);
        }
        let directory = moved == Thing::Directory;
        if !directory && (from.slash || to.slash) {
            return Err(Errno::Notdir);
        }
        if from.at == to.at || (!directory && there.as_ref() == Some(&moved)) {
            return Ok(());
        }
        if directory && to.at.starts_with(&from.at) {
            return Err(Errno::Inval);
        }
        match there {
            Some(Thing::Directory) if !directory => return Err(Errno::Isdir),
            Some(Thing::Directory) if !self.below(&to.at).is_empty() => {
                return Err(Errno::Notempty);
            }
            Some(Thing::File(_) | Thing::Link(_)) if directory => return Err(Errno::Notdir),
            _ => {}
        }
        if there == Some(Thing::Directory) {
            self.held_moves(&to.at, None);
        }
        self.held_moves(&from.at, Some(&to.at));
        for path in self.below(&from.at) {
            let thing = self.all.remove(&path).unwrap();
            let path = [&to.at[..], &path[from.at.len()..]].concat();
            self.all.insert(path, thing);
        }
        self.all.remove(&from.at);
        self.all.insert(to.at, moved);
        Ok(())
    }

    /// What is held goes along with a directory, or is removed with it.
    fn held_moves(&mut self, from: &[String], to: Option<&[String]>) {
        if let Some(held) = &mut self.held_directory
            && let Some(path) = held
            && path.starts_with(from)
        {
            *held = to.map(|to| [to, &path[from.len()..]].concat());
        }
    }

    fn within(&mut self, op: &Op) -> String {
        let Some(held) = self.held_directory.clone() else { return Errno::Badf.name().into() };
        self.removed = held.is_none();
        // No path is like this one, so nothing is found below it.
        self.base = held.unwrap_or_else(|| vec!["removed".into()]);
        let answer = self.perform(op);
        self.base = Vec::new();
        self.removed = false;
        answer
    }

    fn hold_directory(&mut self, path: &str) -> Answer<()> {
        match self.look(path, true)? {
            (spot, Thing::Directory) => {
                self.held_directory = Some((!self.removed).then_some(spot.at));
                Ok(())
            }
            _ => Err(Errno::Notdir),
        }
    }

    fn link(&mut self, from: &str, to: &str) -> Answer<()> {
        let (from, _) = (self.walk(from, false)?, self.walk(to, false)?);
        let thing = self.thing(&from.at).ok_or(Errno::Noent)?;
        if thing == Thing::Directory {
            return Err(Errno::Perm);
        }
        if from.slash {
            return Err(Errno::Notdir);
        }
        let to = self.free(to)?;
        self.all.insert(to, thing);
        Ok(())
    }

    fn symlink(&mut self, target: &str, path: &str) -> Answer<()> {
        self.walk(path, false)?;
        if target.starts_with('/') {
            return Err(Errno::Perm);
        }
        let at = self.free(path)?;
        self.links.push(target.to_owned());
        self.all.insert(at, Thing::Link(self.links.len() - 1));
        Ok(())
    }

    fn readlink(&self, path: &str) -> Answer<Vec<u8>> {
        let spot = self.walk(path, false)?;
        match self.thing(&spot.at) {
            None => Err(Errno::Noent),
            Some(Thing::Link(link)) if !spot.slash => Ok(self.links[link].clone().into_bytes()),
            Some(_) => Err(Errno::Inval),
        }
    }

    fn list(&self, path: &str) -> Answer<Vec<String>> {
        let (spot, thing) = self.look(path, true)?;
        if thing != Thing::Directory {
            return Err(Errno::Notdir);
        }
        let below = self.below(&spot.at);
        let depth = spot.at.len();
        let names = below.into_iter().filter(|path| path.len() == depth + 1);
        Ok(names.map(|path| path[depth].clone()).collect())
    }

    fn read(&self, path: &str, at: usize, len: usize) -> Answer<Vec<u8>> {
        let bytes = &self.files[self.file(path, false)?].1;
        Ok(bytes.iter().skip(at).take(len).copied().collect())
    }

    fn write_new(&mut self, path: &str, bytes: &[u8], only_new: bool) -> Answer<u32> {
        let file = self.opened(path, only_new)?;
        self.files[file].1.clear();
        Ok(self.patch(file, bytes, 0))
    }

    fn perform(&mut self, op: &Op) -> String {
        match op {
            Op::Stat(path) => shown(self.look(path, true).map(|(_, thing)| self.facts(&thing))),
            Op::Lstat(path) => shown(self.look(path, false).map(|(_, thing)| self.facts(&thing))),
            Op::Read(path) => shown(self.read(path, 0, usize::MAX)),
            Op::ReadPart(path, at) => shown(self.read(path, *at as usize, 10)),
            Op::Size(path) => shown(self.file(path, false).map(|file| self.files[file].1.len())),
            Op::Touch(path) => shown(self.opened(path, false).map(|_| ())),
            Op::Write(path, bytes) => shown(self.write_new(path, bytes, false)),
            Op::New(path, bytes) => shown(self.write_new(path, bytes, true)),
            Op::Append(path, bytes) => shown(self.file(path, true).map(|file| {
                let end = self.files[file].1.len();
                self.patch(file, bytes, end)
            })),
            Op::Patch(path, bytes, at) => {
                shown(self.file(path, true).map(|file| self.patch(file, bytes, *at as usize)))
            }
            Op::Resize(path, size) => shown(
                self.file(path, true).map(|file| self.files[file].1.resize(*size as usize, 0)),
            ),
            Op::Unlink(path) => shown(self.unlink(path)),
            Op::Rmdir(path) => shown(self.rmdir(path)),
            Op::Mkdir(path) => shown(self.mkdir(path)),
            Op::Rename(from, to) => shown(self.rename(from, to)),
            Op::Link(from, to) => shown(self.link(from, to)),
            Op::Symlink(target, path) => shown(self.symlink(target, path)),
            Op::Readlink(path) => shown(self.readlink(path)),
            Op::List(path) => shown(self.list(path)),
            Op::Hold(path) => shown(self.file(path, true).map(|file| self.held = Some((file, 0)))),
            Op::ReadHeld(len) => shown(self.held.ok_or(Errno::Badf).map(|(file, at)| {
                let bytes = self.files[file].1.iter().skip(at).take(*len as usize);
                let bytes: Vec<u8> = bytes.copied().collect();
                self.held = Some((file, at + bytes.len()));
                bytes
            })),
            Op::WriteHeld(bytes) => shown(self.held.ok_or(Errno::Badf).map(|(file, at)| {
                self.held = Some((file, at + bytes.len()));
                self.patch(file, bytes, at)
            })),
            Op::HoldDirectory(path) => shown(self.hold_directory(path)),
            Op::Within(op) => self.within(op),
            Op::Move(..) | Op::Second(_) => panic!("the model has one directory"),
        }
    }
}

fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.map(String::from).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(crate::cases(1500)))]

    #[test]
    fn every_program_does_what_the_model_does(
        nodes in input(),
        ops in proptest::collection::vec(op(), 0..60),
    ) {
        let mut guest = Guest::within(&nodes);
        let mut model = Model::new(&nodes);
        let mut held = Held::default();
        for (at, op) in ops.iter().enumerate() {
            let expected = model.perform(op);
            proptest::prop_assert_eq!(guest.perform(op, &mut held), expected, "step {} {:?}", at, op);
        }
        proptest::prop_assert_eq!(guest.result_tree(), model.tree());
    }
}
