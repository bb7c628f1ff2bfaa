/* SPDX-License-Identifier: MIT */
/*
 * hpt_info.c: the hash table as text: /proc/hpt, and events by name for tests.
 *
 *   groups:   number of groups, of how many entries each
 *   entries:  used ones, and how many of them are bolted (the kernel's), in their secondary group,
 *             of dead segments
 *   full N:   groups that have N entries
 *   segments: numbers in all, in use, retired and not yet swept
 *   then events since boot, summed over the CPUs (HPT_EVENTS in internal.h)
 *
 * Locks: none: counts are a glance. Read next: README.md.
 */
#include <arch/info.h>
#include <asm/errno.h>
#include <kernel/string.h>
#include <kernel/vfs.h>
#include "internal.h"

static const char *const names[NR_HPT_EVENTS] = {
#define X(n) #n,
    HPT_EVENTS(X)
#undef X
};

static u64 sum(enum hpt_event e)
{
    u64 total = 0;

    for_each_online_cpu (n)
        total += READ_ONCE(hpt_events[n][e]);
    return total;
}

u64 hpt_event_sum(const char *name)
{
    for (unsigned int e = 0; e < NR_HPT_EVENTS; e++)
        if (strcmp(names[e], name) == 0)
            return sum(e);
    return ~0UL;
}

static int show_hpt(struct seq *s, void *arg)
{
    struct hpt_occupancy o;
    u64 all, live, retired;

    (void)arg;
    hpt_occupancy(&o);
    seg_numbers(&all, &live, &retired);
    seq_printf(s, "groups: %lu of %u entries\n", hpt_nr_groups(), HPT_GROUP);
    seq_printf(s, "entries: %lu bolted: %lu secondary: %lu dead: %lu\n", o.entries, o.bolted,
               o.secondary, o.dead);
    for (unsigned int i = 0; i <= HPT_GROUP; i++)
        seq_printf(s, "full %u: %lu\n", i, o.groups[i]);
    seq_printf(s, "segments: %lu live: %lu retired: %lu\n", all, live, retired);
    for (unsigned int e = 0; e < NR_HPT_EVENTS; e++)
        seq_printf(s, "%s: %lu\n", names[e], sum(e));
    return 0;
}

void arch_proc_init(void)
{
    if (!ppc_mmu.radix)
        proc_create("hpt", 0444, show_hpt, NULL, NULL);
}
