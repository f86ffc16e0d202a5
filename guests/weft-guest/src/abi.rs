//! Generated from crates/engine/src/abi/table.rs by `cargo xtask guests --abi`; do not edit.

#[link(wasm_import_module = "weft_1")]
unsafe extern "C" {
    /// What the handle is: 0 blob, 1 tree, 2 blob ref, 3 tree ref, 4 thunk, 5 strict, 6
    /// shallow, 7 tag, 8 tag ref.
    pub fn kind(h: i32) -> i32;
    /// The bytes of a Blob or the entries of a Tree or Tag; of a Ref too. Traps when `h`
    /// is a thunk or an encode.
    pub fn length(h: i32) -> u64;
    /// 1 if both are the same Handle, else 0. Equal content under equal use is one
    /// Handle, so nothing is read.
    pub fn same(a: i32, b: i32) -> i32;
    /// Copies bytes of a Blob from `offset` into memory. Answers how many: less than
    /// `len` only at the end, 0 past it. Traps when `h` is no accessible Blob.
    pub fn blob_read(h: i32, offset: u64, ptr: *mut u8, len: u32) -> u32;
    /// Makes up to `len` bytes of a Blob from `offset` visible at the end of memory,
    /// which grows by the whole pages they need (none for no bytes), the rest of the
    /// last page zero. Answers their address, or -1 when the limit or the memory's
    /// maximum forbids the growth. The bytes are the guest's own: writing to them
    /// changes no Blob. Traps when `h` is no accessible Blob.
    pub fn blob_window(h: i32, offset: u64, len: u32) -> i32;
    /// The number in a Blob of up to 8 bytes, little-endian, zero-extended. Traps when
    /// `h` is no accessible Blob, or is longer.
    pub fn blob_u64(h: i32) -> u64;
    /// The Blob of a number's 8 bytes, little-endian.
    pub fn u64_blob(v: u64) -> i32;
    /// A Blob of these bytes.
    pub fn blob_new(ptr: *const u8, len: u32) -> i32;
    /// Entry `i` of a Tree or Tag. Traps when `h` is no accessible Tree or Tag; `i` is
    /// out of range.
    pub fn tree_get(h: i32, i: u64) -> i32;
    /// Puts entries of a Tree or Tag from `first` into the table and their indices into
    /// memory. Answers how many: less than `n` only at the end, 0 past it. Traps when
    /// `h` is no accessible Tree or Tag.
    pub fn tree_read(h: i32, first: u64, ptr: *mut i32, n: u32) -> u32;
    /// A Tree of the `n` handles whose indices stand at `ptr`. Traps when an index is
    /// not in the table.
    pub fn tree_new(ptr: *const i32, n: u32) -> i32;
    /// The Tag `[procedure, target, data]`, where `procedure` is the innermost one of
    /// this application: a mark that no other procedure can make. Traps when an Encode
    /// can be reached in `target` or `data` through Objects.
    pub fn tag(target: i32, data: i32) -> i32;
    /// The Thunk that applies a Tree `[limits, procedure, argument...]`. Traps when
    /// `tree` is no accessible Tree.
    pub fn application(tree: i32) -> i32;
    /// The Thunk that evaluates to `data`. Traps when `data` is a thunk or an encode.
    pub fn identification(data: i32) -> i32;
    /// The Thunk that takes one entry of a Tree, or one byte of a Blob. The target may
    /// be a Ref, a Thunk or an Encode.
    pub fn selection(target: i32, i: u64) -> i32;
    /// The Thunk that takes the entries or bytes from `from` up to and without `to`.
    pub fn selection_range(target: i32, from: u64, to: u64) -> i32;
    /// The Thunk that takes what a directory holds under the path at `ptr`.
    pub fn selection_path(target: i32, ptr: *const u8, len: u32) -> i32;
    /// The Thunk that takes the kind and length of the entries from `from` up to and
    /// without `to`, and nothing of their content: a Blob of 8 bytes for each.
    pub fn selection_digest(target: i32, from: u64, to: u64) -> i32;
    /// The Encode that asks for the Thunk's result, accessible and evaluated. Traps when
    /// `thunk` is no thunk.
    pub fn strict(thunk: i32) -> i32;
    /// The Encode that asks for a Ref to the Thunk's result. Traps when `thunk` is no
    /// thunk.
    pub fn shallow(thunk: i32) -> i32;
    /// Ends the function with a failure and this message, of which the first 4096 bytes
    /// are kept, as UTF-8 with what is none replaced. Never returns.
    pub fn fail(ptr: *const u8, len: u32) -> !;
    /// Keeps a line with this run, up to a bound for all lines. Nothing reads it but
    /// whoever asks about the run.
    pub fn log(ptr: *const u8, len: u32);
}
