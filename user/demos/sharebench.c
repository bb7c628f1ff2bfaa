/* SPDX-License-Identifier: MIT */
/*
 * sharebench [-m MIB] [N...]: N processes (2, 8, 64, 256) map the same sparse object of MIB (1024)
 * MiB and touch each page once, one process after the other, all staying alive.
 *
 * For each N a line: page faults of all together, page tables in KiB more than before, virtual time
 * per page and process. Under -icount shift=0 one nanosecond is one instruction. The kernel's
 * shared_pt=off shows the same without sharing.
 */
#include "lib.h"

#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static size_t object_bytes = (size_t)1 << 30;

struct result {
    long faults;
    int64_t ns;
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static long table_kib(void)
{
    char *text = read_file("/proc/meminfo", NULL), *at = text ? strstr(text, "PageTables:") : NULL;
    long kib = at ? atol(at + 11) : -1;

    free(text);
    return kib;
}

/* One process: touches, says how it went, stays until the other end of @stay is closed. */
static void user(int fd, int say, int stay)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    volatile char *p = mmap(NULL, object_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct rusage before, after;
    struct result r;
    char c;

    if (p == MAP_FAILED)
        err(1, "mmap");
    getrusage(RUSAGE_SELF, &before);
    r.ns = now_ns();
    for (size_t i = 0; i < object_bytes; i += page)
        p[i] = 1;
    r.ns = now_ns() - r.ns;
    getrusage(RUSAGE_SELF, &after);
    r.faults = after.ru_minflt - before.ru_minflt;
    if (write(say, &r, sizeof(r)) != sizeof(r))
        err(1, "write");
    if (read(stay, &c, 1) < 0)
        err(1, "read");
    _exit(0);
}

static void measure(int n)
{
    int fd = (int)syscall(SYS_memfd_create, "sharebench", 0u), say[2], stay[2], started = 0;
    long before = table_kib(), faults = 0, kib, pages;
    int64_t ns = 0, first = 0;

    if (fd < 0 || ftruncate(fd, (off_t)object_bytes) < 0 || pipe(say) < 0 || pipe(stay) < 0)
        err(1, "object");
    pages = (long)(object_bytes / (size_t)sysconf(_SC_PAGESIZE));
    for (; started < n; started++) {
        struct result r;
        pid_t pid = fork();

        if (pid == 0) {
            close(stay[1]);
            user(fd, say[1], stay[0]);
        }
        if (pid < 0 || read(say[0], &r, sizeof(r)) != sizeof(r))
            break;
        faults += r.faults;
        if (started == 0)
            first = r.ns;
        else
            ns += r.ns;
    }
    kib = table_kib() - before;
    printf("sharebench: %4d processes  %10ld faults  %8ld KiB of tables", started, faults, kib);
    printf("  ns per page: first %ld, others %ld\n", (long)(first / pages),
           started > 1 ? (long)(ns / pages / (started - 1)) : 0);
    fflush(stdout);
    close(stay[1]);
    while (wait(NULL) > 0)
        ;
    for (int i = 0; i < 2; i++)
        close(say[i]);
    close(stay[0]);
    close(fd);
}

int main(int argc, char **argv)
{
    static const int usual[] = {2, 8, 64, 256};
    int opt;

    while ((opt = getopt(argc, argv, "m:")) != -1) {
        if (opt != 'm')
            return 2;
        object_bytes = strtoul(optarg, NULL, 0) << 20;
    }
    if (optind == argc)
        for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
            measure(usual[i]);
    for (int i = optind; i < argc; i++)
        measure(atoi(argv[i]));
    return 0;
}
