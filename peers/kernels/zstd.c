// `zstd(blob)`: compressed at the level that zstd has where none is given.
// `zstd(frame, length)`: decompressed to so many bytes.

#include <stdlib.h>

#include "weft.h"
#include "zstd.h"

void __wasm_call_ctors(void);

static void *room(uint64_t length) {
    void *room = malloc(length);
    static const char FULL[] = "no room";
    if (room == NULL) weft_fail(FULL, sizeof FULL - 1);
    return room;
}

weft_handle weft_apply(weft_handle application) {
    __wasm_call_ctors();
    weft_handle blob = weft_tree_get(application, 2);
    size_t length = (size_t)weft_length(blob);
    void *from = room(length);
    weft_blob_read(blob, 0, from, length);
    int expand = weft_length(application) > 3;
    size_t most = expand ? (size_t)weft_blob_u64(weft_tree_get(application, 3)) : ZSTD_compressBound(length);
    void *to = room(most);
    size_t made = expand ? ZSTD_decompress(to, most, from, length)
                         : ZSTD_compress(to, most, from, length, ZSTD_CLEVEL_DEFAULT);
    static const char WRONG[] = "zstd says that it cannot be done";
    if (ZSTD_isError(made)) weft_fail(WRONG, sizeof WRONG - 1);
    return weft_blob_new(to, made);
}
