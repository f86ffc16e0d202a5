//! The bytes of questions, answers and ends: `docs/wasi.md`.

use weft_object::directory::FileKind;
use weft_object::{Blob, Handle, Tree};

use super::answer::number;
use super::{Answer, Asked, Edit, EditKind, End, Question};

/// Stands before an answer that is a listing; below are the kinds.
const LISTING: u8 = 3;

const QUESTIONS: [Question; 5] =
    [Question::Kind, Question::Size, Question::Content, Question::Exact, Question::Listing];

impl Asked {
    /// Question, directory, path. Of most paths, a literal.
    pub(super) fn encode(&self) -> Blob {
        let mut bytes = vec![self.question as u8];
        bytes.extend_from_slice(&self.preopen.to_le_bytes());
        bytes.extend_from_slice(&self.path);
        Blob::new(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let ([question, low, high], path) = bytes.split_first_chunk()?;
        Some(Self {
            question: *QUESTIONS.get(usize::from(*question))?,
            preopen: u16::from_le_bytes([*low, *high]),
            path: path.into(),
        })
    }
}

impl Answer {
    /// What stands for it in the next place.
    pub(super) fn entries(&self) -> Vec<Handle> {
        let named = |head: u8, content: &Handle| {
            vec![Handle::of_blob(&[head]), content.lower().unwrap_or(*content)]
        };
        match self {
            Self::Absent => vec![Handle::EMPTY],
            Self::Kind(kind) => vec![Handle::of_blob(&[number(*kind)])],
            Self::Size(kind, size) => {
                let mut bytes = vec![number(*kind)];
                bytes.extend_from_slice(&size.to_le_bytes());
                vec![Handle::of_blob(&bytes)]
            }
            Self::Content(kind, content) => named(number(*kind), content),
            // Here an Object is not a Ref: the result has it as it is.
            Self::Exact(kind, mode, child) => {
                let [low, high] = mode.to_le_bytes();
                vec![Handle::of_blob(&[number(*kind), low, high]), *child]
            }
            Self::Listing(names) => named(LISTING, names),
        }
    }
}

const REMOVE: u8 = 0;
const WRITE: u8 = 1;
/// And from here on by kind.
const PLACE: u8 = 2;
const KINDS: [FileKind; 3] = [FileKind::File, FileKind::Directory, FileKind::Symlink];

impl End {
    /// `[exit code, stdout, stderr, edits, child...]`, and the Blob of the edits.
    pub(super) fn encode(&self) -> (Tree, Blob) {
        let mut bytes = Vec::new();
        let mut children = Vec::new();
        for Edit { preopen, path, kind } in &self.edits {
            let (what, mode) = match kind {
                EditKind::Remove => (REMOVE, 0),
                EditKind::Write(_) => (WRITE, 0),
                EditKind::Place(kind, mode, _) => (PLACE + number(*kind), *mode),
            };
            bytes.push(what);
            bytes.extend_from_slice(&mode.to_le_bytes());
            bytes.extend_from_slice(&preopen.to_le_bytes());
            // A path below the input's is bounded, see `Fs::lookup`.
            bytes.extend_from_slice(&(path.len() as u32).to_le_bytes());
            bytes.extend_from_slice(path);
            children.extend(kind.child());
        }
        let edits = Blob::new(bytes);
        let code = Handle::of_u64(self.code.into());
        let mut entries = vec![code, self.stdout, self.stderr, edits.handle()];
        entries.extend(children);
        (Tree::new(entries), edits)
    }

    /// `None` if the Tree is no end; `edits` are the bytes of its fourth entry.
    pub(super) fn decode(tree: &Tree, edits: &[u8]) -> Option<Self> {
        let [code, stdout, stderr, _, children @ ..] = tree.entries() else { return None };
        let mut children = children.iter().copied();
        let (mut rest, mut list) = (edits, Vec::new());
        while !rest.is_empty() {
            list.push(edit(&mut rest, &mut children)?);
        }
        let code = u32::try_from(code.literal_u64()?).ok()?;
        let all = children.next().is_none();
        all.then_some(Self { code, stdout: *stdout, stderr: *stderr, edits: list })
    }
}

fn edit(rest: &mut &[u8], children: &mut impl Iterator<Item = Handle>) -> Option<Edit> {
    let [what] = take(rest)?;
    let mode = u16::from_le_bytes(take(rest)?);
    let preopen = u32::from_le_bytes(take(rest)?);
    let len = u32::from_le_bytes(take(rest)?) as usize;
    let (path, after) = rest.split_at_checked(len)?;
    *rest = after;
    let mut child = |kind: FileKind| children.next().filter(|child| kind.admits(child));
    let kind = match what {
        REMOVE => EditKind::Remove,
        WRITE => EditKind::Write(child(FileKind::File)?),
        _ => {
            let kind = *KINDS.get(usize::from(what - PLACE))?;
            EditKind::Place(kind, mode, child(kind)?)
        }
    };
    Some(Edit { preopen, path: path.into(), kind })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*head)
}
