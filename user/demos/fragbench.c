/* SPDX-License-Identifier: MIT */
/*
 * fragbench: how many huge pages a fragmented machine has, before and after compaction.
 *
 * Fills four fifths of free memory with base pages and gives every second one back: half of what
 * was filled is free, and no two free pages are neighbours. Then it touches huge pages' room until
 * no more huge pages come: as memory is, after a write to compact_memory, and, fragmented anew,
 * with each fault compacting for itself. `make bench-frag` runs it.
 */
#include "lib.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define KNOBS "/sys/kernel/mm/transparent_hugepage/"

static size_t page, huge, nr_pages;

static void write_knob(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        err(1, "%s", path);
    close(fd);
}

/* The number behind @name in a file of lines "name number". */
static unsigned long number_in(const char *path, const char *name)
{
    static char buf[16384];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
    char *at;

    if (n < 0)
        err(1, "%s", path);
    close(fd);
    buf[n] = '\0';
    at = name ? strstr(buf, name) : buf;
    if (at == NULL)
        errx(1, "%s: no %s", path, name);
    return strtoul(at + (name ? strlen(name) : 0), NULL, 10);
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static char *map(size_t len)
{
    char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED)
        err(1, "mmap");
    return p;
}

/* Memory with a hole behind each page; each page says which it is. */
static char *fragment(void)
{
    char *p;

    nr_pages = number_in("/proc/meminfo", "MemFree:") * 1024 / page * 4 / 5;
    p = map(nr_pages * page);
    madvise(p, nr_pages * page, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < nr_pages; i++)
        *(size_t *)(p + i * page) = i;
    for (size_t i = 1; i < nr_pages; i += 2)
        madvise(p + i * page, page, MADV_DONTNEED);
    return p;
}

static void check(const char *p)
{
    for (size_t i = 0; i < nr_pages; i += 2)
        if (*(const size_t *)(p + i * page) != i)
            errx(1, "page %zu has other contents", i);
}

/* Touches room for @n huge pages: how many came as such. Gives all back. */
static unsigned long grab(size_t n, double *ms)
{
    char *p = map((n + 1) * huge), *first = p + (huge - (size_t)p % huge) % huge;
    unsigned long before = number_in("/proc/vmstat", "thp_fault_alloc "), got;
    double start = now_ms();

    madvise(p, (n + 1) * huge, MADV_HUGEPAGE);
    for (size_t i = 0; i < n; i++) {
        unsigned long had = number_in("/proc/vmstat", "thp_fault_alloc ");

        first[i * huge] = 1;
        if (number_in("/proc/vmstat", "thp_fault_alloc ") == had)
            break;
    }
    *ms = now_ms() - start;
    got = number_in("/proc/vmstat", "thp_fault_alloc ") - before;
    munmap(p, (n + 1) * huge);
    return got;
}

int main(void)
{
    unsigned long got, moved;
    double ms, start;
    size_t possible;
    char *p;

    page = (size_t)sysconf(_SC_PAGESIZE);
    huge = number_in(KNOBS "hpage_pmd_size", NULL);
    p = fragment();
    possible = number_in("/proc/meminfo", "MemFree:") * 1024 / huge;
    printf("fragbench: %zu MiB of base pages, every second one free: room for %zu huge pages\n",
           nr_pages * page >> 20, possible);
    write_knob(KNOBS "defrag", "never");
    got = grab(possible, &ms);
    printf("fragbench: as it is            %4lu huge pages\n", got);
    moved = number_in("/proc/vmstat", "pgmigrate_success ");
    start = now_ms();
    write_knob("/proc/sys/vm/compact_memory", "1");
    ms = now_ms() - start;
    moved = number_in("/proc/vmstat", "pgmigrate_success ") - moved;
    check(p);
    printf("fragbench: after compact_memory %3lu huge pages; %lu pages moved in %.0f ms\n",
           grab(possible, &start), moved, ms);
    munmap(p, nr_pages * page);
    p = fragment();
    moved = number_in("/proc/vmstat", "pgmigrate_success ");
    write_knob(KNOBS "defrag", "always");
    got = grab(possible, &ms);
    moved = number_in("/proc/vmstat", "pgmigrate_success ") - moved;
    check(p);
    printf("fragbench: faults compact       %3lu huge pages; %lu pages moved in %.0f ms\n", got,
           moved, ms);
    return 0;
}
