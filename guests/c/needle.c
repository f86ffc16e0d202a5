// `needle(needle, blob)`: how often a byte string occurs, not counting overlaps.

#include "weft.h"

static const char EMPTY[] = "an empty needle";
static const char FULL[] = "the memory limit leaves no room for a blob";

// The bytes of a Blob, visible at the end of memory.
static const uint8_t *bytes(weft_handle blob, uint32_t len) {
    int32_t at = weft_blob_window(blob, 0, len);
    if (at == -1) weft_fail(FULL, sizeof FULL - 1);
    return (const uint8_t *)(uintptr_t)(uint32_t)at;
}

weft_handle weft_apply(weft_handle application) {
    weft_handle needle_blob = weft_tree_get(application, 2);
    weft_handle hay_blob = weft_tree_get(application, 3);
    uint32_t needle_len = (uint32_t)weft_length(needle_blob);
    uint32_t hay_len = (uint32_t)weft_length(hay_blob);
    if (needle_len == 0) weft_fail(EMPTY, sizeof EMPTY - 1);
    const uint8_t *needle = bytes(needle_blob, needle_len);
    const uint8_t *hay = bytes(hay_blob, hay_len);
    uint64_t found = 0;
    for (uint32_t at = 0; hay_len - at >= needle_len && at < hay_len;) {
        uint32_t same = 0;
        while (same < needle_len && hay[at + same] == needle[same]) same++;
        if (same == needle_len) {
            found++;
            at += needle_len;
        } else {
            at++;
        }
    }
    return weft_u64_blob(found);
}
