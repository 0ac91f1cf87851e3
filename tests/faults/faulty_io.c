// Calls of the C library that read or change files below one folder, counted; one of them, or all from one on, fail.
//
// Loaded with LD_PRELOAD. It is armed from Python through ctypes: see `faulty.py`.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT = 0, KILL = -1, SHORT = -2 };  // or the number of an error, which is positive

static char root[PATH_MAX];
static size_t root_length;
static long seen, fatal;
static int kind, lasting, reads, failed;

// Count calls below `folder` from now on. The first call from `number` on that can be a fault of this kind is one, and
// all later ones where `from_then_on`.
void faulty_arm(const char* folder, long number, int what, int from_then_on, int with_reads) {
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    seen = failed = 0, fatal = number, kind = what, lasting = from_then_on, reads = with_reads;
}

void faulty_disarm(void) { root_length = 0; }
long faulty_seen(void) { return seen; }
int faulty_failed(void) { return failed; }

#define REAL(name) (__typeof__(&name)) dlsym(RTLD_NEXT, #name)

static int below(const char* path) {
    return root_length && strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int below_descriptor(int descriptor) {
    char link[64], path[PATH_MAX];
    if (!root_length || descriptor < 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int below_at(int folder, const char* path) {
    return path[0] == '/' || folder == AT_FDCWD ? below(path) : below_descriptor(folder);
}

// Whether this call is a fault: the number of an error, SHORT, or 0. A kill is carried out unless it is of a write.
static int fault(int writes) {
    long number = seen++;
    if (kind == COUNT || number < fatal || (failed && !lasting)) return 0;
    if (kind == SHORT && !writes) return 0;
    failed++;
    if (kind == KILL && !writes) kill(getpid(), SIGKILL);
    return kind;
}

#define FAIL(result) do { int code = fault(0); if (code > 0) { errno = code; return result; } } while (0)

static int counted_flags(int flags) { return reads || (flags & (O_WRONLY | O_RDWR | O_CREAT)); }

#define MODE mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); \
    mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char* path, int flags, ...) {
    MODE
    if (below(path) && counted_flags(flags)) FAIL(-1);
    return (REAL(open))(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
    MODE
    if (below(path) && counted_flags(flags)) FAIL(-1);
    return (REAL(open64))(path, flags, mode);
}

int openat(int folder, const char* path, int flags, ...) {
    MODE
    if (below_at(folder, path) && counted_flags(flags)) FAIL(-1);
    return (REAL(openat))(folder, path, flags, mode);
}

int openat64(int folder, const char* path, int flags, ...) {
    MODE
    if (below_at(folder, path) && counted_flags(flags)) FAIL(-1);
    return (REAL(openat64))(folder, path, flags, mode);
}

ssize_t write(int descriptor, const void* data, size_t length) {
    if (below_descriptor(descriptor)) {
        int code = fault(1);
        if (code > 0) { errno = code; return -1; }
        if (code && length > 1) length /= 2;
        ssize_t written = (REAL(write))(descriptor, data, length);
        if (code == KILL) kill(getpid(), SIGKILL);
        return written;
    }
    return (REAL(write))(descriptor, data, length);
}

ssize_t read(int descriptor, void* data, size_t length) {
    if (reads && below_descriptor(descriptor)) FAIL(-1);
    return (REAL(read))(descriptor, data, length);
}

int fsync(int descriptor) {
    if (below_descriptor(descriptor)) FAIL(-1);
    return (REAL(fsync))(descriptor);
}

int close(int descriptor) {
    if (below_descriptor(descriptor) && (fcntl(descriptor, F_GETFL) & (O_WRONLY | O_RDWR))) {
        int code = fault(0);
        if (code > 0) { (REAL(close))(descriptor); errno = code; return -1; }
    }
    return (REAL(close))(descriptor);
}

int ftruncate64(int descriptor, off64_t length) {
    if (below_descriptor(descriptor)) FAIL(-1);
    return (REAL(ftruncate64))(descriptor, length);
}

int rename(const char* from, const char* to) {
    if (below(to)) FAIL(-1);
    return (REAL(rename))(from, to);
}

int unlink(const char* path) {
    if (below(path)) FAIL(-1);
    return (REAL(unlink))(path);
}

int unlinkat(int folder, const char* path, int flags) {
    if (below_at(folder, path)) FAIL(-1);
    return (REAL(unlinkat))(folder, path, flags);
}

int mkdir(const char* path, mode_t mode) {
    if (below(path)) FAIL(-1);
    return (REAL(mkdir))(path, mode);
}

int rmdir(const char* path) {
    if (below(path)) FAIL(-1);
    return (REAL(rmdir))(path);
}
