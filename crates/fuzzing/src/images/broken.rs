//! Images that are not quite what they were: whatever is done to one, applying it comes
//! to something, and to the same whoever applies it when.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use weft_engine::{Applied, Outcome};
use weft_object::{Content, Handle, Kind, Tree};

use super::{All, ENGINES, Perform, applied, directory, same, soundly};

/// A program for WASI. Nothing in it goes in circles: whatever is in its memory, it ends.
const PROGRAM: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write"
      (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
      (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
      (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
      (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (memory (export "memory") 2 40)
    (memory $other 1 8)
    (global $a (mut i32) (i32.const 5))
    (global $b (mut i64) (i64.const 6))
    (global $c (mut f32) (f32.const 1.5))
    (global $d (mut f64) (f64.const 2.5))
    (global $e (mut v128) (v128.const i64x2 1 2))
    (data (i32.const 65530) "over the end of a page")
    (data (i32.const 90000) "file")
    (data $passive "later")
    (table funcref (elem $one $two))
    (func $one (result i32) (i32.const 1))
    (func $two (result i32) (i32.const 2))
    (func (export "init")
      (global.set $a (i32.const 9)) (global.set $d (f64.const 7.25))
      (i32.store (i32.const 1000) (i32.const 30))
      (i32.store $other (i32.const 5000) (i32.const 40)))
    (func (export "grow")
      (drop (memory.grow (i32.const 20))) (drop (memory.grow $other (i32.const 2)))
      (i32.store (i32.const 1400000) (i32.const 6)) (i32.store $other (i32.const 190000) (i32.const 6)))
    (func (export "fill") (memory.fill (i32.const 70000) (i32.const 3) (i32.const 60000)))
    (func (export "ask")
      (drop (call $args (i32.const 0) (i32.const 4)))
      (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 16)))
      (drop (call $random (i32.const 24) (i32.const 8)))
      (i32.store (i32.const 32) (i32.const 65530)) (i32.store (i32.const 36) (i32.const 9))
      (drop (call $fd_write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 40))))
    (func (export "look")
      (drop (call $open (i32.const 3) (i32.const 0) (i32.const 90000) (i32.const 4) (i32.const 0)
        (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 60)))
      (drop (call $close (i32.load (i32.const 60)))))
    (func (export "go") (result i32)
      (i32.store (i32.const 1000) (i32.add (i32.load (i32.const 1000)) (i32.const 1)))
      (global.set $a (i32.add (global.get $a) (i32.const 1)))
      (i32.add (global.get $a) (i32.add (i32.load (i32.const 1000))
        (i32.add (i32.load $other (i32.const 5000)) (i32.add (memory.size) (memory.size $other))))))
    (func (export "say")
      (memory.init $passive (i32.const 200) (i32.const 0) (i32.const 5))
      (f64.store (i32.const 208) (global.get $d))
      (v128.store (i32.const 216) (global.get $e))
      (i64.store (i32.const 8) (i64.extend_i32_u (call_indirect (result i32)
        (i32.and (i32.load (i32.const 1000)) (i32.const 3)))))
      (drop (call $fd_write (i32.const 1) (i32.const 32) (i32.load (i32.const 44)) (i32.const 40)))
      (drop (call $random (i32.load (i32.const 1000)) (i32.const 8)))
      (i32.store (i32.const 32) (i32.const 0)) (i32.store (i32.const 36) (i32.const 131072))
      (drop (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40))))
    (func (export "dirty")
      (global.set $b (i64.const 99)) (global.set $e (v128.const i64x2 8 8))
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 131072))
      (memory.fill $other (i32.const 0) (i32.const 7) (i32.const 65536)))
    (func (export "malloc") (param i32) (result i32) (i32.load (i32.const 1000)))
    (func (export "sum") (param i32 i32) (result i32)
      (i32.add (i32.load8_u (local.get 0)) (local.get 1))))"#;

/// A function with as much.
const FUNCTION: &str = r#"(module
    (import "weft_1" "tree_get" (func $tree_get (param i32 i64) (result i32)))
    (import "weft_1" "blob_u64" (func $blob_u64 (param i32) (result i64)))
    (import "weft_1" "blob_new" (func $blob_new (param i32 i32) (result i32)))
    (import "weft_1" "log" (func $log (param i32 i32)))
    (memory (export "memory") 2 40)
    (global $a (mut i64) (i64.const 5))
    (global $e (mut v128) (v128.const i64x2 1 2))
    (data (i32.const 65530) "over the end of a page")
    (func (export "init") (global.set $a (i64.const 9)) (i32.store (i32.const 1000) (i32.const 30)))
    (func (export "grow") (drop (memory.grow (i32.const 20))) (i32.store (i32.const 1400000) (i32.const 6)))
    (func (export "weft_apply") (param i32) (result i32)
      (call $log (i32.const 65530) (i32.const 10))
      (global.set $a (i64.add (global.get $a)
        (call $blob_u64 (call $tree_get (i32.const 0) (i64.const 2)))))
      (i64.store (i32.const 0) (global.get $a))
      (v128.store (i32.const 8) (global.get $e))
      (i32.store (i32.const 1000) (i32.add (i32.load (i32.const 1000)) (i32.const 1)))
      (call $blob_new (i32.const 0) (i32.mul (memory.size) (i32.const 65536)))))"#;

/// Images that are whole, and what can be put in the place of a part of one.
struct Sound {
    objects: All,
    /// Each with whether it is that of a function.
    images: Vec<(Handle, bool)>,
    parts: Vec<Handle>,
    /// What a program is given, as when its image was made.
    given: Vec<Handle>,
    modules: [Handle; 2],
    /// An application of the first image, and what it comes to.
    known: (Vec<Handle>, Applied),
}

static SOUND: LazyLock<Option<Sound>> = LazyLock::new(sound);

fn sound() -> Option<Sound> {
    let [engine, other] = ENGINES.as_ref()?;
    let mut objects = All::default();
    let binary = |text| wat::parse_str(text).ok();
    let modules = [objects.blob_of(&binary(PROGRAM)?), objects.blob_of(&binary(FUNCTION)?)];
    let empty = Handle::EMPTY;
    let make = objects.blob_of(b"snapshot/1");
    let words = objects.names(&["one", "two"]);
    let variables = objects.names(&["A=b", "LONG=01234567890123456789012345678901234567890123"]);
    let file = objects.blob_of(&[7; 100]);
    let root = directory(&mut objects);
    let (seed, clock) = (Handle::of_u64(3), Handle::of_u64(1_700_000_000_000_000_000));
    let given = vec![words, variables, file, seed, clock, Handle::of_blob(b"/"), root];
    let mut images = Vec::new();
    for (module, calls) in [
        (0, &["init"][..]),
        (0, &["init", "ask"]),
        (0, &["look"]),
        (0, &["grow", "fill"]),
        (1, &["init"]),
        (1, &["init", "grow"]),
    ] {
        let mut entries = vec![make, objects.names(calls), modules[module]];
        entries.extend(given.iter().filter(|_| module == 0));
        let made = applied(&soundly, engine, &objects, &entries);
        objects.keep(&made);
        match made.outcome {
            Outcome::Value(image) => images.push((image, module == 1)),
            other => panic!("there is no image after {calls:?}: {other:?}"),
        }
    }
    let page = objects.blob_of(&[9; 4096]);
    let mut parts = vec![empty, page, file, words, root, Handle::of_blob(b"data")];
    parts.extend([1, 4095, 4097].map(|length| objects.blob_of(&vec![9; length])));
    parts.extend([0, 1 << 16, 1 << 20, 1 << 32, u64::MAX].map(Handle::of_u64));
    parts.extend(
        [vec![page; 16], vec![empty; 256], vec![], vec![empty; 17]].map(|of| objects.tree_of(of)),
    );
    parts.push(objects.tree_of(vec![modules[0], empty]));
    let stub =
        ["wasi_snapshot_preview1", "random_get"].map(|name| objects.blob_of(name.as_bytes()));
    parts.push(objects.tree_of(vec![modules[0], empty, stub[0], stub[1], Handle::of_u64(5)]));
    parts.extend(modules);
    parts.extend(
        ["weft image 1", "weft image 2", "sum"].map(|text| objects.blob_of(text.as_bytes())),
    );
    // Kinds that are none of data, and what is not there.
    parts.extend([page.lower()?, words.application()?, words.application()?.strict()?]);
    parts.extend([Handle::of_blob(&[1; 40]), Handle::of_tree(&[page])]);
    parts.extend(images.iter().map(|(image, _)| *image));
    let go = [objects.blob_of(b"image/1"), images[0].0.lower()?, objects.blob_of(b"go")].to_vec();
    let known = applied(&soundly, other, &objects, &go);
    Some(Sound { objects, images, parts, given, modules, known: (go, known) })
}

/// Changes an image as the bytes say and applies it.
///
/// # Panics
/// If it comes to one thing here and to another there, or if another image does then.
pub fn image(bytes: &[u8]) {
    image_by(bytes, &soundly);
}

/// The same by whoever performs it.
///
/// # Panics
/// As [`image`].
pub fn image_by(bytes: &[u8], by: &Perform) {
    let (Some(sound), Some([reusing, fresh])) = (SOUND.as_ref(), ENGINES.as_ref()) else { return };
    let mut bytes = Unstructured::new(bytes);
    let Ok((objects, application)) = application(sound, &mut bytes) else { return };
    let apply = |engine| applied(by, engine, &objects, &application);
    // Not ready, ready, ready with an instance that was used, and elsewhere.
    let [first, second, third] = std::array::from_fn(|_| apply(reusing));
    same("an image that was not ready and the same that was", &first, &second);
    same("an image in an instance and in one that was used", &second, &third);
    same("an image here and elsewhere", &third, &apply(fresh));
    // What runs from it leaves nothing for others.
    let (go, known) = &sound.known;
    same("an image beside a broken one", &applied(by, reusing, &sound.objects, go), known);
}

/// What it is applied to, and all content.
fn application(sound: &Sound, bytes: &mut Unstructured<'_>) -> Result<(All, Vec<Handle>)> {
    let mut changing = Changing { sound, objects: sound.objects.clone(), bytes };
    let (mut changed, is_function) = *changing.bytes.choose(&sound.images)?;
    for _ in 0..changing.bytes.int_in_range(0..=3)? {
        changed = changing.change(changed, 0)?;
    }
    let as_ref = changing.bytes.ratio(7, 8)?;
    let changed = changed.lower().filter(|_| as_ref).unwrap_or(changed);
    let mut entries = vec![changing.objects.blob_of(b"image/1"), changed];
    let names = ["go", "say", "dirty", "grow", "none", "sum"];
    let name = *changing.bytes.choose(&names)?;
    let name = changing.objects.blob_of(name.as_bytes());
    entries.push(match changing.bytes.int_in_range(0..=7)? {
        0 => changing.any_of(&sound.parts)?,
        1 | 2 => {
            let given = [name, changing.objects.blob_of(b"malloc"), sound.parts[2]];
            changing.objects.tree_of(given.to_vec())
        }
        3..=6 if is_function => Handle::of_u64(changing.bytes.arbitrary()?),
        3 => Handle::of_u64(changing.bytes.arbitrary()?),
        _ => name,
    });
    if changing.bytes.ratio(1, 2)? {
        let count = changing.bytes.int_in_range(0..=sound.given.len())?;
        entries.extend(&sound.given[..count]);
        if changing.bytes.ratio(1, 4)? {
            let at = changing.bytes.int_in_range(3..=entries.len())?;
            let part = changing.any_of(&sound.parts)?;
            entries.splice(at..(at + 1).min(entries.len()), [part]);
        }
    }
    Ok((changing.objects, entries))
}

struct Changing<'a, 'b> {
    sound: &'a Sound,
    objects: All,
    bytes: &'a mut Unstructured<'b>,
}

impl Changing<'_, '_> {
    fn any_of(&mut self, of: &[Handle]) -> Result<Handle> {
        self.bytes.choose(of).copied()
    }

    /// Changes something, or something in it.
    fn change(&mut self, of: Handle, depth: usize) -> Result<Handle> {
        if self.bytes.ratio(1, 12)? {
            return self.any_of(&self.sound.parts);
        }
        let content = match of.literal_bytes() {
            Some(bytes) => Some(Content::Blob(weft_object::Blob::new(bytes.to_vec()))),
            None => self.objects.0.get(&of.content()).cloned(),
        };
        let changed = match content {
            // Of what code is random, nobody knows whether it ends.
            _ if self.sound.modules.contains(&of.content()) => self.any_of(&self.sound.parts)?,
            Some(Content::Tree(tree)) => self.change_tree(&tree, depth)?,
            Some(Content::Blob(blob)) => self.change_bytes(blob.bytes())?,
            _ => self.any_of(&self.sound.parts)?,
        };
        // A Ref stays one.
        let was_ref = matches!(of.kind(), Kind::TreeRef | Kind::BlobRef);
        let flip = self.bytes.ratio(1, 16)?;
        Ok(changed.lower().filter(|_| was_ref != flip).unwrap_or(changed))
    }

    fn change_tree(&mut self, tree: &Tree, depth: usize) -> Result<Handle> {
        let mut entries = tree.entries().to_vec();
        if entries.is_empty() {
            entries.push(self.any_of(&self.sound.parts)?);
            return Ok(self.objects.tree_of(entries));
        }
        // The memories of an image are many, behind one entry; of a memory the first is its
        // length.
        let last = entries.len() - 1;
        let at = if self.bytes.ratio(1, 4)? { last } else { self.bytes.int_in_range(0..=last)? };
        match self.bytes.int_in_range(0..=15)? {
            0 => drop(entries.remove(at)),
            1 => entries.insert(at, entries[at]),
            2 => entries.truncate(at),
            3 => entries.insert(at, self.any_of(&self.sound.parts)?),
            4 => {
                let other = self.bytes.int_in_range(0..=last)?;
                entries.swap(at, other);
            }
            5 => entries[at] = self.any_of(&self.sound.parts)?,
            6 => {
                let (other, _) = *self.bytes.choose(&self.sound.images)?;
                let part = self
                    .objects
                    .0
                    .get(&other)
                    .and_then(|other| other.tree()?.entries().get(at).copied());
                entries[at] = part.unwrap_or(other);
            }
            _ if depth < 6 => entries[at] = self.change(entries[at], depth + 1)?,
            _ => entries[at] = Handle::EMPTY,
        }
        Ok(self.objects.tree_of(entries))
    }

    fn change_bytes(&mut self, bytes: &[u8]) -> Result<Handle> {
        let mut bytes = bytes.to_vec();
        let at = self.bytes.int_in_range(0..=bytes.len())?;
        match self.bytes.int_in_range(0..=7)? {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.bytes.arbitrary()?),
            2 => {
                let more: [u8; 17] = self.bytes.arbitrary()?;
                bytes.extend(more);
            }
            3 => {
                let edge =
                    *self.bytes.choose(&[0, 1, 1 << 12, 1 << 16, 1 << 31, 1 << 40, u64::MAX])?;
                let number = edge.wrapping_add(self.bytes.int_in_range(0..=2)?).wrapping_sub(1);
                for (byte, new) in bytes[at..].iter_mut().zip(number.to_le_bytes()) {
                    *byte = new;
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.bytes.arbitrary()?;
                }
            }
        }
        Ok(self.objects.blob_of(&bytes))
    }
}
