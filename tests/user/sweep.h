/* SPDX-License-Identifier: MIT */
/*
 * The sweep: a test runs again and again, each time with one more place in the kernel where memory
 * is lacking or a user copy fails, until no such place is left. What the test says does not count
 * then (it may well fail, or wait in vain and be ended); the kernel must not panic, must answer
 * with errors that the manual pages allow, and in the end have nothing lost: all its walkers find
 * nothing, no frame and no slab object is missing.
 *
 *   mmap_test --sweep [TEST...]       each place once per program: a place is its chain of callers
 *   mmap_test --sweep-all[=N[:SECONDS]] [TEST...]
 *                                     the first place, the second, the third, ... of each test; up
 *                                     to number N, or for SECONDS, and then by chains as above
 *
 * A test goes the same ways over and over, and so do a program's tests: the first form leaves out
 * what had its fault already (see kernel/fail_sweep.c). The second form is in sweep_numbers.h.
 * Needs Quire's debug kernel and root: /proc/fail-sweep, /proc/kcheck.
 */
#ifndef TESTS_USER_SWEEP_H
#define TESTS_USER_SWEEP_H

#include <fcntl.h>
#include <ftw.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>

#define SWEEP_GRACE_MS 400 /* besides twice what the test takes without a fault */
#define SWEEP_RETRIES  3   /* for a run that was ended before its fault, with more time */
/* For one test; what takes longer was not swept to its end, and says so. */
#define SWEEP_BUDGET_MS   60000
#define SETTLE_TRIES      50
#define SETTLE_US         4000
#define SWEEP_STACK_BYTES (64 * 1024)

struct sweep_state {
    long violations, pages, objects, warnings;
};

static bool sweep_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

static bool sweep_read(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

    if (fd >= 0)
        close(fd);
    buf[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static long sweep_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- leaving no trace ---- */

static pid_t sweep_parent_of(const char *pid)
{
    char path[300], text[512], *paren;
    int parent = 0;

    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    if (!sweep_read(path, text, sizeof(text)))
        return 0;
    paren = strrchr(text, ')');
    if (!paren || sscanf(paren + 1, " %*c %d", &parent) != 1)
        return 0;
    return parent;
}

/* As readdir gives it, but without memory of ours: what we allocate must not look like a leak. */
struct sweep_dirent {
    uint64_t ino;
    int64_t off;
    unsigned short len;
    unsigned char type;
    char name[];
};

/* Kills and reaps the children among the processes that @buf lists; returns how many. */
static int sweep_end_children(const char *buf, long n)
{
    int found = 0;

    for (long at = 0; at < n;) {
        const struct sweep_dirent *d = (const struct sweep_dirent *)(buf + at);

        at += d->len;
        if (d->name[0] < '1' || d->name[0] > '9' || sweep_parent_of(d->name) != getpid())
            continue;
        kill(atoi(d->name), SIGKILL);
        waitpid(atoi(d->name), NULL, 0);
        found++;
    }
    return found;
}

/* Ends and reaps every descendant: orphans come to us, the subreaper. */
static void sweep_end_descendants(void)
{
    char buf[4096] __attribute__((aligned(8)));

    for (int found = 1; found;) {
        int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        long n;

        found = 0;
        while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
            found += sweep_end_children(buf, n);
        close(fd);
    }
}

static int sweep_remove(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    if (at->level == 1 && strncmp(path, "/tmp/run-tests.", 15) == 0)
        return 0;
    if (at->level > 0)
        remove(path);
    return 0;
}

/* Mounts below /tmp, files in it, shared memory, and what tests set for the whole machine. */
static void sweep_clean_all(void)
{
    char mounts[4096], *line, *save = NULL;
    struct shmid_ds ds;
    int last = shmctl(0, SHM_INFO, &ds);

    if (sweep_read("/proc/mounts", mounts, sizeof(mounts)))
        for (line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
            char where[256];

            if (sscanf(line, "%*s %255s", where) == 1 && strncmp(where, "/tmp/", 5) == 0)
                umount2(where, MNT_DETACH);
        }
    nftw("/tmp", sweep_remove, 8, FTW_DEPTH | FTW_PHYS);
    for (int i = 0; i <= last; i++) {
        int id = shmctl(i, SHM_STAT, &ds);

        if (id >= 0)
            shmctl(id, IPC_RMID, NULL);
    }
    sweep_write("/proc/sys/vm/overcommit_memory", "0\n");
    sweep_write("/proc/sys/vm/overcommit_ratio", "50\n");
    sweep_write("/proc/sys/vm/overcommit_kbytes", "0\n");
}

/* Is there anything in /tmp that is not run-tests' own? */
static bool sweep_has_files(void)
{
    char buf[2048] __attribute__((aligned(8)));
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
    bool found = n == (long)sizeof(buf);

    for (long at = 0; at < n;) {
        const struct sweep_dirent *d = (const struct sweep_dirent *)(buf + at);

        at += d->len;
        found |= d->name[0] != '.' && strncmp(d->name, "run-tests.", 10) != 0;
    }
    close(fd);
    return found;
}

static bool sweep_is_changed(const char *path, const char *normal)
{
    char text[32];

    return sweep_read(path, text, sizeof(text)) && strcmp(text, normal) != 0;
}

/* In a child, so that the memory which it takes is gone with it; most runs leave nothing. */
static void sweep_clean(bool always)
{
    pid_t pid;

    if (!always && !sweep_has_files() && !sweep_is_changed("/proc/sys/vm/overcommit_memory", "0\n"))
        return;
    pid = fork();
    if (pid == 0) {
        sweep_clean_all();
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static struct sweep_state sweep_counts(void)
{
    struct sweep_state s = {0, -1, -1, -1};
    char text[256];

    if (sweep_read("/proc/kcheck-counts", text, sizeof(text)))
        sscanf(text, "free_pages %ld objects %ld warnings %ld", &s.pages, &s.objects, &s.warnings);
    return s;
}

/* Once the last dead task is given back, which happens on another CPU, and our output was read: the
 * counts stand still. */
static struct sweep_state sweep_counts_settled(void)
{
    struct sweep_state now, before;
    int unread = 0;

    sweep_clean(true);
    fflush(stdout);
    while (ioctl(1, FIONREAD, &unread) == 0 && unread > 0)
        usleep(SETTLE_US);
    now = sweep_counts();
    for (int i = 0, same = 0; i < SETTLE_TRIES && same < 2; i++) {
        usleep(SETTLE_US);
        before = now;
        now = sweep_counts();
        same = now.pages == before.pages && now.objects == before.objects ? same + 1 : 0;
    }
    return now;
}

/* The same, and what the walkers find. */
static struct sweep_state sweep_look_settled(void)
{
    struct sweep_state now = sweep_counts_settled();
    char text[256];

    now.violations = -1;
    if (sweep_read("/proc/kcheck", text, sizeof(text)))
        sscanf(text, "violations %ld", &now.violations);
    return now;
}

static bool sweep_is_clean(const struct sweep_state *before, const struct sweep_state *after)
{
    return after->violations == 0 && after->pages >= before->pages &&
           after->objects <= before->objects;
}

/* ---- one run ---- */

static void sweep_child(const struct ktap_case *c, const sigset_t *mask)
{
    int null = open("/dev/null", O_RDWR);

    for (int fd = 0; fd < 3; fd++) /* 0, too: a test that fails may write to what it did not open */
        dup2(null, fd);
    close(null);
    sigprocmask(SIG_SETMASK, mask, NULL);
    if (chdir("/tmp") != 0) /* names that went wrong are cleaned away with the rest */
        _exit(99);
    if (!sweep_write("/proc/self/make-it-fail", "1"))
        _exit(99);
    c->fn();
    fflush(stdout);
    _exit(ktap_failures ? KTAP_STATUS_FAIL : 0);
}

/* Runs the test in a child, at most @limit_ms; returns its wait status, or -1 when it was ended. */
static int sweep_run(const struct ktap_case *c, long limit_ms)
{
    long end = sweep_now_ms() + limit_ms, left;
    sigset_t chld, old;
    int status = -1;
    pid_t pid;

    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, &old);
    fflush(stdout);
    pid = fork();
    if (pid == 0)
        sweep_child(c, &old);
    while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0 && (left = end - sweep_now_ms()) > 0) {
        struct timespec t = {left / 1000, left % 1000 * 1000000};

        sigtimedwait(&chld, NULL, &t);
        status = -1;
    }
    sweep_end_descendants();
    sigprocmask(SIG_SETMASK, &old, NULL);
    sweep_clean(false);
    return status;
}

/* Did the fault fall, or had the test ended before it was its turn? Disarms. */
static bool sweep_fell(void)
{
    char text[600] = "";
    int armed = 1;

    sweep_read("/proc/fail-sweep", text, sizeof(text));
    sscanf(text, "armed %d", &armed);
    sweep_write("/proc/fail-sweep", "off");
    return !armed;
}

/* ---- one test ---- */

struct sweep_result {
    int faults, ended; /* by us: they waited in vain */
    bool complete;     /* no place was left */
    bool late;         /* given up: the budget was used up, or a run never came to its fault */
};

/* ---- telling what is missing ---- */

static char sweep_slabs_before[8192], sweep_slabs_after[8192];

static long sweep_slab_count(const char *slabs, const char *name, size_t len)
{
    for (const char *line = slabs; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            return atol(line + len);
    }
    return 0;
}

/* Which slab caches have more objects than before. */
static void sweep_tell_slabs(void)
{
    for (const char *line = sweep_slabs_after; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        size_t len = strcspn(line, " \n");
        long more = sweep_slab_count(sweep_slabs_after, line, len) -
                    sweep_slab_count(sweep_slabs_before, line, len);

        if (len && *line != '#' && more > 0)
            ktap_note("%ld more of %.*s", more, (int)len, line);
    }
}

static char sweep_culprit[800]; /* the last fault after which something was missing */

/* Nothing is printed meanwhile: who reads our output would need memory for it. */
static void sweep_note_culprit(int fault, const struct sweep_state *before,
                               const struct sweep_state *after)
{
    char text[600] = "", *last;

    sweep_read("/proc/fail-sweep", text, sizeof(text));
    last = strstr(text, "last");
    snprintf(sweep_culprit, sizeof(sweep_culprit),
             "fault %d: %ld pages and %ld objects lost, %ld violations; %s", fault,
             before->pages - after->pages, after->objects - before->objects, after->violations,
             last ? strtok(last, "\n") : "");
}

/* One fault, the one that /proc/fail-sweep takes as @how; false when the test ended and had no
 * place for it, or, with @r->late, was ended each time before it came there. */
static bool sweep_fault(const struct ktap_case *c, struct sweep_result *r, const char *how,
                        long limit_ms)
{
    for (int try = 0; try < SWEEP_RETRIES; try++, limit_ms *= 3) {
        bool ended, fell;

        sweep_write("/proc/fail-sweep", how);
        ended = sweep_run(c, limit_ms) == -1;
        fell = sweep_fell();
        r->ended += ended;
        if (fell || !ended)
            return fell;
    }
    r->late = true;
    return false;
}

/* @look: after each fault, to find the one that does harm. */
static struct sweep_result sweep_faults(const struct ktap_case *c, long limit_ms, bool look)
{
    struct sweep_result r = {0, 0, false, false};
    struct sweep_state before = {0, 0, 0, 0}, after;
    long end = sweep_now_ms() + SWEEP_BUDGET_MS;
    bool fell;

    while (!r.complete && !r.late) {
        if (look)
            before = sweep_counts_settled();
        fell = sweep_fault(c, &r, "new", limit_ms);
        r.faults += fell;
        r.complete = !fell && !r.late;
        r.late |= !r.complete && sweep_now_ms() > end;
        after = look ? sweep_look_settled() : before;
        if (!sweep_is_clean(&before, &after))
            sweep_note_culprit(r.faults, &before, &after);
    }
    return r;
}

/* By chains of callers; returns what a look before and one after the sweep that counts have found.
 */
static struct sweep_result sweep_chains(const struct ktap_case *c, long limit_ms,
                                        struct sweep_state *before, struct sweep_state *after)
{
    struct sweep_result r;

    *before = sweep_counts_settled();
    sweep_read("/proc/slabinfo", sweep_slabs_before, sizeof(sweep_slabs_before));
    r = sweep_faults(c, limit_ms, false);
    *after = sweep_look_settled();
    if (sweep_is_clean(before, after) || after->violations != 0)
        return r;
    /* Was it made once, on the way of an error? Then it is not lost again. */
    sweep_write("/proc/fail-sweep", "forget");
    *before = *after;
    sweep_read("/proc/slabinfo", sweep_slabs_before, sizeof(sweep_slabs_before));
    r = sweep_faults(c, limit_ms, false);
    *after = sweep_look_settled();
    if (!sweep_is_clean(before, after)) {
        sweep_write("/proc/fail-sweep", "forget");
        sweep_faults(c, limit_ms, true);
    }
    return r;
}

/* Says what is missing; true when nothing is. */
static bool sweep_judge(const struct ktap_case *c, const struct sweep_state *before,
                        const struct sweep_state *after)
{
    if (sweep_is_clean(before, after))
        return true;
    sweep_read("/proc/slabinfo", sweep_slabs_after, sizeof(sweep_slabs_after));
    sweep_tell_slabs();
    ktap_note("%s: %ld pages and %ld objects lost, %ld violations; %s", c->name,
              before->pages - after->pages, after->objects - before->objects, after->violations,
              sweep_culprit);
    return false;
}

#include "sweep_numbers.h"

/* One test's sweep; true when the kernel stood it. */
static bool sweep_case(const struct ktap_case *c, int number)
{
    long start = sweep_now_ms(), limit_ms;
    struct sweep_state before, after;
    struct sweep_result r;
    bool ok = true;
    int status;

    *ktap_reason = '\0';
    sweep_culprit[0] = '\0';
    sweep_write("/proc/fail-sweep", "off");
    status = sweep_run(c, KTAP_TIMEOUT_S * 1000L); /* what is made once at first use */
    limit_ms = (sweep_now_ms() - start) * 2 + SWEEP_GRACE_MS;
    if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == KTAP_STATUS_SKIP) {
        printf("ok %d %s # SKIP %s\n", number, c->name, ktap_reason);
        return true;
    }
    if (sweep_by_numbers && sweep_numbers(c, limit_ms, &ok)) {
        printf("%sok %d %s\n", ok ? "" : "not ", number, c->name);
        return ok;
    }
    r = sweep_chains(c, limit_ms, &before, &after);
    ktap_note("%s: %d faults, %d waited in vain, %ld ms", c->name, r.faults, r.ended,
              sweep_now_ms() - start);
    ok &= sweep_judge(c, &before, &after);
    if (r.late)
        ktap_note("%s: too slow, not swept to its end", c->name);
    printf("%sok %d %s\n", ok ? "" : "not ", number, c->name);
    return ok;
}

/* All memory that the sweeper will use: a page that it touches first later would look lost. */
static bool sweep_take_memory(void)
{
    char stack[SWEEP_STACK_BYTES];

    memset(stack, 0, sizeof(stack));
    __asm__ volatile("" : : "r"(stack) : "memory");
    return mlockall(MCL_CURRENT) == 0; /* its children do not inherit it */
}

/* Needs what only Quire's debug kernel has. */
static bool sweep_begin(const char *how)
{
    if (strncmp(how, "--sweep-all", 11) == 0)
        sweep_numbers_begin(how + 11);
    if (!sweep_take_memory()) {
        printf("Bail out! no memory for the sweep: %s\n", strerror(errno));
        return false;
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && sweep_write("/proc/fail-sweep", "forget"))
        return true;
    printf("Bail out! no /proc/fail-sweep: not Quire's debug kernel, or not root\n");
    return false;
}

#endif
