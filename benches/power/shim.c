/* Why: records what a process writes under one folder, and when it syncs, in the order in which it
 * happened, so that a disk which lost its power in between can be made up from it. Loaded with
 * LD_PRELOAD; POWER_FOLDER names the folder, POWER_RECORD the file of the recording. Syncs are
 * recorded and not done: the disk that counts is the made-up one.
 *
 * With POWER_FAIL_AT=n the n-th of these calls fails, and with POWER_FAIL_ON set also all after it:
 * with EIO, or with POWER_FULL set with ENOSPC where the call takes space; what was acknowledged (the
 * file "acked") is none of the disk's. With POWER_LOOKS set, opens and reads are such calls too.
 *
 * A line each: "W path offset length\n" and the bytes; "T path length\n"; "S path\n" (a folder too);
 * "U path\n"; "R from to\n"; "L from to\n"; "C path\n" (an open or a read). Paths are relative to the folder and hold no blanks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static size_t folder_length;
static int recording = -1;
static long calls, fail_at;
static int fail_on, full, looks;

__attribute__((constructor)) static void start(void) {
    const char *file = getenv("POWER_RECORD");
    folder = getenv("POWER_FOLDER");
    if (!file || !folder) return;
    folder_length = strlen(folder);
    fail_at = getenv("POWER_FAIL_AT") ? atol(getenv("POWER_FAIL_AT")) : 0;
    fail_on = getenv("POWER_FAIL_ON") != NULL;
    full = getenv("POWER_FULL") != NULL;
    looks = getenv("POWER_LOOKS") != NULL;
    recording = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (recording < 0) abort();
}

/* The path below the folder, or NULL for what is none of ours. Shared memory of a database is made
 * anew at every start, so it is not a file that matters. */
static const char *below(const char *path) {
    if (recording < 0 || strncmp(path, folder, folder_length) != 0) return NULL;
    const char *rest = path + folder_length;
    if (*rest == '\0') return ".";
    if (*rest != '/') return NULL;
    size_t length = strlen(++rest);
    if (length > 4 && strcmp(rest + length - 4, "-shm") == 0) return NULL;
    return rest;
}

static const char *named(int fd, char *path) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = recording < 0 ? -1 : readlink(link, path, PATH_MAX - 1);
    if (length < 0) return NULL;
    path[length] = '\0';
    return below(path);
}

/* Whether this call is to fail, one that `takes` space or not. To be asked under the lock. */
static int fails_taking(const char *path, int takes) {
    if (!path || !fail_at || strcmp(path, "acked") == 0) return 0;
    calls++;
    if (calls != fail_at && !(fail_on && calls > fail_at)) return 0;
    errno = full && takes ? ENOSPC : EIO;
    return 1;
}

static int fails(const char *path) { return fails_taking(path, 1); }

/* The recording must be whole, or the run is worth nothing. */
static void record(const char *head, const void *bytes, size_t length) {
    static ssize_t (*writev_)(int, const struct iovec *, int);
    if (!writev_) *(void **)&writev_ = dlsym(RTLD_NEXT, "writev");
    struct iovec parts[2] = {{(void *)head, strlen(head)}, {(void *)bytes, length}};
    if (writev_(recording, parts, 2) != (ssize_t)(parts[0].iov_len + length)) abort();
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

static ssize_t written(const char *path, const void *bytes, off_t offset, ssize_t done) {
    char head[PATH_MAX + 64];
    if (done > 0) {
        snprintf(head, sizeof head, "W %s %lld %zd\n", path, (long long)offset, done);
        record(head, bytes, (size_t)done);
    }
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    char buffer[PATH_MAX];
    const char *path = named(fd, buffer);
    if (!path) return real(fd, bytes, length, offset);
    pthread_mutex_lock(&order);
    ssize_t done = fails(path) ? -1 : written(path, bytes, offset, real(fd, bytes, length, offset));
    pthread_mutex_unlock(&order);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    char buffer[PATH_MAX];
    const char *path = fd == recording ? NULL : named(fd, buffer);
    if (!path) return real(fd, bytes, length);
    pthread_mutex_lock(&order);
    struct stat file;
    int appends = fcntl(fd, F_GETFL) & O_APPEND;
    off_t offset = appends && fstat(fd, &file) == 0 ? file.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t done = fails(path) ? -1 : written(path, bytes, offset, real(fd, bytes, length));
    pthread_mutex_unlock(&order);
    return done;
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, "ftruncate64", int, off64_t);
    char buffer[PATH_MAX], head[PATH_MAX + 64];
    const char *path = named(fd, buffer);
    pthread_mutex_lock(&order);
    int done = fails(path) ? -1 : real(fd, length);
    if (path && done == 0) {
        snprintf(head, sizeof head, "T %s %lld\n", path, (long long)length);
        record(head, "", 0);
    }
    pthread_mutex_unlock(&order);
    return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int synced(int fd, int (*real)(int)) {
    char buffer[PATH_MAX], head[PATH_MAX + 64];
    const char *path = named(fd, buffer);
    if (!path) return real(fd);
    pthread_mutex_lock(&order);
    int done = fails_taking(path, 0) ? -1 : 0;
    if (done == 0) {
        snprintf(head, sizeof head, "S %s\n", path);
        record(head, "", 0);
    }
    pthread_mutex_unlock(&order);
    return done;
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    return synced(fd, real);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    char head[PATH_MAX + 64];
    const char *ours = below(path);
    pthread_mutex_lock(&order);
    int done = fails_taking(ours, 0) ? -1 : real(path);
    if (ours && done == 0) {
        snprintf(head, sizeof head, "U %s\n", ours);
        record(head, "", 0);
    }
    pthread_mutex_unlock(&order);
    return done;
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    char head[2 * PATH_MAX + 64];
    const char *ours = below(from), *new_name = below(to);
    pthread_mutex_lock(&order);
    int done = fails(new_name) ? -1 : real(from, to);
    if (ours && new_name && done == 0) {
        snprintf(head, sizeof head, "R %s %s\n", ours, new_name);
        record(head, "", 0);
    }
    pthread_mutex_unlock(&order);
    return done;
}

/* Of files in known places only: nothing here gives a folder. */
int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    char head[2 * PATH_MAX + 64];
    const char *ours = below(from), *new_name = below(to);
    pthread_mutex_lock(&order);
    int done = fails(new_name) ? -1 : real(from_folder, from, to_folder, to, flags);
    if (ours && new_name && done == 0) {
        snprintf(head, sizeof head, "L %s %s\n", ours, new_name);
        record(head, "", 0);
    }
    pthread_mutex_unlock(&order);
    return done;
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* Whether an open or a read is to fail; else it is a call that happened. */
static int look_fails(const char *path, int takes) {
    char head[PATH_MAX + 64];
    if (!path || !looks || strcmp(path, "acked") == 0) return 0;
    pthread_mutex_lock(&order);
    int failed = fails_taking(path, takes);
    if (!failed) {
        snprintf(head, sizeof head, "C %s\n", path);
        record(head, "", 0);
    }
    pthread_mutex_unlock(&order);
    return failed;
}

static int opened(const char *path, int flags, mode_t mode) {
    REAL(int, "open64", const char *, int, ...);
    return look_fails(below(path), flags & O_CREAT) ? -1 : real(path, flags, mode);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        return opened(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)

ssize_t pread64(int fd, void *bytes, size_t length, off64_t offset) {
    REAL(ssize_t, "pread64", int, void *, size_t, off64_t);
    char buffer[PATH_MAX];
    const char *path = looks ? named(fd, buffer) : NULL;
    return look_fails(path, 0) ? -1 : real(fd, bytes, length, offset);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
    return pread64(fd, bytes, length, offset);
}
