/* SPDX-License-Identifier: MIT */
/* main.c: the KTAP runner, and the kernel's log and death in a program. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <kernel/printk.h>
#include "host.h"

#define PANIC_STATUS 42

static struct htest *tests, **tests_end = &tests;
static unsigned int failures;
static bool in_child;

void host_test_add(struct htest *t)
{
    *tests_end = t;
    tests_end = &t->next;
}

unsigned int host_failures(void)
{
    return failures;
}

void host_expect_failed(const char *file, int line, const char *what, long a, long b)
{
    printf("# %s:%d: expected %s (%ld, %ld)\n", file, line, what, a, b);
    failures++;
}

void host_die(const char *file, int line, const char *what)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
    __builtin_trap();
}

void printk(enum log_level level, const char *fmt, ...)
{
    va_list ap;

    if (level > LOG_WARNING)
        return;
    va_start(ap, fmt);
    fputs("# ", stdout);
    vprintf(fmt, ap);
    va_end(ap);
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fflush(stdout);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    if (in_child)
        _exit(PANIC_STATUS);
    __builtin_trap();
}

/* In the child: the panic's text goes into the pipe. */
static __noreturn void run_child(void (*fn)(void *), void *arg, int out)
{
    in_child = true;
    host_memory_make_private();
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    fn(arg);
    fflush(stdout);
    _exit(0);
}

bool host_panics(void (*fn)(void *), void *arg, const char *text)
{
    char buf[4096];
    size_t n = 0;
    ssize_t got;
    int fds[2], status = 0;
    pid_t child;

    fflush(stdout);
    REQUIRE(pipe(fds) == 0);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        run_child(fn, arg, fds[1]);
    close(fds[1]);
    while (n < sizeof(buf) - 1 && (got = read(fds[0], buf + n, sizeof(buf) - 1 - n)) > 0)
        n += (size_t)got;
    buf[n] = '\0';
    close(fds[0]);
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == PANIC_STATUS && strstr(buf, text) != NULL)
        return true;
    printf("# wanted a panic with \"%s\", got status 0x%x: %s\n", text, (unsigned int)status, buf);
    return false;
}

/* Without the sanitizers' handler, so that the signal shows as such. */
bool host_faults(void (*fn)(void *), void *arg)
{
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        host_memory_make_private();
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        fn(arg);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS);
}

/* Fuzz targets bring libFuzzer's main. */
__attribute__((weak)) int main(void)
{
    unsigned int n = 0, failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct htest *t = tests; t != NULL; t = t->next)
        n++;
    printf("KTAP version 1\n1..%u\n", n);
    n = 0;
    for (struct htest *t = tests; t != NULL; t = t->next) {
        failures = 0;
        t->fn();
        failed += failures != 0;
        printf("%sok %u %s\n", failures != 0 ? "not " : "", ++n, t->name);
    }
    return failed != 0;
}
