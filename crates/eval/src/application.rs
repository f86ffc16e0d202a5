//! From a Tree `[limits, procedure, argument...]` whose entries are evaluated to
//! the canonical application that relations are about.

use weft_object::{Handle, Kind, Tree};

use crate::outcome::{Halt, Step};
use crate::{FailureKind, Key};

/// The meaning version: what fixes the outcome of an application besides its
/// canonical Tree. Defaults, page size, selection rules, the guest ABI and the
/// enabled Wasm proposals change only together with it.
pub const MEANING: u32 = 1;

/// Bytes of a Wasm page, the grain of the memory limit.
pub const PAGE_BYTES: u64 = 65_536;

/// The memory limit of an application that declares none.
pub const DEFAULT_MEMORY_LIMIT_BYTES: u64 = 256 << 20;

/// A canonical application: closures flattened, limits reduced to what is
/// meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The name of the canonical Tree.
    pub handle: Handle,
    /// Its entries: `[limits, innermost procedure, argument...]`.
    pub tree: Tree,
    /// How much memory the function may have, a multiple of [`PAGE_BYTES`].
    pub memory_limit_bytes: u64,
    /// What steers the run without being part of its meaning.
    pub hints: Hints,
}

/// Limits that neither the function nor any relation sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hints {
    /// The output that the caller expects, in bytes.
    pub output_bytes: Option<u64>,
    /// How many Thunks the caller expects the output to hold.
    pub fanout: Option<u64>,
    /// After how many instructions to give up without an answer.
    pub fuel: Option<u64>,
}

struct Limits {
    memory_limit_bytes: u64,
    hints: Hints,
}

/// What canonicalization needs of its surroundings.
pub(crate) trait Trees {
    /// The content of a Tree Object, or why not yet.
    fn tree_content(&mut self, object: Handle) -> Step<Tree>;
    /// Keeps a Tree and names it.
    fn put(&mut self, entries: &[Handle]) -> (Handle, Tree);
}

/// Brings the evaluated entries of `thunk`'s Tree to canonical form.
///
/// `entries` come with the name of the Tree that they stand in if it is resident
/// under that already; it is returned as it is where it is canonical, so that
/// the common case hashes and allocates nothing.
pub(crate) fn canonical(
    trees: &mut impl Trees,
    thunk: Handle,
    entries: Entries,
) -> Step<Application> {
    // Nearly all are as short; what is read and put together below would be the same.
    let entries = match entries {
        Entries::Named(handle, tree) if is_plainly_canonical(tree.entries()) => {
            let memory_limit_bytes = DEFAULT_MEMORY_LIMIT_BYTES;
            return Ok(Application { handle, tree, memory_limit_bytes, hints: Hints::default() });
        }
        entries => entries,
    };
    let [limits_entry, procedure, arguments @ ..] = entries.entries() else {
        return Err(ill_formed(thunk, "an application has at least limits and a procedure"));
    };
    let limits = read_limits(trees, thunk, *limits_entry)?;
    let limits_canonical = match limits.memory_limit_bytes {
        DEFAULT_MEMORY_LIMIT_BYTES => Handle::EMPTY,
        bytes => Handle::of_u64(bytes),
    };
    let flat = flatten(trees, thunk, *procedure)?;
    let is_canonical = flat.arguments.is_empty() && limits_canonical == *limits_entry;
    let (handle, tree) = match entries {
        Entries::Named(handle, tree) if is_canonical => (handle, tree),
        Entries::New(values) if is_canonical => trees.put(&values),
        _ => {
            let mut canonical = Vec::with_capacity(entries.entries().len() + flat.arguments.len());
            canonical.extend([limits_canonical, flat.procedure]);
            canonical.extend(flat.arguments.iter().rev().flat_map(|tree| &tree.entries()[1..]));
            canonical.extend(arguments);
            trees.put(&canonical)
        }
    };
    let Limits { memory_limit_bytes, hints } = limits;
    Ok(Application { handle, tree, memory_limit_bytes, hints })
}

/// Whether these have no limits and no closure.
fn is_plainly_canonical(entries: &[Handle]) -> bool {
    matches!(entries, [limits, procedure, ..]
        if *limits == Handle::EMPTY && procedure.kind() == Kind::Blob)
}

/// The evaluated entries of an application.
pub(crate) enum Entries {
    /// Those of a Tree that is resident under its name.
    Named(Handle, Tree),
    /// As they came out of their evaluation.
    New(Vec<Handle>),
}

impl Entries {
    fn entries(&self) -> &[Handle] {
        match self {
            Self::Named(_, tree) => tree.entries(),
            Self::New(values) => values,
        }
    }
}

struct Flat {
    procedure: Handle,
    /// The closures, outermost first.
    arguments: Vec<Tree>,
}

fn flatten(trees: &mut impl Trees, thunk: Handle, mut procedure: Handle) -> Step<Flat> {
    let mut arguments = Vec::new();
    loop {
        match procedure.kind() {
            Kind::Blob => return Ok(Flat { procedure, arguments }),
            Kind::Tree => {
                let closure = trees.tree_content(procedure)?;
                let Some(inner) = closure.entries().first() else {
                    return Err(ill_formed(thunk, "a closure has at least a procedure"));
                };
                procedure = *inner;
                arguments.push(closure);
            }
            kind => {
                let detail = format!("the procedure is a {kind}, not an accessible blob or tree");
                return Err(ill_formed(thunk, &detail));
            }
        }
    }
}

fn read_limits(trees: &mut impl Trees, thunk: Handle, entry: Handle) -> Step<Limits> {
    let mut hints = Hints::default();
    let memory = match entry.kind() {
        Kind::Tree => {
            let tree = trees.tree_content(entry)?;
            if tree.entries().len() > 5 {
                return Err(ill_formed(thunk, "limits have at most five entries"));
            }
            let field = |at: usize| match tree.entries().get(at) {
                Some(entry) => read_limit(thunk, *entry),
                None => Ok(None),
            };
            let flags = field(3)?;
            if flags.is_some_and(|flags| flags != 0) {
                return Err(ill_formed(thunk, "limits have unknown flags"));
            }
            hints = Hints { output_bytes: field(1)?, fanout: field(2)?, fuel: field(4)? };
            field(0)?
        }
        _ => read_limit(thunk, entry)?,
    };
    let bytes = memory.unwrap_or(DEFAULT_MEMORY_LIMIT_BYTES);
    // A function can only tell whole pages apart.
    Ok(Limits { memory_limit_bytes: bytes - bytes % PAGE_BYTES, hints })
}

fn read_limit(thunk: Handle, entry: Handle) -> Step<Option<u64>> {
    match (entry.literal_bytes(), entry.literal_u64()) {
        (Some([]), _) => Ok(None),
        (_, Some(value)) => Ok(Some(value)),
        _ => Err(ill_formed(thunk, "a limit is empty or a number of eight bytes")),
    }
}

fn ill_formed(thunk: Handle, detail: &str) -> Halt {
    Halt::failure(FailureKind::IllFormed, detail, thunk)
}

impl Application {
    /// The key of its relation.
    #[must_use]
    pub const fn key(&self) -> Key {
        Key::Apply(self.handle)
    }
}
