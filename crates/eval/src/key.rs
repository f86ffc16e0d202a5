use core::fmt;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher};

use weft_object::{Handle, Kind};

/// Something that can be wanted, waited for and found out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The evaluation of an Encode, or of a Tree from which one can be reached.
    Eval(Handle),
    /// The data that a Thunk comes to.
    Force(Handle),
    /// The outcome of a canonical application Tree.
    Apply(Handle),
    /// That an Object's own content is resident.
    Content(Handle),
}

impl Key {
    /// What a request for this handle from outside asks: a Thunk is asked for
    /// strictly. `None` where the handle is its own evaluation.
    #[must_use]
    pub fn of_request(handle: Handle) -> Option<Self> {
        let handle = handle.strict().unwrap_or(handle);
        handle.has_encode().then_some(Self::Eval(handle))
    }

    /// The handle under which a relation for this key is kept, or `None` for
    /// [`Key::Content`], which is no relation. No two keys share one: an apply
    /// is kept under its Tree, a force under its Thunk, and the evaluation of a
    /// Tree under the Encode of its identification, which asks the same.
    #[must_use]
    pub fn relation(&self) -> Option<Handle> {
        match *self {
            Self::Apply(tree) => Some(tree),
            Self::Force(thunk) => Some(thunk),
            Self::Eval(handle) => match handle.kind() {
                Kind::Tree => handle.identification()?.strict(),
                _ => Some(handle),
            },
            Self::Content(_) => None,
        }
    }

    /// The handle that the key is about.
    #[must_use]
    pub const fn handle(&self) -> Handle {
        match self {
            Self::Eval(handle)
            | Self::Force(handle)
            | Self::Apply(handle)
            | Self::Content(handle) => *handle,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Eval(_) => "eval",
            Self::Force(_) => "force",
            Self::Apply(_) => "apply",
            Self::Content(_) => "content",
        };
        write!(f, "{name} {:?}", self.handle())
    }
}

// Unlike the default hasher these have no random seed: the order in which a
// graph is walked must follow from its events alone.
pub(crate) type KeyMap<V> = HashMap<Key, V, BuildHasherDefault<DefaultHasher>>;
pub(crate) type KeySet = HashSet<Key, BuildHasherDefault<DefaultHasher>>;
