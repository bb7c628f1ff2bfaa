/* SPDX-License-Identifier: MIT */
/* gib.h: leaves of 1 GiB over anonymous memory, for the tests: their knobs, and is there one? */
#ifndef TESTS_USER_GIB_H
#define TESTS_USER_GIB_H

#include "mem.h"

#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define GIB        (1ul << 30)
#define KNOBS      "/sys/kernel/mm/transparent_hugepage/"
#define KNOB       KNOBS "hugepages-1048576kB/enabled"
#define SCAN_SLEEP KNOBS "khugepaged/scan_sleep_millisecs"
#define SPLIT      "/sys/kernel/debug/split_huge_pages"

/* ---- why there is no free block ---- */

enum {
    FREE_FRAMES,
    MOVABLE_FRAMES,
    HUGE_FRAMES,
    TABLE_FRAMES,
    SLAB_FRAMES,
    OTHER_FRAMES,
    NR_FRAMES
};

static unsigned int frame_sort(uint64_t flags)
{
    if (flags & 1ull << 10)
        return FREE_FRAMES;
    if (flags & 1ull << 22)
        return HUGE_FRAMES;
    if (flags & (1ull << 5 | 1ull << 12))
        return MOVABLE_FRAMES;
    if (flags & 1ull << 26)
        return TABLE_FRAMES;
    return flags & 1ull << 7 ? SLAB_FRAMES : OTHER_FRAMES;
}

/* What each aligned GiB of the machine is used for. */
KTAP_UNUSED static void note_blocks(void)
{
    static uint64_t words[4096];
    int fd = open("/proc/kpageflags", O_RDONLY);
    const size_t per_gib = GIB / page_size;

    for (size_t g = 0; g < 64; g++) {
        size_t n[NR_FRAMES] = {0};
        ssize_t got = 0;

        for (size_t i = 0; i < per_gib; i += 4096) {
            got = pread(fd, words, sizeof(words), (off_t)((g * per_gib + i) * 8));
            for (ssize_t k = 0; k < got / 8; k++)
                n[words[k] & 1ull << 20 ? OTHER_FRAMES : frame_sort(words[k])]++;
        }
        if (n[FREE_FRAMES] != 0)
            ktap_note("GiB %zu: %zu free, %zu movable, %zu huge, %zu tables, %zu slab, %zu other",
                      g, n[FREE_FRAMES], n[MOVABLE_FRAMES], n[HUGE_FRAMES], n[TABLE_FRAMES],
                      n[SLAB_FRAMES], n[OTHER_FRAMES]);
    }
    close(fd);
}

struct leaf_query {
    uintptr_t at;
    unsigned int level; /* of the leaf there */
};

static void leaf_line(const char *line, void *arg)
{
    struct leaf_query *q = arg;
    unsigned long start, end;
    unsigned int level;
    char kind[8];

    if (sscanf(line, "%u %lx-%lx %7s", &level, &start, &end, kind) == 4 &&
        strcmp(kind, "leaf") == 0 && q->at >= start && q->at < end)
        q->level = level;
}

/* /proc/self/pagetable shows a leaf of level 2 at @at. */
KTAP_UNUSED static bool is_gib(const void *at)
{
    struct leaf_query q = {.at = (uintptr_t)at};

    mem_each_line("/proc/self/pagetable", leaf_line, &q);
    return q.level == 2;
}

#endif
