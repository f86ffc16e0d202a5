// `sqlite()`: tables in memory, filled, indexed, joined and changed; a sum over
// what comes out.

#include <stddef.h>
#include <time.h>

#include "sqlite3.h"
#include "weft.h"

void __wasm_call_ctors(void);

// A system without files, whose clock stands and whose dice show zero.
static int open(sqlite3_vfs *system, const char *name, sqlite3_file *file, int flags, int *flags_are) {
    (void)system, (void)name, (void)file, (void)flags, (void)flags_are;
    return SQLITE_CANTOPEN;
}

static int randomness(sqlite3_vfs *system, int length, char *bytes) {
    (void)system;
    for (int i = 0; i < length; i++) bytes[i] = 0;
    return length;
}

static int current_time(sqlite3_vfs *system, double *time) {
    (void)system;
    *time = 0;
    return SQLITE_OK;
}

static sqlite3_vfs no_files = {
    .iVersion = 1,
    .szOsFile = sizeof(sqlite3_file),
    .mxPathname = 64,
    .zName = "none",
    .xOpen = open,
    .xRandomness = randomness,
    .xCurrentTime = current_time,
};

int sqlite3_os_init(void) { return sqlite3_vfs_register(&no_files, 1); }
int sqlite3_os_end(void) { return SQLITE_OK; }

// What the C library has of these would bring its files.
struct tm *gmtime(const time_t *time) {
    (void)time;
    return NULL;
}

size_t strftime(char *text, size_t room, const char *format, const struct tm *time) {
    (void)text, (void)room, (void)format, (void)time;
    return 0;
}

static char heap[3 << 20] __attribute__((aligned(8)));

static const char *const JOB =
    "create table word(id integer primary key, text text, weight real);"
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)"
    " insert into word select i, hex(i * 2654435761 % 4294967296), i % 97 / 7.0 from n;"
    "create index by_text on word(text);"
    "create table pair(a integer, b integer, primary key (a, b)) without rowid;"
    "insert or ignore into pair select id % 53, id * id % 1009 from word;"
    "update word set weight = weight + 1 where text between '2' and 'A';"
    "delete from word where id % 5 = 0;";

static const char *const QUESTION =
    "select (select sum(length(text) + cast(weight as integer)) from word),"
    " (select count(*) from pair join word on word.id = pair.b where pair.a < 40),"
    " (select sum(n) from (select substr(text, 1, 2) as start, count(*) as n from word"
    "  group by start having n > 4 order by n desc, start))";

static uint64_t sum = 1;

static int add(void *nothing, int count, char **values, char **names) {
    (void)nothing;
    (void)names;
    for (int i = 0; i < count; i++) {
        for (const char *letter = values[i]; letter && *letter; letter++) sum = sum * 31 + (uint8_t)*letter;
    }
    return 0;
}

weft_handle weft_apply(weft_handle application) {
    (void)application;
    __wasm_call_ctors();
    sqlite3_config(SQLITE_CONFIG_HEAP, heap, (int)sizeof heap, 64);
    sqlite3 *database;
    int code = sqlite3_open(":memory:", &database);
    if (code == SQLITE_OK) code = sqlite3_exec(database, JOB, 0, 0, 0);
    if (code == SQLITE_OK) code = sqlite3_exec(database, QUESTION, add, 0, 0);
    if (code != SQLITE_OK) {
        const char *message = sqlite3_errmsg(database);
        uint32_t length = 0;
        while (message[length]) length++;
        weft_fail(message, length);
    }
    sqlite3_close(database);
    return weft_u64_blob(sum);
}
