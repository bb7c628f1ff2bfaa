/* SPDX-License-Identifier: MIT */
/*
 * vmstat [INTERVAL [COUNT]]: memory and what the memory manager does, one line per interval.
 *
 * The first line counts from the start of the machine, the others since the line before. Sizes in
 * MiB; a column that this kernel has no counter for shows "-".
 */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <time.h>

struct column {
    const char *title;
    const char *key; /* in /proc/vmstat, or in /proc/meminfo for sizes */
    bool is_size;
    uint64_t last;
};

static struct column columns[] = {
    {"free", "MemFree", true, 0},          {"cache", "Cached", true, 0},
    {"anon", "AnonPages", true, 0},        {"slab", "Slab", true, 0},
    {"tables", "PageTables", true, 0},     {"faults", "pgfault", false, 0},
    {"major", "pgmajfault", false, 0},     {"alloc", "pgalloc", false, 0},
    {"freed", "pgfree", false, 0},         {"thp", "thp_fault_alloc", false, 0},
    {"split", "thp_split_page", false, 0},
};
#define NR_COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* Linux counts allocations per zone: pgalloc_dma, pgalloc_normal ... Their sum is wanted. */
static bool read_counter(const char *text, const char *key, uint64_t *value)
{
    static const char *const zones[] = {"_dma", "_dma32", "_normal", "_movable", "_device"};
    bool found = proc_field(text, key, value);

    if (found)
        return true;
    *value = 0;
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        char name[64];
        uint64_t part;

        snprintf(name, sizeof(name), "%s%s", key, zones[i]);
        if (proc_field(text, name, &part)) {
            *value += part;
            found = true;
        }
    }
    return found;
}

static void print_row(void)
{
    char *vmstat = read_file("/proc/vmstat", NULL);
    char *meminfo = read_file("/proc/meminfo", NULL);

    if (!vmstat || !meminfo)
        err(1, "/proc/%s", vmstat ? "meminfo" : "vmstat");
    for (size_t i = 0; i < NR_COLUMNS; i++) {
        struct column *c = &columns[i];
        uint64_t value;
        bool known =
            c->is_size ? proc_field(meminfo, c->key, &value) : read_counter(vmstat, c->key, &value);

        if (!known)
            printf(" %8s", "-");
        else if (c->is_size)
            printf(" %8.1f", (double)value / 1024);
        else
            printf(" %8llu", (unsigned long long)(value - c->last));
        if (known)
            c->last = value;
    }
    putchar('\n');
    fflush(stdout);
    free(vmstat);
    free(meminfo);
}

static void print_titles(void)
{
    for (size_t i = 0; i < NR_COLUMNS; i++)
        printf(" %8s", columns[i].title);
    putchar('\n');
}

int main(int argc, char **argv)
{
    uint64_t interval_ns = 0;
    long count = argc > 1 ? -1 : 1;

    if (argc > 3 || (argc > 1 && !parse_duration(argv[1], &interval_ns)))
        errx(2, "usage: vmstat [interval [count]]");
    if (argc > 2)
        count = parse_long(argv[2], "count");
    for (long row = 0; row != count; row++) {
        struct timespec ts = {.tv_sec = (time_t)(interval_ns / 1000000000u),
                              .tv_nsec = (long)(interval_ns % 1000000000u)};

        if (row)
            nanosleep(&ts, NULL);
        if (row % 20 == 0)
            print_titles();
        print_row();
    }
    return 0;
}
