/* Loaded into the program under test by LD_PRELOAD: shifts the clock that people set, and ends the program by SIGKILL at
 * the n-th call of a kind, in the middle of it where that is a write. What is to happen stands in a file that the test
 * writes to, mapped here: see fate.rs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { RECEIVE, REMEMBER, SYNC, SEND, KINDS };

struct fate {
    _Atomic int64_t clock_offset_s;
    _Atomic int64_t ends_at[KINDS];
    _Atomic int64_t calls[KINDS];
};

static struct fate *fate;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FATE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *mapped = mmap(NULL, sizeof *fate, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) abort();
    fate = mapped;
    for (int kind = 0; kind < KINDS; kind++) atomic_store(&fate->calls[kind], 0);
}

static int is_the_end(enum kind kind) {
    if (!fate) return 0;
    int64_t call = atomic_fetch_add(&fate->calls[kind], 1) + 1;
    return atomic_load(&fate->ends_at[kind]) == call;
}

static void end(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static void step(enum kind kind) {
    if (is_the_end(kind)) end();
}

static int64_t offset_s(void) {
    return fate ? atomic_load(&fate->clock_offset_s) : 0;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, id, now);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += offset_s();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = syscall(SYS_gettimeofday, now, zone);
    if (result == 0) now->tv_sec += offset_s();
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

/* Of what is written: the state, or what goes to the sink; neither logs nor the runtime's own wake-ups. */
static int kind_of(int fd) {
    int before = errno;
    char name[64], path[PATH_MAX];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = fd > 2 ? readlink(name, path, sizeof path - 1) : -1;
    errno = before;
    if (length < 0) return KINDS;
    path[length] = 0;
    if (strstr(path, "poll.sqlite")) return REMEMBER;
    return strncmp(path, "anon_inode:", 11) == 0 || strncmp(path, "pipe:", 5) == 0 ? KINDS : SEND;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    int kind = fate ? kind_of(fd) : KINDS;
    if (kind < KINDS && is_the_end(kind)) {
        syscall(SYS_write, fd, bytes, length / 2);
        end();
    }
    return syscall(SYS_write, fd, bytes, length);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    int kind = fate ? kind_of(fd) : KINDS;
    if (kind < KINDS && is_the_end(kind)) {
        syscall(SYS_pwrite64, fd, bytes, length / 2, offset);
        end();
    }
    return syscall(SYS_pwrite64, fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (fate && kind_of(fd) == SEND) step(SEND);
    return syscall(SYS_writev, fd, parts, count);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    step(SEND);
    return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

ssize_t recv(int fd, void *bytes, size_t length, int flags) {
    step(RECEIVE);
    return syscall(SYS_recvfrom, fd, bytes, length, flags, NULL, NULL);
}

int fsync(int fd) {
    step(SYNC);
    return syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    step(SYNC);
    return syscall(SYS_fdatasync, fd);
}
