/* SPDX-License-Identifier: MIT */
/*
 * vmstat.c: the counters of /proc/vmstat: storage, names, sums.
 *
 * Each CPU counts for itself; a sum read while others count is a moment's estimate. No locks.
 * Read next: include/mm/mm.h for the list of items.
 */
#include <kernel/printk.h>
#include <mm/buddy.h>
#include <mm/mm.h>

u64 vmstat_cpu[NR_CPUS][NR_VMSTAT] __aligned(64);

const char *const vmstat_names[NR_VMSTAT] = {
#define X(n) [VMSTAT_##n] = #n,
    VMSTAT_ITEMS(X)
#undef X
};

u64 vmstat_sum(enum vmstat_item i)
{
    u64 sum = 0, allocated, freed;

    ASSERT(i < NR_VMSTAT);
    if (i == VMSTAT_pgalloc || i == VMSTAT_pgfree) { /* the page allocator counts by kind */
        page_counts(&allocated, &freed);
        return i == VMSTAT_pgalloc ? allocated : freed;
    }
    for (unsigned int c = 0; c < NR_CPUS; c++)
        sum += READ_ONCE(vmstat_cpu[c][i]);
    return sum;
}
