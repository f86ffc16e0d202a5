// Generated from crates/engine/src/abi/table.rs by `cargo xtask guests --abi`; do not edit.
// What each function does, in full: docs/abi.md

#ifndef WEFT_H
#define WEFT_H

#include <stdint.h>

// An index into the table of handles of this one invocation.
typedef int32_t weft_handle;

// What a module defines: the application in, the result out.
__attribute__((export_name("weft_apply"))) weft_handle weft_apply(weft_handle application);

// What the handle is: 0 blob, 1 tree, 2 blob ref, 3 tree ref, 4 thunk, 5 strict, 6
// shallow, 7 tag, 8 tag ref.
__attribute__((import_module("weft_1"), import_name("kind")))
int32_t weft_kind(weft_handle h);

// The bytes of a Blob or the entries of a Tree or Tag; of a Ref too. Traps when `h` is a
// thunk or an encode.
__attribute__((import_module("weft_1"), import_name("length")))
uint64_t weft_length(weft_handle h);

// 1 if both are the same Handle, else 0. Equal content under equal use is one Handle, so
// nothing is read.
__attribute__((import_module("weft_1"), import_name("same")))
int32_t weft_same(weft_handle a, weft_handle b);

// Copies bytes of a Blob from `offset` into memory. Answers how many: less than `len`
// only at the end, 0 past it. Traps when `h` is no accessible Blob.
__attribute__((import_module("weft_1"), import_name("blob_read")))
uint32_t weft_blob_read(weft_handle h, uint64_t offset, void *ptr, uint32_t len);

// Makes up to `len` bytes of a Blob from `offset` visible at the end of memory, which
// grows by the whole pages they need (none for no bytes), the rest of the last page
// zero. Answers their address, or -1 when the limit or the memory's maximum forbids the
// growth. The bytes are the guest's own: writing to them changes no Blob. Traps when `h`
// is no accessible Blob.
__attribute__((import_module("weft_1"), import_name("blob_window")))
int32_t weft_blob_window(weft_handle h, uint64_t offset, uint32_t len);

// The number in a Blob of up to 8 bytes, little-endian, zero-extended. Traps when `h` is
// no accessible Blob, or is longer.
__attribute__((import_module("weft_1"), import_name("blob_u64")))
uint64_t weft_blob_u64(weft_handle h);

// The Blob of a number's 8 bytes, little-endian.
__attribute__((import_module("weft_1"), import_name("u64_blob")))
weft_handle weft_u64_blob(uint64_t v);

// A Blob of these bytes.
__attribute__((import_module("weft_1"), import_name("blob_new")))
weft_handle weft_blob_new(const void *ptr, uint32_t len);

// Entry `i` of a Tree or Tag. Traps when `h` is no accessible Tree or Tag; `i` is out of
// range.
__attribute__((import_module("weft_1"), import_name("tree_get")))
weft_handle weft_tree_get(weft_handle h, uint64_t i);

// Puts entries of a Tree or Tag from `first` into the table and their indices into
// memory. Answers how many: less than `n` only at the end, 0 past it. Traps when `h` is
// no accessible Tree or Tag.
__attribute__((import_module("weft_1"), import_name("tree_read")))
uint32_t weft_tree_read(weft_handle h, uint64_t first, weft_handle *ptr, uint32_t n);

// A Tree of the `n` handles whose indices stand at `ptr`. Traps when an index is not in
// the table.
__attribute__((import_module("weft_1"), import_name("tree_new")))
weft_handle weft_tree_new(const weft_handle *ptr, uint32_t n);

// The Tag `[procedure, target, data]`, where `procedure` is the innermost one of this
// application: a mark that no other procedure can make. Traps when an Encode can be
// reached in `target` or `data` through Objects.
__attribute__((import_module("weft_1"), import_name("tag")))
weft_handle weft_tag(weft_handle target, weft_handle data);

// The Thunk that applies a Tree `[limits, procedure, argument...]`. Traps when `tree` is
// no accessible Tree.
__attribute__((import_module("weft_1"), import_name("application")))
weft_handle weft_application(weft_handle tree);

// The Thunk that evaluates to `data`. Traps when `data` is a thunk or an encode.
__attribute__((import_module("weft_1"), import_name("identification")))
weft_handle weft_identification(weft_handle data);

// The Thunk that takes one entry of a Tree, or one byte of a Blob. The target may be a
// Ref, a Thunk or an Encode.
__attribute__((import_module("weft_1"), import_name("selection")))
weft_handle weft_selection(weft_handle target, uint64_t i);

// The Thunk that takes the entries or bytes from `from` up to and without `to`.
__attribute__((import_module("weft_1"), import_name("selection_range")))
weft_handle weft_selection_range(weft_handle target, uint64_t from, uint64_t to);

// The Thunk that takes what a directory holds under the path at `ptr`.
__attribute__((import_module("weft_1"), import_name("selection_path")))
weft_handle weft_selection_path(weft_handle target, const void *ptr, uint32_t len);

// The Thunk that takes the kind and length of the entries from `from` up to and without
// `to`, and nothing of their content: a Blob of 8 bytes for each.
__attribute__((import_module("weft_1"), import_name("selection_digest")))
weft_handle weft_selection_digest(weft_handle target, uint64_t from, uint64_t to);

// The Encode that asks for the Thunk's result, accessible and evaluated. Traps when
// `thunk` is no thunk.
__attribute__((import_module("weft_1"), import_name("strict")))
weft_handle weft_strict(weft_handle thunk);

// The Encode that asks for a Ref to the Thunk's result. Traps when `thunk` is no thunk.
__attribute__((import_module("weft_1"), import_name("shallow")))
weft_handle weft_shallow(weft_handle thunk);

// Ends the function with a failure and this message, of which the first 4096 bytes are
// kept, as UTF-8 with what is none replaced. Never returns.
__attribute__((import_module("weft_1"), import_name("fail"), noreturn))
void weft_fail(const void *ptr, uint32_t len);

// Keeps a line with this run, up to a bound for all lines. Nothing reads it but whoever
// asks about the run.
__attribute__((import_module("weft_1"), import_name("log")))
void weft_log(const void *ptr, uint32_t len);

#endif
