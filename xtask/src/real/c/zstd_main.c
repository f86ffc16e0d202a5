// `zstd [-LEVEL | -d]`: the standard input, compressed or decompressed, to the
// standard output. The crate that carries the sources leaves the program out.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zstd.h"

static void *all(size_t *length) {
    size_t room = 1 << 16;
    char *content = malloc(room);
    *length = 0;
    while (content != NULL) {
        size_t count = fread(content + *length, 1, room - *length, stdin);
        if (count == 0) {
            break;
        }
        *length += count;
        if (*length == room) {
            content = realloc(content, room *= 2);
        }
    }
    return content;
}

int main(int count, char **arguments) {
    int expand = count > 1 && strcmp(arguments[1], "-d") == 0;
    int level = count > 1 && !expand ? -atoi(arguments[1]) : ZSTD_CLEVEL_DEFAULT;
    size_t length;
    void *from = all(&length);
    unsigned long long room = expand ? ZSTD_getFrameContentSize(from, length) : ZSTD_compressBound(length);
    if (room == ZSTD_CONTENTSIZE_ERROR || room == ZSTD_CONTENTSIZE_UNKNOWN) {
        fprintf(stderr, "zstd: this is not one frame that says its size\n");
        return 1;
    }
    void *to = malloc(room + 1);
    size_t made = expand ? ZSTD_decompress(to, room, from, length)
                         : ZSTD_compress(to, room, from, length, level);
    if (ZSTD_isError(made)) {
        fprintf(stderr, "zstd: %s\n", ZSTD_getErrorName(made));
        return 1;
    }
    return fwrite(to, 1, made, stdout) == made ? 0 : 1;
}
