/* SPDX-License-Identifier: MIT */
/*
 * What the tests of shared page tables have in common: ranges that lie on the boundaries of tables,
 * processes that take steps in an agreed order, the counters that say whether tables were shared,
 * and the kernel's own invariant walkers after each test.
 *
 * The tests state what holds with and without sharing, so they pass on every Linux. A kernel that
 * counts sharing in /proc/vmstat must in addition have done it: share_begin, CHECK_SHARED.
 */
#ifndef TESTS_USER_SHARE_H
#define TESTS_USER_SHARE_H

#include "mem.h"

#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

/* What one table above those of huge pages covers, or a multiple of it, on every machine. */
#define BIG ((size_t)1 << 30)

/* ---- places ---- */

/* What one table of base pages covers: a huge page of the default size. */
KTAP_UNUSED static size_t share_span(void)
{
    static size_t bytes;

    if (!bytes) {
        long kib = file_field("/proc/meminfo", "Hugepagesize");

        bytes = kib > 0 ? (size_t)kib * 1024 : (size_t)2 << 20;
    }
    return bytes;
}

/* Pages from one that is written to the next, so that 128 of a table are: every fourth one where
 * tables have 512 entries. Under the sweep half as many: just worth sharing. */
KTAP_UNUSED static size_t share_step(void)
{
    size_t step = share_span() / page_size / 128;

    return (step > 4 ? step : 4) * (ktap_swept ? 2 : 1);
}

/* An address on a boundary of tables of both levels, with nothing near it; not mapped. */
KTAP_UNUSED static char *share_place(size_t len)
{
    static uintptr_t next = (uintptr_t)3 << 43;
    uintptr_t at = next;

    next += ((len + BIG - 1) / BIG + 1) * BIG;
    return (char *)at;
}

/* A file without a name, of holes. */
KTAP_UNUSED static int share_file(size_t len)
{
    int fd = (int)syscall(SYS_memfd_create, "share", 0u);

    if (fd < 0 || ftruncate(fd, (off_t)len) != 0) {
        ktap_note("memfd of %zu bytes: %s", len, strerror(errno));
        fflush(stdout);
        _exit(KTAP_STATUS_FAIL);
    }
    return fd;
}

/* Maps a file's first @len bytes at @at; ends the process when that fails. */
KTAP_UNUSED static char *share_map(char *at, size_t len, int prot, int flags, int fd, size_t off)
{
    char *p = mmap(at, len, prot, flags | (at ? MAP_FIXED : 0), fd, (off_t)off);

    if (p == MAP_FAILED) {
        ktap_note("mmap of %zu bytes: %s", len, strerror(errno));
        fflush(stdout);
        _exit(KTAP_STATUS_FAIL);
    }
    return p;
}

/* A new file of @len bytes mapped shared on a boundary. */
KTAP_UNUSED static char *share_new(size_t len, int *fd)
{
    *fd = share_file(len);
    return share_map(share_place(len), len, RW, MAP_SHARED, *fd, 0);
}

/* Every @step-th page gets a byte that depends on its number. */
static unsigned char share_byte(size_t i)
{
    return (unsigned char)(i * 7 + (i >> 8) + 1);
}

KTAP_UNUSED static void share_fill(char *p, size_t len, size_t step)
{
    for (size_t i = 0; i * page_size < len; i += step)
        p[i * page_size] = (char)share_byte(i);
}

/* How many pages hold something else. */
KTAP_UNUSED static size_t share_wrong(const volatile char *p, size_t len, size_t step)
{
    size_t wrong = 0;

    for (size_t i = 0; i * page_size < len; i += step)
        wrong += (unsigned char)p[i * page_size] != share_byte(i);
    return wrong;
}

/* ---- processes ---- */

#define STAGE_STEPS 16

/* Where processes agree on their steps; shared by all of a test's. */
struct share_stage {
    atomic_uint step[STAGE_STEPS];
    atomic_ulong word[64];
};
static struct share_stage *stage KTAP_UNUSED;

/* Far from what a test shares, so that its own table does not count. */
KTAP_UNUSED static void stage_new(void)
{
    stage = mmap(NULL, sizeof(*stage), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stage == MAP_FAILED)
        _exit(KTAP_STATUS_FAIL);
}

KTAP_UNUSED static void stage_done(unsigned int i)
{
    atomic_fetch_add(&stage->step[i], 1);
    syscall(SYS_futex, &stage->step[i], FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

/* Until step @i was done @n times; asleep, since there may be a thousand who wait. */
KTAP_UNUSED static void stage_wait(unsigned int i, unsigned int n)
{
    unsigned int now;

    while ((now = atomic_load(&stage->step[i])) < n)
        syscall(SYS_futex, &stage->step[i], FUTEX_WAIT, now, NULL, NULL, 0);
}

/* Arrives at step @i and goes on at once when the @n-th has arrived. */
KTAP_UNUSED static void stage_meet(unsigned int i, unsigned int n)
{
    stage_done(i);
    for (int k = 0; k < 500 && atomic_load(&stage->step[i]) < n; k++)
        sched_yield();
    stage_wait(i, n);
}

/* fork: 0 in the child, which ends with peer_end. */
KTAP_UNUSED static pid_t peer(void)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        ktap_failures = 0;
        alarm(KTAP_TIMEOUT_S); /* it must not outlive its test */
    }
    return pid;
}

KTAP_UNUSED static void peer_end(void)
{
    fflush(stdout);
    _exit(ktap_failures != 0);
}

/* A peer's wait status; -1 when there was no such child. */
KTAP_UNUSED static int peer_wait(pid_t pid)
{
    int status = -1;

    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

#define CHECK_PEER(pid) CHECK_EQ(peer_wait(pid), 0)

/* ---- accesses that may fault, in threads too ---- */

static __thread sigjmp_buf share_back;
static __thread volatile sig_atomic_t share_inside;

static void share_on_fault(int sig)
{
    if (!share_inside)
        _exit(128 + sig);
    siglongjmp(share_back, sig);
}

/* From now on share_load and share_store survive a fault in any thread; children inherit it. */
KTAP_UNUSED static void share_catch(void)
{
    struct sigaction sa = {.sa_handler = share_on_fault};

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
}

/* The byte at @at, or minus the signal. */
KTAP_UNUSED static int share_load(const volatile char *at)
{
    int sig = sigsetjmp(share_back, 1), value = 0;

    if (sig) {
        share_inside = 0;
        return -sig;
    }
    share_inside = 1;
    value = (unsigned char)*at;
    share_inside = 0;
    return value;
}

/* 0, or minus the signal. */
KTAP_UNUSED static int share_store(volatile char *at, char value)
{
    int sig = sigsetjmp(share_back, 1);

    if (sig) {
        share_inside = 0;
        return -sig;
    }
    share_inside = 1;
    *at = value;
    share_inside = 0;
    return 0;
}

/* ---- did it happen? ---- */

/* The counter's value; -1 when this kernel has none. */
KTAP_UNUSED static long share_count(const char *name)
{
    return file_field("/proc/vmstat", name);
}

/* Switched off at boot? Then counters stand still. */
KTAP_UNUSED static bool share_is_off(const char *parameter)
{
    char text[1024] = "";
    int fd = open("/proc/cmdline", O_RDONLY);

    if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    if (fd >= 0)
        close(fd);
    return strstr(text, parameter) != NULL;
}

struct share_mark {
    const char *name;
    long before;
};

KTAP_UNUSED static struct share_mark share_begin(const char *counter)
{
    return (struct share_mark){counter, share_count(counter)};
}

/* The counter rose by @n at least, where there is one and nobody injects faults. */
#define CHECK_ROSE(mark, n, off)                                                                   \
    do {                                                                                           \
        if ((mark).before >= 0 && !ktap_swept && !share_is_off(off) &&                             \
            !CHECK(share_count((mark).name) >= (mark).before + (n)))                               \
            ktap_note("  %s rose by %ld", (mark).name, share_count((mark).name) - (mark).before);  \
    } while (0)

/* Links to tables of objects; whoever links one first counts, too: @n is how many others did. */
#define SHARE_PT              "pt_share_link"
#define CHECK_SHARED(mark, n) CHECK_ROSE(mark, (n) + 1, "shared_pt=off")

/*
 * Tables that fork shares. The kernel says whether it does: not with fork_share=off.
 */
#define SHARE_FORK      "pt_fork_share"
#define PR_SET_PT_SHARE 0x51510001
#define PR_GET_PT_SHARE 0x51510002
KTAP_UNUSED static bool share_forks(void)
{
    int bits = prctl(PR_GET_PT_SHARE, 0, 0, 0, 0);

    return bits > 0 && (bits & 2) != 0;
}
#define CHECK_FORK_SHARED(mark, n)                                                                 \
    do {                                                                                           \
        if (share_forks())                                                                         \
            CHECK_ROSE(mark, n, "fork_share=off");                                                 \
    } while (0)

/* Races differ from run to run, so that faults do not come again. */
KTAP_UNUSED static void skip_race_under_sweep(void)
{
    if (ktap_swept)
        ktap_skip("races differ from run to run");
}

/* ---- the kernel's own walkers ---- */

/*
 * Violations that /proc/kcheck finds; 0 when there is no such file. Who is just being born or dying
 * shows as one (mapped twice, found once): what is wrong stays wrong.
 */
KTAP_UNUSED static long share_violations(void)
{
    long n = 0;

    for (int i = 0; i < 50; i++) {
        char text[256] = "";
        int fd = open("/proc/kcheck", O_RDONLY);

        n = 0;
        if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
            sscanf(text, "violations %ld", &n);
        if (fd >= 0)
            close(fd);
        if (n == 0)
            break;
        usleep(4000);
    }
    return n;
}

/* Free frames; -1 when the kernel does not say exactly. */
KTAP_UNUSED static long share_free_pages(void)
{
    char text[256] = "";
    long n = -1;
    int fd = open("/proc/kcheck", O_RDONLY);

    if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
        sscanf(text, "violations %*d free_pages %ld", &n);
    if (fd >= 0)
        close(fd);
    return n;
}

/* ktap.h calls this in the parent after each test. */
__attribute__((constructor)) static void share_init(void)
{
    ktap_violations = share_violations;
}

#endif
