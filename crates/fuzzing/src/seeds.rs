//! Good inputs. Made by code where their form is ours, so that they follow it.

use weft_object::Handle;
use weft_object::directory::{DirectoryError, Entry, FileKind, Name, Part, build};

/// Index Blobs and nodes of real directories, and lists of names.
pub(crate) fn directories() -> Vec<Vec<u8>> {
    let mut seeds = vec![b"a\0b\0file.txt\0name with spaces".to_vec()];
    // Of no, one and some names, and of more than one level.
    for count in [0, 1, 3, 12, 3000] {
        let mut index = Vec::new();
        let built = build((0..count).filter_map(entry).collect(), |_, part| {
            match part {
                Part::Index(blob) => {
                    index = blob.bytes().to_vec();
                    seeds.push(index.clone());
                }
                Part::Node(tree) => seeds.extend(node(&index, tree.entries())),
            }
            Ok::<_, DirectoryError>(())
        });
        debug_assert!(built.is_ok(), "{built:?}");
    }
    // Mutations of long inputs mostly hit what nobody looks at.
    seeds.retain(|seed| seed.len() < 8 << 10);
    seeds
}

fn entry(at: usize) -> Option<Entry> {
    let name = Name::new(format!("entry-{at}").as_bytes()).ok()?;
    let child = Handle::of_blob(&[b'x'; 40][..at % 40]);
    let (kind, mode) = match at % 5 {
        4 => (FileKind::Symlink, Entry::SYMLINK_MODE),
        _ => (FileKind::File, 0o644),
    };
    Some(Entry { name, kind, mode, child })
}

/// As `fuzz_directory` reads a node: the length of the index, it, the children.
/// The index is the one handed out before, unless it fits its handle.
fn node(index: &[u8], entries: &[Handle]) -> Option<Vec<u8>> {
    let (first, children) = entries.split_first()?;
    let index = first.literal_bytes().unwrap_or(index);
    let mut bytes = vec![u8::try_from(index.len()).ok()?];
    bytes.extend_from_slice(index);
    bytes.extend(children.iter().flat_map(Handle::as_bytes));
    Some(bytes)
}
