/* SPDX-License-Identifier: MIT */
/*
 * What the tests of huge pages share: the default pool, made as large as a test needs and given
 * back when the program ends. A machine that cannot give the pages skips the test.
 */
#ifndef TESTS_USER_HUGE_H
#define TESTS_USER_HUGE_H

#include "mem.h"

#include <sys/mount.h>
#include <sys/stat.h>

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB 4u
#endif
#ifndef FALLOC_FL_PUNCH_HOLE
#define FALLOC_FL_KEEP_SIZE  1
#define FALLOC_FL_PUNCH_HOLE 2
#endif

#define NR_FILE      "/proc/sys/vm/nr_hugepages"
#define SURPLUS_FILE "/proc/sys/vm/nr_overcommit_hugepages"
#define HUGE         (MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)

static size_t huge_size KTAP_UNUSED;
static long huge_before = -1; /* the program's own process only */

/* The one number in a file; -1: none. */
KTAP_UNUSED static long number_in(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 ? atol(text) : -1;
}

KTAP_UNUSED static bool write_number(const char *path, long value)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "%ld", value), fd = open(path, O_WRONLY);
    bool ok = fd >= 0 && write(fd, text, (size_t)len) == len;

    if (fd >= 0)
        close(fd);
    return ok;
}

struct pool {
    long total, free, reserved, surplus;
};

KTAP_UNUSED static struct pool pool_now(void)
{
    return (struct pool){file_field("/proc/meminfo", "HugePages_Total"),
                         file_field("/proc/meminfo", "HugePages_Free"),
                         file_field("/proc/meminfo", "HugePages_Rsvd"),
                         file_field("/proc/meminfo", "HugePages_Surp")};
}

/*
 * What a process had comes back with the last user of its address space. That may be the kernel for
 * a moment (compaction that looks who maps a page), which lets a thread of its own take it down:
 * after wait() told that the process is gone. So counts are right a moment later.
 */
KTAP_UNUSED static struct pool pool_settled(long want_free, long want_reserved)
{
    struct pool now = pool_now();

    for (int ms = 0; ms < 1000 && (now.free != want_free || now.reserved != want_reserved); ms++) {
        usleep(1000);
        now = pool_now();
    }
    return now;
}

#define CHECK_POOL(want_free, want_reserved)                                                       \
    do {                                                                                           \
        struct pool now_ = pool_settled(want_free, want_reserved);                                 \
                                                                                                   \
        CHECK_EQ(now_.free, want_free);                                                            \
        CHECK_EQ(now_.reserved, want_reserved);                                                    \
    } while (0)

/* The pool has exactly nr pages and all are free, or the test is skipped. */
KTAP_UNUSED static void set_pool(long nr)
{
    struct pool p;

    huge_size = (size_t)file_field("/proc/meminfo", "Hugepagesize") * 1024;
    if ((long)huge_size <= 0)
        ktap_skip("no huge pages here");
    if (!write_number(NR_FILE, nr))
        ktap_skip("%s: %s", NR_FILE, strerror(errno));
    p = pool_now();
    if (p.total != nr || p.free != nr || p.reserved != 0)
        ktap_skip("the pool has %ld pages, %ld free, %ld reserved, instead of %ld", p.total, p.free,
                  p.reserved, nr);
}

__attribute__((constructor)) static void huge_begin(void)
{
    huge_before = number_in(NR_FILE);
}

__attribute__((destructor)) static void huge_end(void)
{
    if (huge_before >= 0)
        write_number(NR_FILE, huge_before);
}

KTAP_UNUSED static char *map_huge(size_t nr, int flags)
{
    return mmap(NULL, nr * huge_size, RW, HUGE | flags, -1, 0);
}

KTAP_UNUSED static int huge_memfd(void)
{
    return (int)syscall(SYS_memfd_create, "huge", MFD_HUGETLB);
}

/* One byte in each of nr huge pages. */
KTAP_UNUSED static void touch_huge(char *p, size_t nr, char value)
{
    for (size_t i = 0; i < nr; i++)
        p[i * huge_size] = value;
}

#endif
