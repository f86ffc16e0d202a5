// SQLite as a reactor, with a database in memory: `begin` opens it, `run` takes
// statements, and `fresh` does both with what standard input has.

#include <stdio.h>
#include <stdlib.h>

#include "sqlite3.h"

static sqlite3 *database;

static int print(void *nothing, int count, char **values, char **names) {
    (void)nothing;
    (void)names;
    for (int i = 0; i < count; i++) {
        printf("%s%s", i == 0 ? "" : "|", values[i] == NULL ? "" : values[i]);
    }
    printf("\n");
    return 0;
}

__attribute__((export_name("begin"))) int begin(void) {
    return sqlite3_open(":memory:", &database);
}

__attribute__((export_name("run"))) int run(const char *text, int length) {
    char *statements = sqlite3_mprintf("%.*s", length, text);
    int code = sqlite3_exec(database, statements, print, NULL, NULL);
    if (code != SQLITE_OK) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
    }
    sqlite3_free(statements);
    // Nobody does this at an end that does not come.
    fflush(stdout);
    return code;
}

__attribute__((export_name("fresh"))) int fresh(void) {
    static char text[1 << 16];
    size_t length = fread(text, 1, sizeof text, stdin);
    return begin() || run(text, (int)length);
}
