/* SPDX-License-Identifier: MIT */
/* gib.h: leaves of 1 GiB over anonymous memory, for the tests: their knobs, and is there one? */
#ifndef TESTS_USER_GIB_H
#define TESTS_USER_GIB_H

#include "mem.h"

#include <sys/mman.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define GIB   (1ul << 30)
#define KNOBS "/sys/kernel/mm/transparent_hugepage/"
#define KNOB  KNOBS "hugepages-1048576kB/enabled"
#define SCAN_SLEEP KNOBS "khugepaged/scan_sleep_millisecs"
#define SPLIT "/sys/kernel/debug/split_huge_pages"

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
static bool is_gib(const void *at)
{
    struct leaf_query q = {.at = (uintptr_t)at};

    mem_each_line("/proc/self/pagetable", leaf_line, &q);
    return q.level == 2;
}

#endif
