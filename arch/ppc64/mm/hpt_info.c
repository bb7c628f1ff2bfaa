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
 * And one address in /proc/hpt_lookup: write "PID ADDRESS", then read. "in groups" there counts the
 * segment's entries as /proc/hpt does those of the whole table, by looking into every group.
 *
 * Locks: MISC_SLEEP for what was asked last; counts are a glance. Read next: README.md.
 */
#include <arch/info.h>
#include <asm/errno.h>
#include <kernel/mutex.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/vfs.h>
#include <mm/mm.h>
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
    hpt_occupancy(&o, 0);
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

static struct {
    struct mutex lock;
    pid_t pid;
    vaddr_t va;
} query = {.lock = MUTEX_INIT(query.lock, LOCK_MISC_SLEEP)};

/* What all groups have of the segment; a segment that is well spread has one entry in each. */
static void show_segment(struct seq *s, u64 vsid)
{
    struct hpt_occupancy o;

    hpt_occupancy(&o, vsid);
    seq_printf(s, "in groups: %lu secondary: %lu groups by entries of the segment:", o.entries,
               o.secondary);
    for (unsigned int i = 1; i <= HPT_GROUP; i++)
        seq_printf(s, " %lu", o.groups[i]);
    seq_puts(s, "\n");
}

static void show_info(struct seq *s, vaddr_t va, const struct hpt_info *info)
{
    seq_printf(s, "address: 0x%lx esid: 0x%lx\n", va, info->esid);
    if (info->vsid == 0) {
        seq_puts(s, "the segment has no number\n");
        return;
    }
    seq_printf(s, "vsid: 0x%lx base page: %lu KiB entries of the segment: %u\n", info->vsid,
               1UL << (info->base_shift - 10), info->segment_entries);
    show_segment(s, info->vsid);
    seq_printf(s, "hash: 0x%lx groups: %lu %lu\n", info->hash, info->group[0], info->group[1]);
    if (info->slot < 0)
        seq_puts(s, "slot: none\n");
    else
        seq_printf(s, "slot: %ld (%s) second word: 0x%lx%s%s\n", info->slot,
                   info->secondary ? "secondary" : "primary", info->second_word,
                   info->second_word & HPTE_R ? " referenced" : "",
                   info->second_word & HPTE_C ? " changed" : "");
}

static int show_lookup(struct seq *s, void *arg)
{
    struct hpt_info info;
    struct task *t;
    struct mm *mm;
    vaddr_t va;

    (void)arg;
    mutex_lock(&query.lock);
    t = task_find_get(query.pid);
    va = query.va;
    mutex_unlock(&query.lock);
    mm = t != NULL ? task_mm_get(t) : NULL;
    if (t != NULL)
        task_put(t);
    if (mm == NULL)
        return -ESRCH;
    mmap_read_lock(mm); /* keeps the tables */
    if (hpt_explain(mm, va, &info))
        show_info(s, va, &info);
    else
        seq_printf(s, "address: 0x%lx: no level-1 table\n", va);
    mmap_read_unlock(mm);
    mm_put(mm);
    return 0;
}

static ssize_t store_lookup(const char *buf, size_t n, void *arg)
{
    const char *end;
    u64 pid = parse_u64(buf, &end), va;

    (void)arg;
    if (end == buf || *end != ' ')
        return -EINVAL;
    buf = end + 1;
    va = parse_u64(buf, &end);
    if (end == buf || va >= user_top() || pid > 0x7fffffff)
        return -EINVAL;
    mutex_lock(&query.lock);
    query.pid = (pid_t)pid;
    query.va = va;
    mutex_unlock(&query.lock);
    return (ssize_t)n;
}

void arch_proc_init(void)
{
    if (ppc_mmu.radix)
        return;
    proc_create("hpt", 0444, show_hpt, NULL, NULL);
    proc_create("hpt_lookup", 0600, show_lookup, store_lookup, NULL);
}
