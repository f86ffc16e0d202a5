//! The guest ABI as data: the one place where it is written down.
//!
//! The functions that guests link to are checked against these rows; the C
//! header, the Rust extern block and the reference page are generated from
//! them (see [`super::generate`]).

use Ty::{Address, AddressOut, Answer, Count, Handle, Indices, IndicesOut, Number, Position, Size};

/// The name of the module that a guest imports from.
pub const MODULE: &str = "weft_1";

/// The function that a guest exports: handle of the application in, handle of
/// the result out.
pub const EXPORT: &str = "weft_apply";

/// One function that a guest may import.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The import's name within [`MODULE`].
    pub name: &'static str,
    /// Its parameters: name and type.
    pub params: &'static [(&'static str, Ty)],
    /// Its result.
    pub result: Option<Ty>,
    /// What it does, as one or more sentences without the final period.
    pub does: &'static str,
    /// When it traps, beyond a handle that is not in the table and a range
    /// that is not in memory.
    pub traps: &'static str,
}

/// What a parameter or result means, which fixes its type in each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ty {
    /// An index into the table of handles.
    Handle,
    /// Where bytes are read from.
    Address,
    /// Where bytes are written to.
    AddressOut,
    /// Where handles, as `i32` indices, are read from.
    Indices,
    /// Where handles, as `i32` indices, are written to.
    IndicesOut,
    /// How many bytes or indices of memory.
    Size,
    /// A place in a Blob or Tree, or its length.
    Position,
    /// A number for the guest's own use.
    Number,
    /// How many were written.
    Count,
    /// A small code: a kind, a truth value, an address or -1.
    Answer,
}

impl Ty {
    /// The WebAssembly type.
    #[must_use]
    pub const fn wasm(self) -> &'static str {
        match self {
            Position | Number => "i64",
            _ => "i32",
        }
    }
}

/// Every function of the ABI, in the order of the reference page.
pub const CALLS: &[Call] = &[
    Call {
        name: "kind",
        params: &[("h", Handle)],
        result: Some(Answer),
        does: "What the handle is: 0 blob, 1 tree, 2 blob ref, 3 tree ref, 4 thunk, 5 strict, \
               6 shallow, 7 tag, 8 tag ref",
        traps: "",
    },
    Call {
        name: "length",
        params: &[("h", Handle)],
        result: Some(Position),
        does: "The bytes of a Blob or the entries of a Tree or Tag; of a Ref too",
        traps: "`h` is a thunk or an encode",
    },
    Call {
        name: "same",
        params: &[("a", Handle), ("b", Handle)],
        result: Some(Answer),
        does: "1 if both are the same Handle, else 0. Equal content under equal use is one Handle, \
               so nothing is read",
        traps: "",
    },
    Call {
        name: "blob_read",
        params: &[("h", Handle), ("offset", Position), ("ptr", AddressOut), ("len", Size)],
        result: Some(Count),
        does: "Copies bytes of a Blob from `offset` into memory. Answers how many: less than `len` \
               only at the end, 0 past it",
        traps: "`h` is no accessible Blob",
    },
    Call {
        name: "blob_window",
        params: &[("h", Handle), ("offset", Position), ("len", Size)],
        result: Some(Answer),
        does: "Makes up to `len` bytes of a Blob from `offset` visible at the end of memory, which \
               grows by the whole pages they need (none for no bytes), the rest of the last page \
               zero. Answers their address, or -1 when the limit or the memory's maximum forbids \
               the growth. The bytes are the guest's own: writing to them changes no Blob",
        traps: "`h` is no accessible Blob",
    },
    Call {
        name: "blob_u64",
        params: &[("h", Handle)],
        result: Some(Number),
        does: "The number in a Blob of up to 8 bytes, little-endian, zero-extended",
        traps: "`h` is no accessible Blob, or is longer",
    },
    Call {
        name: "u64_blob",
        params: &[("v", Number)],
        result: Some(Handle),
        does: "The Blob of a number's 8 bytes, little-endian",
        traps: "",
    },
    Call {
        name: "blob_new",
        params: &[("ptr", Address), ("len", Size)],
        result: Some(Handle),
        does: "A Blob of these bytes",
        traps: "",
    },
    Call {
        name: "tree_get",
        params: &[("h", Handle), ("i", Position)],
        result: Some(Handle),
        does: "Entry `i` of a Tree or Tag",
        traps: "`h` is no accessible Tree or Tag; `i` is out of range",
    },
    Call {
        name: "tree_read",
        params: &[("h", Handle), ("first", Position), ("ptr", IndicesOut), ("n", Size)],
        result: Some(Count),
        does: "Puts entries of a Tree or Tag from `first` into the table and their indices into \
               memory. Answers how many: less than `n` only at the end, 0 past it",
        traps: "`h` is no accessible Tree or Tag",
    },
    Call {
        name: "tree_new",
        params: &[("ptr", Indices), ("n", Size)],
        result: Some(Handle),
        does: "A Tree of the `n` handles whose indices stand at `ptr`",
        traps: "an index is not in the table",
    },
    Call {
        name: "tag",
        params: &[("target", Handle), ("data", Handle)],
        result: Some(Handle),
        does: "The Tag `[procedure, target, data]`, where `procedure` is the innermost one of this \
               application: a mark that no other procedure can make",
        traps: "an Encode can be reached in `target` or `data` through Objects",
    },
    Call {
        name: "application",
        params: &[("tree", Handle)],
        result: Some(Handle),
        does: "The Thunk that applies a Tree `[limits, procedure, argument...]`",
        traps: "`tree` is no accessible Tree",
    },
    Call {
        name: "identification",
        params: &[("data", Handle)],
        result: Some(Handle),
        does: "The Thunk that evaluates to `data`",
        traps: "`data` is a thunk or an encode",
    },
    Call {
        name: "selection",
        params: &[("target", Handle), ("i", Position)],
        result: Some(Handle),
        does: "The Thunk that takes one entry of a Tree, or one byte of a Blob. The target may be \
               a Ref, a Thunk or an Encode",
        traps: "",
    },
    Call {
        name: "selection_range",
        params: &[("target", Handle), ("from", Position), ("to", Position)],
        result: Some(Handle),
        does: "The Thunk that takes the entries or bytes from `from` up to and without `to`",
        traps: "",
    },
    Call {
        name: "selection_path",
        params: &[("target", Handle), ("ptr", Address), ("len", Size)],
        result: Some(Handle),
        does: "The Thunk that takes what a directory holds under the path at `ptr`",
        traps: "",
    },
    Call {
        name: "selection_digest",
        params: &[("target", Handle), ("from", Position), ("to", Position)],
        result: Some(Handle),
        does: "The Thunk that takes the kind and length of the entries from `from` up to and \
               without `to`, and nothing of their content: a Blob of 8 bytes for each",
        traps: "",
    },
    Call {
        name: "strict",
        params: &[("thunk", Handle)],
        result: Some(Handle),
        does: "The Encode that asks for the Thunk's result, accessible and evaluated",
        traps: "`thunk` is no thunk",
    },
    Call {
        name: "shallow",
        params: &[("thunk", Handle)],
        result: Some(Handle),
        does: "The Encode that asks for a Ref to the Thunk's result",
        traps: "`thunk` is no thunk",
    },
    Call {
        name: "fail",
        params: &[("ptr", Address), ("len", Size)],
        result: None,
        does: "Ends the function with a failure and this message, of which the first 4096 bytes \
               are kept, as UTF-8 with what is none replaced. Never returns",
        traps: "",
    },
    Call {
        name: "log",
        params: &[("ptr", Address), ("len", Size)],
        result: None,
        does: "Keeps a line with this run, up to a bound for all lines. Nothing reads it but whoever \
               asks about the run",
        traps: "",
    },
];
