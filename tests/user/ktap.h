/* SPDX-License-Identifier: MIT */
/*
 * KTAP for user tests: each test is a function that runs in a child of its own, so that one that
 * crashes or hangs fails alone. Programs print KTAP version 1: a plan, "# text" before a result,
 * and "ok N name", "not ok N name" or "ok N name # SKIP reason".
 *
 * The tests state what Linux does and pass there too; a test that needs more than every Linux has
 * (a privilege, a file of /proc) skips with the reason.
 *
 *   TEST(addition) { CHECK_EQ(1 + 1, 2); }
 *   KTAP_MAIN(CASE(addition))
 *
 * CHECK continues after a failure, REQUIRE returns from the function it stands in.
 */
#ifndef TESTS_USER_KTAP_H
#define TESTS_USER_KTAP_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define KTAP_UNUSED       __attribute__((unused))
#define KTAP_TIMEOUT_S    120
#define KTAP_STATUS_FAIL  1
#define KTAP_STATUS_SKIP  4
#define KTAP_REASON_BYTES 256

struct ktap_case {
    const char *name;
    void (*fn)(void);
};

/* An address where nothing is mapped; volatile, so that compilers do not reason about it. */
KTAP_UNUSED static char *volatile ktap_nowhere = (char *)16;

static int ktap_failures;
/* After each test, when set: what the kernel's own walkers find wrong. */
static long (*ktap_violations)(void) KTAP_UNUSED;
static char *ktap_reason; /* shared with the child */

#define TEST(name) static void test_##name(void)
#define CASE(name)                                                                                 \
    {                                                                                              \
#name, test_##name                                                                         \
    }

KTAP_UNUSED static void ktap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
KTAP_UNUSED static void ktap_note(const char *format, ...)
{
    va_list ap;

    printf("# ");
    va_start(ap, format);
    vprintf(format, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
}

static const char *ktap_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

KTAP_UNUSED static bool ktap_check(bool ok, const char *file, int line, const char *what)
{
    if (!ok) {
        ktap_failures++;
        ktap_note("%s:%d: not true: %s", ktap_base(file), line, what);
    }
    return ok;
}

KTAP_UNUSED static bool ktap_check_eq(long long got, long long want, const char *file, int line,
                                      const char *what)
{
    if (got != want) {
        ktap_failures++;
        ktap_note("%s:%d: %s is %lld (0x%llx), not %lld (0x%llx)", ktap_base(file), line, what, got,
                  got, want, want);
    }
    return got == want;
}

/* value is a system call's result: wants -1 (or MAP_FAILED) with this errno. */
KTAP_UNUSED static bool ktap_check_errno(long long value, int want, const char *file, int line,
                                         const char *what)
{
    int got = value == -1 ? errno : 0;

    if (got == want)
        return true;
    ktap_failures++;
    if (value != -1)
        ktap_note("%s:%d: %s gave %lld, not the error '%s'", ktap_base(file), line, what, value,
                  strerror(want));
    else
        ktap_note("%s:%d: %s gave '%s', not '%s'", ktap_base(file), line, what, strerror(got),
                  want ? strerror(want) : "success");
    return false;
}

#define CHECK(cond) ktap_check(cond, __FILE__, __LINE__, #cond)
#define CHECK_EQ(got, want)                                                                        \
    ktap_check_eq((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
#define CHECK_ERRNO(call, want) ktap_check_errno((long long)(call), want, __FILE__, __LINE__, #call)
#define CHECK_OK(call)                                                                             \
    ktap_check_errno((long long)(call) == -1 ? -1 : 0, 0, __FILE__, __LINE__, #call)

#define REQUIRE(cond)                                                                              \
    do {                                                                                           \
        if (!CHECK(cond))                                                                          \
            return;                                                                                \
    } while (0)

/* Ends the test as skipped. */
KTAP_UNUSED static void ktap_skip(const char *format, ...) __attribute__((format(printf, 1, 2)))
__attribute__((noreturn));
KTAP_UNUSED static void ktap_skip(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(ktap_reason, KTAP_REASON_BYTES, format, ap);
    va_end(ap);
    fflush(stdout);
    _exit(ktap_failures ? KTAP_STATUS_FAIL : KTAP_STATUS_SKIP);
}

/* fork() for a test that signals its child: when there is none, the test ends here, as kill() takes
 * the -1 for every process. */
KTAP_UNUSED static pid_t ktap_fork(void)
{
    pid_t pid = fork();

    if (pid < 0) {
        ktap_note("fork: %s", strerror(errno));
        _exit(KTAP_STATUS_FAIL);
    }
    return pid;
}

static void ktap_child(const struct ktap_case *c)
{
    alarm(KTAP_TIMEOUT_S);
    c->fn();
    fflush(stdout);
    _exit(ktap_failures ? KTAP_STATUS_FAIL : 0);
}

/* Runs one test; true unless it failed. */
static bool ktap_run_case(const struct ktap_case *c, int number)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    *ktap_reason = '\0';
    pid = fork();
    if (pid == 0)
        ktap_child(c);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        ktap_note("fork or wait: %s", strerror(errno));
        status = 1 << 8;
    }
    if (WIFSIGNALED(status))
        ktap_note("ended by signal %d%s", WTERMSIG(status),
                  WTERMSIG(status) == SIGALRM ? " (too slow)" : "");
    if (ktap_violations && ktap_violations() != 0) {
        ktap_note("the kernel's walkers found violations, see its log");
        status = 1 << 8;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == KTAP_STATUS_SKIP) {
        printf("ok %d %s # SKIP %s\n", number, c->name, ktap_reason);
        return true;
    }
    printf("%sok %d %s\n", status ? "not " : "", number, c->name);
    return status == 0;
}

/* A test that goes on for a time stays short then: it runs once for each fault. */
KTAP_UNUSED static bool ktap_swept;

/* How long threads race: as long as there are CPUs to race on; @on_four, in seconds, on four. */
KTAP_UNUSED static long ktap_race_seconds(long on_four)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus >= 4 ? on_four : (on_four * cpus + 3) / 4;
}

/* Between two looks at a clock in a loop that waits for it: under the sweep each look is a place
 * that fails once, so that there should be few. */
KTAP_UNUSED static void ktap_between_looks(void)
{
    for (volatile int i = 0; ktap_swept && i < 200000; i++)
        ;
}

#include "sweep.h"

/* With arguments only the tests that they name run; --sweep before them sweeps faults. */
KTAP_UNUSED static int ktap_main(const struct ktap_case *cases, int nr, int argc, char **argv)
{
    int number = 0, failed = 0, planned = 0;
    bool sweep = argc > 1 && strncmp(argv[1], "--sweep", 7) == 0;
    const char *how = sweep ? argv[1] : NULL;

    ktap_swept = sweep;
    argc -= sweep;
    argv += sweep;
    ktap_reason =
        mmap(NULL, KTAP_REASON_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ktap_reason == MAP_FAILED) {
        printf("Bail out! no shared memory: %s\n", strerror(errno));
        return 1;
    }
    if (sweep && !sweep_begin(how))
        return 1;
    for (int pass = 0; pass < 2; pass++) {
        if (pass)
            printf("KTAP version 1\n1..%d\n", planned);
        for (int i = 0; i < nr; i++) {
            bool wanted = argc < 2;

            for (int k = 1; k < argc; k++)
                wanted |= strcmp(argv[k], cases[i].name) == 0;
            if (!wanted)
                continue;
            if (pass)
                failed += !(sweep ? sweep_case : ktap_run_case)(&cases[i], ++number);
            else
                planned++;
        }
    }
    return failed != 0;
}

#define KTAP_MAIN(...)                                                                             \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const struct ktap_case cases[] = {__VA_ARGS__};                                     \
                                                                                                   \
        return ktap_main(cases, (int)(sizeof(cases) / sizeof(cases[0])), argc, argv);              \
    }

#endif
