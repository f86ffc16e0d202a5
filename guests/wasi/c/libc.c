// `libc NAME`: checks that what C programs lean on works: streams, directories,
// times and the rest of wasi-libc, over the calls of WASI preview 1. Prints
// `ok NAME`, or says what is wrong and exits with 1. `libc --list` prints the
// names. It needs `/dir` as a writable directory, as `calls` does.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// Ends the check, saying where.
#define HOLDS(what)                                                                    \
    do {                                                                               \
        if (!(what)) {                                                                 \
            fprintf(stderr, "line %d: not so: %s (errno %d)\n", __LINE__, #what, errno); \
            return 1;                                                                  \
        }                                                                              \
    } while (0)

static int streams(void) {
    FILE *file = fopen("/dir/libc_streams", "w+");
    HOLDS(file != NULL);
    HOLDS(fprintf(file, "%d %s\n", 42, "words") == 9);
    rewind(file);
    int number = 0;
    char word[8] = {0};
    HOLDS(fscanf(file, "%d %7s", &number, word) == 2);
    HOLDS(number == 42 && strcmp(word, "words") == 0);
    HOLDS(fseek(file, -3, SEEK_END) == 0 && fgetc(file) == 'd');
    HOLDS(fclose(file) == 0);
    HOLDS(fopen("/dir/libc_missing", "r") == NULL && errno == ENOENT);
    HOLDS(fopen("/dir/libc_streams", "wx") == NULL && errno == EEXIST);
    file = fopen("/dir/libc_streams", "a");
    HOLDS(file != NULL && fputs("more\n", file) >= 0 && fclose(file) == 0);
    struct stat found;
    HOLDS(stat("/dir/libc_streams", &found) == 0 && found.st_size == 14);
    return 0;
}

static int line_buffers(void) {
    FILE *file = fopen("/dir/libc_lines", "w");
    HOLDS(file != NULL);
    for (int i = 0; i < 3000; i++) {
        HOLDS(fprintf(file, "line %d\n", i) > 0);
    }
    HOLDS(fclose(file) == 0);
    file = fopen("/dir/libc_lines", "r");
    char *line = NULL;
    size_t room = 0;
    int count = 0;
    while (getline(&line, &room, file) > 0) {
        HOLDS(atoi(line + 5) == count++);
    }
    HOLDS(count == 3000 && feof(file) && fclose(file) == 0);
    free(line);
    return 0;
}

static int directories(void) {
    HOLDS(mkdir("/dir/libc_dir", 0755) == 0);
    HOLDS(mkdir("/dir/libc_dir", 0755) == -1 && errno == EEXIST);
    char path[64];
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/dir/libc_dir/%d", i);
        int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
        HOLDS(fd >= 0 && close(fd) == 0);
    }
    DIR *dir = opendir("/dir/libc_dir");
    HOLDS(dir != NULL);
    int files = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        files += entry->d_type == DT_REG;
    }
    HOLDS(files == 200);
    rewinddir(dir);
    HOLDS(readdir(dir) != NULL && closedir(dir) == 0);
    HOLDS(rmdir("/dir/libc_dir") == -1 && errno == ENOTEMPTY);
    HOLDS(opendir("/dir/libc_dir/1") == NULL && errno == ENOTDIR);
    return 0;
}

static int working_directory(void) {
    char path[64];
    HOLDS(mkdir("/dir/libc_work", 0755) == 0);
    HOLDS(chdir("/dir/libc_work") == 0);
    HOLDS(getcwd(path, sizeof path) != NULL && strcmp(path, "/dir/libc_work") == 0);
    FILE *file = fopen("beside", "w");
    HOLDS(file != NULL && fclose(file) == 0);
    HOLDS(access("/dir/libc_work/beside", R_OK | W_OK) == 0);
    HOLDS(access("/dir/libc_work/absent", F_OK) == -1 && errno == ENOENT);
    return 0;
}

static int links(void) {
    FILE *file = fopen("/dir/libc_file", "w");
    HOLDS(file != NULL && fputs("text", file) >= 0 && fclose(file) == 0);
    HOLDS(symlink("libc_file", "/dir/libc_symlink") == 0);
    char target[32] = {0};
    HOLDS(readlink("/dir/libc_symlink", target, sizeof target) == 9);
    HOLDS(strcmp(target, "libc_file") == 0);
    struct stat one, two;
    HOLDS(lstat("/dir/libc_symlink", &one) == 0 && S_ISLNK(one.st_mode));
    HOLDS(stat("/dir/libc_symlink", &one) == 0 && S_ISREG(one.st_mode));
    HOLDS(link("/dir/libc_file", "/dir/libc_link") == 0);
    HOLDS(stat("/dir/libc_link", &two) == 0 && one.st_ino == two.st_ino && two.st_nlink == 2);
    HOLDS(rename("/dir/libc_file", "/dir/libc_renamed") == 0);
    HOLDS(stat("/dir/libc_symlink", &one) == -1 && errno == ENOENT);
    HOLDS(unlink("/dir/libc_link") == 0 && unlink("/dir/libc_link") == -1 && errno == ENOENT);
    HOLDS(remove("/dir/libc_renamed") == 0);
    return 0;
}

static int vectors(void) {
    int fd = open("/dir/libc_vectors", O_CREAT | O_RDWR, 0644);
    HOLDS(fd >= 0);
    HOLDS(pwrite(fd, "0123456789", 10, 0) == 10);
    HOLDS(ftruncate(fd, 8) == 0 && lseek(fd, 0, SEEK_END) == 8);
    char first[3], second[8];
    HOLDS(pread(fd, first, 3, 4) == 3 && memcmp(first, "456", 3) == 0);
    HOLDS(lseek(fd, -9, SEEK_END) == -1 && errno == EINVAL);
    HOLDS(lseek(fd, 2, SEEK_SET) == 2);
    struct iovec parts[2] = {{first, 3}, {second, 8}};
    ssize_t count = readv(fd, parts, 2);
    HOLDS((count == 6 || count == 3) && memcmp(first, "234", 3) == 0);
    HOLDS(fsync(fd) == 0 && close(fd) == 0 && close(fd) == -1 && errno == EBADF);
    return 0;
}

static int times(void) {
    int fd = open("/dir/libc_times", O_CREAT | O_RDWR, 0644);
    struct timespec wanted[2] = {{1000, 0}, {2000, 5000}};
    HOLDS(fd >= 0 && futimens(fd, wanted) == 0);
    struct stat found;
    HOLDS(fstat(fd, &found) == 0 && found.st_mtim.tv_sec == 2000 && found.st_mtim.tv_nsec == 5000);
    HOLDS(found.st_atim.tv_sec == 1000 && close(fd) == 0);
    struct timespec before, after, rest = {0, 2000000};
    HOLDS(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
    HOLDS(nanosleep(&rest, NULL) == 0);
    HOLDS(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    HOLDS((after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec >= 2000000);
    HOLDS(time(NULL) >= 0);
    struct tm *day = gmtime(&(time_t){86400});
    HOLDS(day != NULL && day->tm_mday == 2 && day->tm_year == 70);
    return 0;
}

static int polls(void) {
    int fd = open("/dir/libc_polls", O_CREAT | O_RDWR, 0644);
    struct pollfd wanted = {.fd = fd, .events = POLLIN | POLLOUT};
    HOLDS(fd >= 0 && poll(&wanted, 1, 1000) == 1);
    HOLDS((wanted.revents & (POLLIN | POLLOUT)) != 0 && close(fd) == 0);
    HOLDS(poll(NULL, 0, 1) == 0);
    return 0;
}

static int memory(void) {
    char *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = malloc(1 << 18);
        HOLDS(blocks[i] != NULL);
        memset(blocks[i], i, 1 << 18);
    }
    for (int i = 0; i < 64; i++) {
        HOLDS(blocks[i][0] == i && blocks[i][(1 << 18) - 1] == i);
        free(blocks[i]);
    }
    // Volatile, since a compiler may take an allocation nobody uses for granted.
    char *volatile huge = malloc((size_t)-1 - (1 << 20));
    HOLDS(huge == NULL && errno == ENOMEM);
    return 0;
}

static int entropy(void) {
    unsigned char one[32], two[32];
    HOLDS(getentropy(one, sizeof one) == 0 && getentropy(two, sizeof two) == 0);
    HOLDS(memcmp(one, two, sizeof one) != 0);
    return 0;
}

static int environment(void) {
    HOLDS(getenv("LIBC_ABSENT") == NULL && setenv("LIBC_SET", "yes", 1) == 0);
    HOLDS(strcmp(getenv("LIBC_SET"), "yes") == 0);
    HOLDS(isatty(0) == 0 || isatty(0) == 1);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} checks[] = {
    {"streams", streams},
    {"line_buffers", line_buffers},
    {"directories", directories},
    {"working_directory", working_directory},
    {"links", links},
    {"vectors", vectors},
    {"times", times},
    {"polls", polls},
    {"memory", memory},
    {"entropy", entropy},
    {"environment", environment},
};

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: libc NAME | --list\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (strcmp(arguments[1], "--list") == 0) {
            puts(checks[i].name);
        } else if (strcmp(arguments[1], checks[i].name) == 0) {
            if (checks[i].run() != 0) {
                return 1;
            }
            printf("ok %s\n", checks[i].name);
            return 0;
        }
    }
    return strcmp(arguments[1], "--list") == 0 ? 0 : 1;
}
