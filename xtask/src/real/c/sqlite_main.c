// `sqlite DATABASE SQL...`: runs the statements and prints the rows, as the
// shell of SQLite does. The crate that carries the sources leaves it out.

#include <stdio.h>

#include "sqlite3.h"

static int print(void *nothing, int count, char **values, char **names) {
    (void)nothing;
    (void)names;
    for (int i = 0; i < count; i++) {
        printf("%s%s", i == 0 ? "" : "|", values[i] == NULL ? "" : values[i]);
    }
    printf("\n");
    return 0;
}

int main(int count, char **arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: sqlite DATABASE SQL...\n");
        return 2;
    }
    sqlite3 *database;
    int code = sqlite3_open(arguments[1], &database);
    for (int i = 2; i < count && code == SQLITE_OK; i++) {
        code = sqlite3_exec(database, arguments[i], print, NULL, NULL);
    }
    if (code != SQLITE_OK) {
        fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(database));
    }
    sqlite3_close(database);
    return code == SQLITE_OK ? 0 : 1;
}
