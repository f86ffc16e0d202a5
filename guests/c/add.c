// `add(a, b)`: the sum of two numbers, modulo 2^64.

#include "weft.h"

weft_handle weft_apply(weft_handle application) {
    uint64_t a = weft_blob_u64(weft_tree_get(application, 2));
    uint64_t b = weft_blob_u64(weft_tree_get(application, 3));
    return weft_u64_blob(a + b);
}
